//! What goes through TLS.

use helenus::tls::rustls::version::{TLS12, TLS13};
use helenus_conformance::tls::Front;

use crate::Secured;
use crate::common::{self, Kind, on_every_reactor};

on_every_reactor!(
    requests_are_answered,
    every_version_of_tls,
    bytes_come_one_by_one,
    bodies_of_megabytes,
    connections_resume_each_others_sessions,
);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";
const SELECT: &str = "SELECT name FROM ks.t WHERE id = ?";

fn requests_are_answered(kind: Kind) {
    let secured = Secured::new();
    let session = secured.connect(kind);
    common::fill(&session, 500);
    assert_eq!(common::count(&session), 500);
    let handshakes = session.metrics().counters.tls_handshakes;
    assert!(handshakes >= 1 && handshakes <= kind.shards() as u64, "{handshakes} handshakes");
    assert!(!secured.front.visits().is_empty());
    session.close().wait().unwrap();
}

fn every_version_of_tls(kind: Kind) {
    for version in [&TLS12, &TLS13] {
        let secured = Secured::with(|authority, behind| {
            Front::new(authority.issue(&["127.0.0.1"]).server_of(&[version], None), behind)
        });
        let session = secured.connect(kind);
        common::fill(&session, 20);
        assert_eq!(common::count(&session), 20, "{version:?}");
    }
}

fn bytes_come_one_by_one(kind: Kind) {
    let secured = Secured::with(|authority, behind| {
        Front::in_pieces(authority.issue(&["127.0.0.1"]).server(None), behind, 1)
    });
    let session = secured.connect(kind);
    session.query(INSERT, (1_i64, "x".repeat(5_000))).wait().unwrap();
    let response = session.query(SELECT, (1_i64,)).wait().unwrap();
    assert_eq!(response.one::<(String,)>().unwrap().0, "x".repeat(5_000));
}

fn bodies_of_megabytes(kind: Kind) {
    let secured = Secured::new();
    let session = secured.connect(kind);
    let name = "0123456789abcdef".repeat(1 << 18);
    session.query(INSERT, (1_i64, &*name)).wait().unwrap();
    let both = [1_i64, 1].map(|id| session.query(SELECT, (id,)).submit());
    for pending in both {
        assert!(pending.wait().unwrap().one::<(String,)>().unwrap().0 == name, "another text came back");
    }
}

fn connections_resume_each_others_sessions(kind: Kind) {
    let secured = Secured::new();
    let builder = secured.builder(secured.trust()).connections_per_node(4);
    let session = kind.connect(builder).unwrap();
    let wanted = 4 * kind.shards() as u64;
    common::until(&session, "all connections", || session.metrics().counters.connections == wanted);
    let counters = session.metrics().counters;
    assert_eq!(counters.tls_handshakes, wanted);
    // The server gives two tickets for each handshake, and each serves once: of three connections that are opened when the first
    // is ready, two resume.
    let resumed = counters.tls_resumptions;
    assert!((wanted / 2..wanted).contains(&resumed), "{resumed} of {wanted} handshakes were short");
    let resumed = secured.front.visits().iter().filter(|visit| visit.resumed).count() as u64;
    assert_eq!(resumed, counters.tls_resumptions, "what the server says");
}
