//! TLS: a node that shows a certificate of an authority made for this example, and a session that trusts that authority.
//!
//! `cargo run -p helenus --features tls --example tls`

use helenus::Session;
use helenus::tls::Tls;
use helenus_conformance::tls::Authority;
use helenus_node::Node;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let authority = Authority::new();
    let node = Node::builder().tls(authority.issue(&["127.0.0.1"]).server(None)).start()?;
    let address = node.addresses()[0].to_string();

    // ANCHOR: connect
    let tls = Tls::new().roots_pem(authority.pem());
    let session = Session::builder().contact_point(&address).tls(tls).connect().wait()?;
    // ANCHOR_END: connect
    let response = session.query("SELECT release_version FROM system.local", ()).wait()?;
    println!("Cassandra {} through TLS", response.one::<(&str,)>()?.0);
    session.close().wait()?;

    // A stranger's authority, and the wrong name: each is refused, and the error says which node, why, and what to do.
    for tls in [
        Tls::new().roots_pem(Authority::new().pem()),
        Tls::new().roots_pem(authority.pem()).server_name("db1.example"),
    ] {
        let refused = Session::builder().contact_point(&address).tls(tls).connect().wait();
        println!("{}", refused.err().ok_or("it should be refused")?);
    }
    Ok(())
}
