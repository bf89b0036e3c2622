//! Protocol versions by compressions, with and without TLS and authentication: each cell runs one script.
//!
//! Against the embedded node on one reactor as an ordinary test; the rest is long: `cargo xtask matrix` runs it, on all
//! reactors with the embedded node and on three with a real Cassandra, and shows the tables.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

#[path = "../common/mod.rs"]
mod common;

mod cell;
mod script;
mod table;

use std::path::PathBuf;

use helenus_conformance::tls::Authority;
use helenus_node::Node;

use cell::{Cell, PASSWORD, Server, USER};
use common::Kind;

#[test]
fn the_embedded_node_on_one_reactor() {
    embedded(&[Kind::MioThread]);
}

#[test]
#[ignore = "long: `cargo xtask matrix` runs it"]
fn the_embedded_node_on_all_reactors() {
    embedded(Kind::ALL);
}

/// The cluster serves plain text and TLS on one port, and asks for a password or doesn't.
#[test]
#[ignore = "SKIPPED: needs a real Cassandra: `cargo xtask matrix` starts it"]
fn real_cassandra() {
    let address = variable("HELENUS_CASSANDRA");
    let ca = std::fs::read_to_string(PathBuf::from(variable("HELENUS_CASSANDRA_CA"))).unwrap();
    let authentication = variable("HELENUS_CASSANDRA_AUTH") == "1";
    let kinds = [Kind::MioThread, Kind::TokioMultiThread, Kind::UringThread];
    let name = if authentication { "Cassandra that asks for a password" } else { "Cassandra" };
    let cells = Cell::all().filter(|cell| cell.authentication == authentication);
    table::run(name, &kinds, cells.collect(), |cell| Server {
        address: address.clone(),
        ca: cell.tls.then(|| ca.clone()),
    });
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: `cargo xtask matrix` does it"))
}

fn embedded(kinds: &[Kind]) {
    let authority = Authority::new();
    let nodes: Vec<_> = [(false, false), (false, true), (true, false), (true, true)]
        .map(|(tls, authentication)| {
            let mut builder = Node::builder();
            if tls {
                builder = builder.tls(authority.issue(&["127.0.0.1"]).server(None));
            }
            if authentication {
                builder = builder.authentication(USER, PASSWORD);
            }
            (tls, authentication, builder.start().unwrap())
        })
        .into();
    table::run("the embedded node", kinds, Cell::all().collect(), |cell| {
        let (.., node) = nodes
            .iter()
            .find(|(tls, authentication, _)| (*tls, *authentication) == (cell.tls, cell.authentication))
            .unwrap();
        Server { address: node.addresses()[0].to_string(), ca: cell.tls.then(|| authority.pem()) }
    });
}
