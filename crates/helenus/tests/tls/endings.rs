//! Ports without TLS, TLS without ports, and how it ends.

use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

use helenus::tls::{Tls, TlsError};
use helenus::{ConnectionError, Error, Fate, RequestError};
use helenus_conformance::tls::{Authority, Front};
use helenus_node::Node;

use crate::common::{self, Kind, on_every_reactor, scripted};
use crate::{Secured, assert_says, refusal, to};

on_every_reactor!(
    tls_to_a_port_without,
    no_tls_to_a_port_with,
    a_silent_port,
    a_port_that_hangs_up,
    a_cut_while_a_request_waits,
    an_end_while_a_request_waits,
    a_session_outlives_cuts,
);

fn tls_to_a_port_without(kind: Kind) {
    let node = Node::builder().start().unwrap();
    let address = node.addresses()[0];
    let tls = Tls::new().roots_pem(Authority::new().pem());
    let text = refusal(kind, to(address).tls(tls), address);
    assert_says(&text, &["in CQL without TLS", "connect without TLS"]);
}

fn no_tls_to_a_port_with(kind: Kind) {
    let secured = Secured::new();
    let address = secured.front.address();
    let text = refusal(kind, to(address), address);
    assert_says(&text, &["wants TLS"]);
}

fn a_silent_port(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Tls::new().roots_pem(Authority::new().pem());
    let text = refusal(kind, to(address).tls(tls).handshake_timeout(Duration::from_millis(200)), address);
    assert_says(&text, &["TLS handshake", "200ms"]);
}

fn a_port_that_hangs_up(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        let _ = peer.socket.read(&mut [0; 4096]);
    });
    let tls = Tls::new().roots_pem(Authority::new().pem());
    let text = refusal(kind, to(address).tls(tls), address);
    assert_says(&text, &["during the TLS handshake"]);
}

/// A server behind TLS that reads a request after the handshake and leaves it without an answer, until `end`.
fn unanswered(kind: Kind, end: impl FnOnce(&Front)) -> Error {
    let (reached, got) = std::sync::mpsc::channel();
    let behind = scripted::serve(move |_, mut peer| {
        if peer.handshake().is_some() {
            let _ = peer.request();
            let _ = reached.send(());
            peer.be_silent();
        }
    });
    let authority = Authority::new();
    let front = Front::new(authority.issue(&["127.0.0.1"]).server(None), behind);
    let session = kind.connect(to(front.address()).tls(Tls::new().roots_pem(authority.pem()))).unwrap();
    let pending = session.query("never answered", ()).submit();
    common::until(&session, "the request", || got.try_recv().is_ok());
    end(&front);
    pending.wait().unwrap_err()
}

fn a_cut_while_a_request_waits(kind: Kind) {
    let error = unanswered(kind, |front| front.cut());
    let Error::Request(RequestError::ConnectionLost { fate: Fate::Unknown, cause, .. }) = &error else {
        panic!("{error:?}");
    };
    let cut = matches!(**cause, ConnectionError::Tls(TlsError::Truncated));
    let reset = matches!(**cause, ConnectionError::Io(_));
    assert!(cut || reset, "{cause:?}");
}

fn an_end_while_a_request_waits(kind: Kind) {
    let error = unanswered(kind, |front| front.end());
    let Error::Request(RequestError::ConnectionLost { fate: Fate::Unknown, cause, .. }) = &error else {
        panic!("{error:?}");
    };
    assert!(matches!(**cause, ConnectionError::ClosedByPeer(None)), "{cause:?}");
}

fn a_session_outlives_cuts(kind: Kind) {
    let secured = Secured::new();
    let builder =
        secured.builder(secured.trust()).reconnection(Duration::from_millis(5), Duration::from_millis(20));
    let session = kind.connect(builder).unwrap();
    common::fill(&session, 50);
    for _ in 0..3 {
        secured.front.cut();
        common::until(&session, "an answer", || {
            session.query("SELECT count(*) FROM ks.t", ()).idempotent(true).wait().is_ok()
        });
    }
    assert_eq!(common::count(&session), 50);
}
