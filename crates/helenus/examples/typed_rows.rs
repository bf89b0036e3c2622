//! Structs as rows and as the values of a request, against a node inside this process or the address given.
//!
//! `cargo run -p helenus --example typed_rows [-- ADDRESS]`

use helenus::{DecodeRow, DecodeValue, EncodeValue, EncodeValues, Session};
use helenus_node::Node;

/// A `bigint` that isn't any other.
#[derive(Clone, Copy, Debug, PartialEq, DecodeValue, EncodeValue)]
struct UserId(i64);

/// Written whole, and read with its texts borrowed from the response.
#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct User<'a> {
    name: &'a str,
    id: UserId,
    #[helenus(rename = "mail")]
    address: Option<&'a str>,
    #[helenus(flatten)]
    visits: Visits,
}

#[derive(Debug, PartialEq, DecodeRow, EncodeValues)]
struct Visits {
    visits: i32,
    /// Not a column.
    #[helenus(skip)]
    seen_now: bool,
}

#[derive(DecodeRow)]
struct Number(i64);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::start()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| node.addresses()[0].to_string());
    let session = Session::builder().contact_point(&address).connect().wait()?;
    let strategy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    for statement in [
        format!("CREATE KEYSPACE IF NOT EXISTS typed WITH replication = {strategy}"),
        "CREATE TABLE IF NOT EXISTS typed.users (id bigint PRIMARY KEY, mail text, name text, visits int)"
            .into(),
    ] {
        session.query(statement, ()).wait()?;
    }

    let insert = "INSERT INTO typed.users (id, mail, name, visits) VALUES (?, ?, ?, ?)";
    let insert = session.prepare(insert).wait()?;
    let visits = Visits { visits: 3, seen_now: false };
    let ada = User { name: "Ada", id: UserId(1), address: None, visits };
    session.execute(&insert, &ada).wait()?;

    let select = "SELECT id, mail, name, visits FROM typed.users WHERE id = ?";
    let response = session.query(select, (ada.id,)).wait()?;
    let user = response.one::<User<'_>>()?;
    println!("{user:?}");
    assert_eq!(user, ada);

    let response = session.query("SELECT visits, name FROM typed.users", ()).wait()?;
    let error = response.rows::<User<'_>>().err().ok_or("two columns are no User")?;
    println!("{error}");
    assert!(error.to_string().contains("no column 'id', which User needs"), "{error}");

    let Number(id) = session.query("SELECT id FROM typed.users LIMIT 1", ()).wait()?.one()?;
    assert_eq!(id, 1);
    session.close().wait()?;
    Ok(())
}
