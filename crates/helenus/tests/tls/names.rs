//! What nodes are called.

use helenus_conformance::tls::{Front, Visit};

use crate::common::{Kind, on_every_reactor};
use crate::{Secured, assert_says, refusal, to};

on_every_reactor!(
    the_contact_point_is_the_name,
    a_certificate_for_another_name,
    one_name_for_all,
    a_name_for_each_node,
    a_name_that_is_none,
    a_function_that_panics,
    no_name_is_looked_at,
);

fn of_node_1() -> Secured {
    Secured::with(|authority, behind| Front::new(authority.issue(&["node1.example"]).server(None), behind))
}

fn the_contact_point_is_the_name(kind: Kind) {
    let secured = Secured::new();
    let by_name = format!("localhost:{}", secured.front.address().port());
    let builder = helenus::Session::builder().contact_point(by_name).tls(secured.trust());
    kind.connect(builder).unwrap();
    let Some(Visit { server_name, .. }) = secured.front.visits().pop() else { panic!("nobody came") };
    assert_eq!(server_name.as_deref(), Some("localhost"), "the name is sent as SNI");
}

fn a_certificate_for_another_name(kind: Kind) {
    let secured = of_node_1();
    let text = refusal(kind, secured.builder(secured.trust()), secured.front.address());
    assert_says(&text, &["127.0.0.1", "node1.example", "server names"]);
}

fn one_name_for_all(kind: Kind) {
    let secured = of_node_1();
    kind.connect(secured.builder(secured.trust().server_name("node1.example"))).unwrap();
    let Some(Visit { server_name, .. }) = secured.front.visits().pop() else { panic!("nobody came") };
    assert_eq!(server_name.as_deref(), Some("node1.example"));
}

fn a_name_for_each_node(kind: Kind) {
    let secured = of_node_1();
    let other =
        Front::new(secured.authority.issue(&["node2.example"]).server(None), secured._node.addresses()[0]);
    let (first, second) = (secured.front.address(), other.address());
    let tls = secured.trust().server_names(move |node| {
        let number = if node.address == first { 1 } else { 2 };
        (node.host == "127.0.0.1").then(|| format!("node{number}.example"))
    });
    let session = kind.connect(to(first).contact_point(second.to_string()).tls(tls)).unwrap();
    let wanted = 2 * kind.shards() as u64;
    crate::common::until(&session, "both nodes", || session.metrics().counters.connections == wanted);
    assert_eq!(other.visits()[0].server_name.as_deref(), Some("node2.example"));
}

fn a_name_that_is_none(kind: Kind) {
    let secured = Secured::new();
    let tls = secured.trust().server_name("no name");
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["'no name'", "host name"]);
}

fn a_function_that_panics(kind: Kind) {
    let secured = Secured::new();
    let tls = secured.trust().server_names(|_| panic!("on purpose"));
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["names nodes", "panicked"]);
}

fn no_name_is_looked_at(kind: Kind) {
    let secured = of_node_1();
    kind.connect(secured.builder(secured.trust().dangerously_accept_any_name())).unwrap();
    // But whose authority it is, still is.
    let stranger = helenus_conformance::tls::Authority::new();
    let tls = helenus::tls::Tls::new().roots_pem(stranger.pem()).dangerously_accept_any_name();
    let text = refusal(kind, secured.builder(tls), secured.front.address());
    assert_says(&text, &["none of the given roots"]);
}
