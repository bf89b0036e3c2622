//! TLS as a real node speaks it.

use helenus::tls::Tls;
use helenus::{Session, Version};

use crate::cluster::Stage;
use crate::common::{self, Kind};
use crate::on_real_cassandra;

on_real_cassandra!(requests_go_through_tls, a_stranger_is_refused);

fn builder(tls: Tls) -> helenus::SessionBuilder {
    let hosts = std::env::var("HELENUS_CASSANDRA").expect("HELENUS_CASSANDRA has the nodes' addresses");
    Session::builder().contact_points(hosts.split(',')).request_timeout(common::PATIENCE).tls(tls)
}

fn trusting() -> Tls {
    let path =
        std::env::var("HELENUS_CASSANDRA_CA").expect("HELENUS_CASSANDRA_CA is the authority's PEM file");
    Tls::new().roots_pem_file(path)
}

fn requests_go_through_tls(kind: Kind) {
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = Stage::with(kind, |builder| {
            builder.tls(trusting()).protocol_version(version).connections_per_node(3)
        });
        let table = session.name("t");
        session.schema(&format!("CREATE TABLE {table} (id bigint PRIMARY KEY, name text)"));
        let insert = session.prepare(format!("INSERT INTO {table} (id, name) VALUES (?, ?)")).wait().unwrap();
        let rows = (0..300_i64).map(|id| session.execute(&insert, (id, id.to_string())));
        assert!(session.execute_concurrent(rows, 64).into_iter().all(|(_, result)| result.is_ok()));
        let long = "x".repeat(1 << 20);
        session.execute(&insert, (1_000_i64, &*long)).wait().unwrap();
        let response = session.query(format!("SELECT name FROM {table} WHERE id = 1000"), ()).wait().unwrap();
        assert!(response.one::<(&str,)>().unwrap().0 == long, "another text came back");
        let counters = session.metrics().counters;
        assert!(counters.tls_handshakes >= 3, "{counters:?}");
        assert!(counters.tls_resumptions >= 1, "{counters:?}");
        session.close().wait().unwrap();
    }
}

fn a_stranger_is_refused(kind: Kind) {
    let stranger = helenus_conformance::tls::Authority::new();
    let text = kind.connect(builder(Tls::new().roots_pem(stranger.pem()))).unwrap_err().to_string();
    assert!(text.contains("127.0.0.1:9042") && text.contains("none of the given roots"), "{text}");
}
