//! Authentication: PLAIN against the embedded node, and a mechanism of two rounds against a server that knows it.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use helenus::{AuthError, AuthExchange, AuthReply, AuthServer, Authenticator, Session, Version};
use helenus_core::protocol::response::Message;
use helenus_core::protocol::{ErrorKind, ServerError};
use helenus_node::Node;

use crate::common::scripted;
use crate::common::{self, Kind, on_every_reactor};

on_every_reactor!(
    user_and_password,
    a_wrong_password_is_an_error_that_does_not_show_it,
    two_rounds_with_answers_from_another_thread,
    what_can_go_wrong_with_an_authenticator,
);

const CLASS: &str = "org.example.Handshaker";
const SECRET: &str = "hunter2";

fn user_and_password(kind: Kind) {
    let node = Node::builder().nodes(2).authentication("ada", SECRET).start().unwrap();
    for version in [Version::V3, Version::V4, Version::V5] {
        let builder = common::builder(&node).credentials("ada", SECRET).protocol_version(version);
        let session = kind.connect(builder).unwrap();
        session.query("SELECT key FROM system.local", ()).wait().unwrap();
        session.close().wait().unwrap();
    }
}

fn a_wrong_password_is_an_error_that_does_not_show_it(kind: Kind) {
    let node = Node::builder().authentication("ada", "another").start().unwrap();
    let address = node.addresses()[0].to_string();
    for version in [Version::V4, Version::V5] {
        let builder = common::builder(&node).credentials("ada", SECRET).protocol_version(version);
        assert!(!format!("{builder:?}").contains(SECRET));
        let error = kind.connect(builder).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("user 'ada' was refused") && text.contains(&address), "{text}");
        assert!(!text.contains(SECRET) && !format!("{error:?}").contains(SECRET), "{error:?}");
    }
    let text = kind.connect(common::builder(&node)).unwrap_err().to_string();
    assert!(text.contains("give the builder a user and password") && text.contains(&address), "{text}");
}

/// Answers `hello` with a challenge, and that, reversed, with its own proof.
fn server() -> SocketAddr {
    scripted::serve(|number, mut peer| {
        let authenticate = Message::Authenticate { authenticator: CLASS };
        let Some(()) = peer.startup(&authenticate) else { return };
        let Some((stream, hello)) = peer.auth_response() else { return };
        assert_eq!(hello, b"hello");
        let challenge = format!("nonce {number}");
        peer.message(stream, Message::AuthChallenge(Some(challenge.as_bytes())));
        let Some((stream, answer)) = peer.auth_response() else { return };
        if answer.iter().rev().ne(challenge.as_bytes()) {
            return peer.error(stream, ServerError::new(ErrorKind::Authentication, "that is no proof"));
        }
        peer.message(stream, Message::AuthSuccess(Some(b"it's me")));
        peer.be_good();
    })
}

/// What the client does at its second round, and what it wants to hear at last.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Manner {
    Right,
    Wrong,
    Drops,
    Panics,
    Refuses,
    Waits,
    WantsMore,
}

impl Authenticator for Manner {
    fn begin(&self, server: &AuthServer) -> Box<dyn AuthExchange> {
        assert_eq!(&*server.authenticator, CLASS);
        assert_eq!(*server.contact_point, server.address.to_string());
        Box::new(Exchange(*self, Vec::new()))
    }
}

/// And replies that nobody will answer.
struct Exchange(Manner, Vec<AuthReply>);

impl AuthExchange for Exchange {
    fn initial(&mut self, reply: AuthReply) {
        reply.respond(*b"hello");
    }

    fn challenge(&mut self, token: Option<&[u8]>, reply: AuthReply) {
        let mut proof = token.unwrap().to_vec();
        match self.0 {
            Manner::Right | Manner::WantsMore => {
                proof.reverse();
                thread::spawn(move || {
                    thread::sleep(Duration::from_millis(20));
                    reply.respond(proof);
                });
            }
            Manner::Wrong => reply.respond(proof),
            Manner::Drops => drop(reply),
            Manner::Panics => panic!("an authenticator that panics"),
            Manner::Refuses => reply.refuse("the vault is shut"),
            Manner::Waits => self.1.push(reply),
        }
    }

    fn success(&mut self, token: Option<&[u8]>) -> Result<(), AuthError> {
        assert_eq!(token, Some(&b"it's me"[..]));
        if self.0 == Manner::WantsMore { Err("the server gave no proof".into()) } else { Ok(()) }
    }
}

fn two_rounds_with_answers_from_another_thread(kind: Kind) {
    for version in [Version::V4, Version::V5] {
        let builder = Session::builder().contact_point(server().to_string()).protocol_version(version);
        let session = kind.connect(builder.authenticator(Manner::Right).connections_per_node(2)).unwrap();
        session.query("anything", ()).wait().unwrap();
        common::until(&session, "both are ready", || {
            session.metrics().counters.connections == 2 * kind.shards() as u64
        });
        session.close().wait().unwrap();
    }
}

fn what_can_go_wrong_with_an_authenticator(kind: Kind) {
    let address = server();
    for (manner, words) in [
        (Manner::Wrong, "that is no proof"),
        (Manner::Drops, "dropped its reply to org.example.Handshaker without an answer"),
        (Manner::Panics, "did it panic?"),
        (Manner::Refuses, "gave the exchange with org.example.Handshaker up: the vault is shut"),
        (Manner::Waits, "the program's authenticator has not replied within 300ms"),
        (Manner::WantsMore, "the server gave no proof"),
    ] {
        let builder = Session::builder().contact_point(address.to_string()).authenticator(manner);
        let patience = Duration::from_millis(if manner == Manner::Waits { 300 } else { 20_000 });
        let text = kind.connect(builder.handshake_timeout(patience)).unwrap_err().to_string();
        assert!(text.contains(words) && text.contains(&address.to_string()), "{manner:?}: {text}");
    }
}
