//! Nodes that stop, start, join, leave and hang, and what the others tell of it.

mod common;

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{Client, KEYSPACE};
use helenus_core::protocol::Version;
use helenus_core::protocol::request::{Request, Startup};
use helenus_core::protocol::response::{Event, Message, NodeChange};
use helenus_node::{Announcement, Node, Place};

/// A client of node 0 that hears of everything.
fn listener(node: &Node) -> Client {
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    assert_eq!(client.register().message(), Message::Ready);
    client
}

/// The next event: whether it is of the status, what, and of whom.
fn event(client: &mut Client) -> (bool, String, SocketAddr) {
    let answer = client.receive();
    assert_eq!(answer.header.stream, -1);
    match answer.message() {
        Message::Event(Event::StatusChange { change, address }) => (true, change.name().to_owned(), address),
        Message::Event(Event::TopologyChange { change, address }) => {
            (false, change.name().to_owned(), address)
        }
        other => panic!("{other:?}"),
    }
}

fn peers(client: &mut Client) -> usize {
    assert_eq!(
        client.run("SELECT peer FROM system.peers").rows().len(),
        client.run("SELECT peer FROM system.peers_v2").rows().len()
    );
    client.run("SELECT peer FROM system.peers").rows().len()
}

#[test]
fn a_stopped_node_is_down_until_it_is_started() {
    let node = Node::builder().nodes(3).start().unwrap();
    let addresses = node.addresses().to_vec();
    let mut told = listener(&node);
    let mut lost = Client::connect(addresses[1], Version::V5);
    lost.run(KEYSPACE);
    lost.run("CREATE TABLE ks.kv (k int PRIMARY KEY)");
    (0..2).for_each(|_| assert!(matches!(told.receive().message(), Message::Event(Event::SchemaChange(_)))));
    node.stop(1).unwrap();
    assert!(lost.try_receive().is_none());
    assert!(TcpStream::connect(addresses[1]).is_err(), "refused");
    assert_eq!(event(&mut told), (true, "DOWN".into(), addresses[1]));
    node.stop(1).unwrap();
    assert_eq!(peers(&mut told), 2, "down, but a peer, and told once");
    node.restart(1).unwrap();
    assert_eq!(event(&mut told), (true, "UP".into(), addresses[1]));
    let mut back = Client::connect(addresses[1], Version::V5);
    assert_eq!(back.run("SELECT k FROM ks.kv").rows().len(), 0);
    assert!(node.stop(3).unwrap_err().to_string().contains("no node 3: there are 3"));
}

#[test]
fn nodes_join_and_leave() {
    let mut node = Node::builder().nodes(2).start().unwrap();
    let mut told = listener(&node);
    let added = node.add(Place::new("west", "r9").vnodes(8)).unwrap();
    assert_eq!((added, node.addresses().len()), (2, 3));
    let address = node.addresses()[2];
    assert_eq!(event(&mut told), (false, "NEW_NODE".into(), address));
    assert_eq!(event(&mut told), (true, "UP".into(), address));
    let mut client = Client::connect(address, Version::V5);
    let local = client.run("SELECT data_center, rack, tokens FROM system.local").rows();
    assert_eq!(local[0][..2], [Some(b"west".to_vec()), Some(b"r9".to_vec())]);
    assert_eq!(local[0][2].as_ref().unwrap()[..4], [0, 0, 0, 8]);
    assert_eq!((peers(&mut told), peers(&mut client)), (2, 2));
    node.remove(2).unwrap();
    assert!(client.try_receive().is_none());
    assert_eq!(event(&mut told), (false, "REMOVED_NODE".into(), address));
    assert_eq!(event(&mut told), (true, "DOWN".into(), address));
    assert_eq!(peers(&mut told), 1);
    assert!(node.restart(2).unwrap_err().to_string().contains("was removed"));
    node.announce(1, Announcement::Moved).unwrap();
    assert_eq!(event(&mut told), (false, "MOVED_NODE".into(), node.addresses()[1]));
    node.announce(0, Announcement::Down).unwrap();
    assert_eq!(peers(&mut told), 1, "no node tells of itself");
    assert_eq!(NodeChange::Moved.name(), "MOVED_NODE");
}

#[test]
fn a_node_that_hangs_answers_when_it_goes_on() {
    let node = Node::builder().nodes(2).start().unwrap();
    let mut client = Client::connect(node.addresses()[1], Version::V4);
    node.pause(1).unwrap();
    let mut late = Client::raw(node.addresses()[1], Version::V4);
    late.send(1, &Request::Startup(Startup::new()));
    client.send(2, &Request::Options);
    for silent in [&mut client, &mut late] {
        silent.socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        assert!(silent.try_receive().is_none());
        silent.socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    Client::connect(node.addresses()[0], Version::V4);
    node.resume(1).unwrap();
    assert_eq!(client.receive().header.stream, 2);
    assert_eq!(late.receive().message(), Message::Ready);
    node.pause(1).unwrap();
    node.stop(1).unwrap();
    assert!(client.try_receive().is_none());
    node.restart(1).unwrap();
    Client::connect(node.addresses()[1], Version::V4);
}

#[test]
fn connections_are_counted_and_closed() {
    let node = Node::builder().nodes(2).start().unwrap();
    let mut first = Client::connect(node.addresses()[0], Version::V4);
    let mut second = Client::connect(node.addresses()[1], Version::V4);
    assert_eq!(node.connections(0).unwrap(), [1]);
    assert_eq!(node.connections(1).unwrap(), [2]);
    node.disconnect(0).unwrap();
    assert!(first.try_receive().is_none());
    second.run("SELECT key FROM system.local");
    assert!(node.connections(0).unwrap().is_empty());
}

#[test]
fn a_node_may_disagree_about_the_schema() {
    let node = Node::builder().nodes(3).start().unwrap();
    let versions = || {
        let mut client = Client::connect(node.addresses()[0], Version::V4);
        let mut all = client.run("SELECT schema_version FROM system.local").rows();
        all.extend(client.run("SELECT schema_version FROM system.peers").rows());
        all.into_iter().collect::<BTreeSet<_>>().len()
    };
    assert_eq!(versions(), 1);
    node.set_schema_agreement(2, false).unwrap();
    assert_eq!(versions(), 2);
    node.set_schema_agreement(2, true).unwrap();
    assert_eq!(versions(), 1);
}

#[test]
fn hundreds_of_nodes_in_one_process() {
    let mut node = Node::builder().nodes(300).start().unwrap();
    let mut told = listener(&node);
    assert_eq!(peers(&mut told), 299);
    let tokens = told.run("SELECT tokens FROM system.peers").rows();
    let tokens = tokens.iter().map(|row| row[0].clone()).collect::<BTreeSet<_>>();
    assert_eq!(tokens.len(), 299);
    node.add(Place::default()).unwrap();
    node.stop(150).unwrap();
    let events = (0..3).map(|_| event(&mut told).1).collect::<Vec<_>>();
    assert_eq!(events, ["NEW_NODE", "UP", "DOWN"]);
    let mut last = Client::connect(node.addresses()[300], Version::V5);
    assert_eq!(peers(&mut last), 300);
}

#[test]
fn a_node_lives_no_longer_than_its_handle() {
    let threads = || {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .filter(|task| {
                let name = task.as_ref().unwrap().path().join("comm");
                std::fs::read_to_string(name).is_ok_and(|name| name.trim() == "helenus-node")
            })
            .count()
    };
    let node = Node::builder().nodes(3).start().unwrap();
    let addresses = node.addresses().to_vec();
    let clients = addresses.iter().map(|address| Client::connect(*address, Version::V4)).collect::<Vec<_>>();
    assert!(threads() >= 1);
    drop(node);
    // Its port can be had again at once.
    let again = Node::builder().nodes(3).listen(addresses[0]).start().unwrap();
    assert_eq!(again.addresses(), addresses);
    drop(clients);
}
