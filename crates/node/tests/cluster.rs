//! Several nodes in one process, the tables that clients read to find them, and null mode.

mod common;

use std::collections::BTreeSet;

use common::{Client, KEYSPACE, int};
use helenus_core::protocol::response::ResultMessage;
use helenus_core::protocol::wire::Value;
use helenus_core::protocol::{ErrorKind, Version};
use helenus_node::Node;

#[test]
fn three_nodes_share_a_port_and_their_data() {
    let node = Node::builder().nodes(3).start().unwrap();
    let addresses = node.addresses().to_vec();
    assert_eq!(
        addresses.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>(),
        ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    );
    assert!(addresses.iter().all(|address| address.port() == addresses[0].port()));
    let mut clients =
        addresses.iter().map(|address| Client::connect(*address, Version::V5)).collect::<Vec<_>>();
    clients[0].run(KEYSPACE);
    clients[1].run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
    for key in 0..90 {
        clients[key % 3].run(&format!("INSERT INTO ks.kv (k, v) VALUES ({key}, 'v')"));
    }
    // A page from each node in turn: the state is valid on all.
    let mut state = None;
    let mut keys = Vec::new();
    for turn in 0.. {
        let page = clients[turn % 3].page("SELECT k FROM ks.kv", 7, state.as_deref());
        keys.extend(page.rows().into_iter().flatten());
        state = page.paging_state();
        if state.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), 90);
    assert_eq!(keys.into_iter().collect::<BTreeSet<_>>().len(), 90);
}

#[test]
fn each_node_knows_only_what_it_has_prepared() {
    let node = Node::builder().nodes(2).start().unwrap();
    for version in Version::ALL {
        let mut clients = [0, 1].map(|at| Client::connect(node.addresses()[at], version));
        clients[0].run(&KEYSPACE.replace("ks", &format!("ks{}", version.byte())));
        let table = format!("ks{}.kv", version.byte());
        clients[0].run(&format!("CREATE TABLE {table} (k int PRIMARY KEY)"));
        let text = format!("INSERT INTO {table} (k) VALUES (?)");
        let insert = clients[0].prepare(&text);
        let key = int(1);
        assert_eq!(clients[0].execute(&insert, &[Value::Bytes(&key)]).result(), ResultMessage::Void);
        let error = clients[1].execute(&insert, &[Value::Bytes(&key)]).error();
        assert_eq!(error.kind, ErrorKind::Unprepared { id: insert.id.clone().into() });
        assert_eq!(clients[1].prepare(&text).id, insert.id);
        assert_eq!(clients[1].execute(&insert, &[Value::Bytes(&key)]).result(), ResultMessage::Void);
    }
}

#[test]
fn the_system_tables_tell_of_nodes_and_schema() {
    let node = Node::builder().nodes(3).start().unwrap();
    let mut host_ids = BTreeSet::new();
    for address in node.addresses() {
        let mut client = Client::connect(*address, Version::V4);
        let local =
            client.run("SELECT host_id, tokens, rpc_port FROM system.local WHERE key = 'local'").rows();
        host_ids.insert(local[0][0].clone());
        assert_eq!(local[0][1].as_ref().unwrap()[..4], [0, 0, 0, 16]);
        assert_eq!(local[0][2], Some(i32::from(address.port()).to_be_bytes().to_vec()));
        let peers = client.run("SELECT peer, host_id FROM system.peers").rows();
        assert_eq!(peers.len(), 2);
        assert!(peers.iter().all(|peer| peer[1] != local[0][0]));
        let peers = client.run("SELECT * FROM system.peers_v2").rows();
        assert!(peers.len() == 2 && peers.iter().flatten().flatten().count() > 2 * 8);
    }
    assert_eq!(host_ids.len(), 3);
    let mut client = Client::connect(node.addresses()[1], Version::V5);
    client.run(KEYSPACE);
    client.run(
        "CREATE TABLE ks.t (v frozen<set<int>>, b text, a int, PRIMARY KEY (a, b)) WITH CLUSTERING ORDER BY (b DESC)",
    );
    let columns = client.run(
        "SELECT column_name, kind, position, clustering_order, type FROM system_schema.columns \
         WHERE keyspace_name = 'ks' AND table_name = 't'",
    );
    let shown = columns.rows().into_iter().map(|row| {
        let text = |at: usize| String::from_utf8(row[at].clone().unwrap()).unwrap();
        let position = i32::from_be_bytes(row[2].as_deref().unwrap().try_into().unwrap());
        format!("{} {} {position} {} {}", text(0), text(1), text(3), text(4))
    });
    assert_eq!(
        shown.collect::<Vec<_>>(),
        ["a partition_key 0 none int", "b clustering 0 desc text", "v regular -1 none frozen<set<int>>"]
    );
    for table in
        ["keyspaces", "tables", "columns", "types", "functions", "aggregates", "indexes", "views", "triggers"]
    {
        client.run(&format!("SELECT * FROM system_schema.{table}"));
    }
    for table in ["keyspaces", "tables", "columns"] {
        assert_eq!(client.run(&format!("SELECT * FROM system_virtual_schema.{table}")).rows().len(), 0);
    }
    let keyspaces =
        client.run("SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = 'ks'");
    assert_eq!(keyspaces.rows(), vec![vec![Some(b"ks".to_vec())]]);
    let prepared = client.prepare("SELECT * FROM system_schema.tables WHERE keyspace_name IN ?");
    let list = [&[0, 0, 0, 1, 0, 0, 0, 2][..], b"ks"].concat();
    assert_eq!(client.execute(&prepared, &[Value::Bytes(&list)]).rows().len(), 1);
}

#[test]
fn nodes_of_several_tests_live_side_by_side() {
    let nodes = (0..8).map(|_| Node::builder().nodes(2).start().unwrap()).collect::<Vec<_>>();
    let ports = nodes.iter().map(|node| node.addresses()[0].port()).collect::<BTreeSet<_>>();
    assert_eq!(ports.len(), 8);
    assert!(!ports.contains(&9042));
    Client::connect(nodes[0].addresses()[0], Version::V4).run(KEYSPACE);
    let mut other = Client::connect(nodes[1].addresses()[1], Version::V4);
    assert_eq!(other.query("USE ks").error().kind, ErrorKind::Invalid);
}

#[test]
fn null_mode_answers_without_storing() {
    let node = Node::builder().null(true).start().unwrap();
    for version in Version::ALL {
        let mut client = Client::connect(node.addresses()[0], version);
        let keyspace = format!("ks{}", version.byte());
        client.run(&KEYSPACE.replace("ks", &keyspace));
        client.run(&format!("USE {keyspace}"));
        client.run("CREATE TABLE t (k text PRIMARY KEY, v blob, n bigint)");
        let insert = client.prepare("INSERT INTO t (k, v, n) VALUES (?, ?, ?)");
        let select = client.prepare("SELECT k, v, n FROM t WHERE k = ?");
        let row = [Value::Bytes(b"key"), Value::Bytes(b"value"), Value::Null];
        assert_eq!(client.execute(&insert, &row).result(), ResultMessage::Void);
        let rows = client.execute(&select, &row[..1]).rows();
        let lengths = rows[0].iter().map(|cell| cell.as_ref().unwrap().len()).collect::<Vec<_>>();
        assert_eq!((rows.len(), lengths), (1, vec![16, 100, 8]));
        let skip =
            helenus_core::protocol::request::ParameterOptions { skip_metadata: true, ..Default::default() };
        let answer = client.execute_with(&select, &row[..1], skip);
        let ResultMessage::Rows(without) = answer.result() else { panic!() };
        assert_eq!((without.metadata.columns, answer.rows()), (None, rows));
        assert_eq!(client.run("SELECT key FROM system.local").rows().len(), 1);
        let unknown = common::Statement { id: vec![9; 16], ..insert };
        assert!(matches!(client.execute(&unknown, &row).error().kind, ErrorKind::Unprepared { .. }));
    }
}

#[test]
fn replication_can_be_read_as_json() {
    let node = Node::start().unwrap();
    let mut client = Client::connect(node.addresses()[0], Version::V4);
    client.run(KEYSPACE);
    let rows = client.run(
        "SELECT keyspace_name, toJson(replication) AS replication FROM system_schema.keyspaces \
         WHERE keyspace_name = 'ks'",
    );
    let json = br#"{"class": "org.apache.cassandra.locator.SimpleStrategy", "replication_factor": "1"}"#;
    assert_eq!(rows.rows(), vec![vec![Some(b"ks".to_vec()), Some(json.to_vec())]]);
}
