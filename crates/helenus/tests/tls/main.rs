//! TLS over real sockets, each test on every reactor: a server's end that takes TLS off in front of the embedded node, and
//! certificates made for the test.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../common/mod.rs"]
mod common;

mod endings;
mod names;
mod setup;
mod traffic;
mod trust;

use std::net::SocketAddr;

use helenus::tls::Tls;
use helenus::{ConnectError, Session, SessionBuilder};
use helenus_conformance::tls::{Authority, Front};
use helenus_node::Node;

use common::{Kind, PATIENCE};

/// A node behind TLS, whose certificate is for 127.0.0.1 and localhost, and the authority that signed it.
struct Secured {
    _node: Node,
    front: Front,
    authority: Authority,
}

impl Secured {
    fn new() -> Self {
        Self::with(|authority, behind| {
            Front::new(authority.issue(&["127.0.0.1", "localhost"]).server(None), behind)
        })
    }

    /// With an end of TLS as the test wants it.
    fn with(front: impl FnOnce(&Authority, SocketAddr) -> Front) -> Self {
        let node = Node::builder().start().unwrap();
        common::make_table(&node);
        let authority = Authority::new();
        let front = front(&authority, node.addresses()[0]);
        Self { _node: node, front, authority }
    }

    /// Trusts the authority, and nobody else.
    fn trust(&self) -> Tls {
        Tls::new().roots_pem(self.authority.pem())
    }

    fn builder(&self, tls: Tls) -> SessionBuilder {
        to(self.front.address()).tls(tls)
    }

    fn connect(&self, kind: Kind) -> Session {
        kind.connect(self.builder(self.trust())).unwrap()
    }
}

fn to(address: SocketAddr) -> SessionBuilder {
    Session::builder().contact_point(address.to_string()).request_timeout(PATIENCE)
}

/// What is said of a connection that did not come to be. It is said of this node.
#[track_caller]
fn refusal(kind: Kind, builder: SessionBuilder, node: SocketAddr) -> String {
    let text = match kind.connect(builder) {
        Err(error @ ConnectError::Unreachable(_)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert_says(&text, &[&node.to_string()]);
    text
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
}
