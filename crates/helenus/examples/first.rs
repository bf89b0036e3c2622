//! Five minutes from nothing: a node inside this process, a table, an insert, a select, a stream. The book's first chapter.
//!
//! `cargo run -p helenus --example first`

use helenus::Session;
use helenus_node::Node;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // ANCHOR: node
    let node = Node::start()?;
    let address = node.addresses()[0].to_string();
    // ANCHOR_END: node

    // ANCHOR: connect
    let session = Session::builder().contact_point(&address).connect().wait()?;
    // ANCHOR_END: connect

    // ANCHOR: schema
    session
        .query(
            "CREATE KEYSPACE shop WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
            (),
        )
        .wait()?;
    session.query("CREATE TABLE shop.users (id bigint PRIMARY KEY, name text)", ()).wait()?;
    // ANCHOR_END: schema

    // ANCHOR: insert
    let insert = session.prepare("INSERT INTO shop.users (id, name) VALUES (?, ?)").wait()?;
    session.execute(&insert, (1_i64, "Ada")).wait()?;
    session.execute(&insert, (2_i64, "Grace")).wait()?;
    // ANCHOR_END: insert

    // ANCHOR: select
    let response = session.query("SELECT name FROM shop.users WHERE id = ?", (1_i64,)).wait()?;
    let (name,) = response.one::<(&str,)>()?;
    println!("{name}");
    // ANCHOR_END: select
    assert_eq!(name, "Ada");

    // ANCHOR: stream
    let mut names = Vec::new();
    for row in session.query("SELECT id, name FROM shop.users", ()).page_size(1_000).blocking_iter() {
        let (_id, name): (i64, String) = row?;
        names.push(name);
    }
    // ANCHOR_END: stream
    names.sort();
    assert_eq!(names, ["Ada", "Grace"]);

    // ANCHOR: close
    session.close().wait()?;
    // ANCHOR_END: close
    Ok(())
}
