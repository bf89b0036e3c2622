//! Authentication by code of one's own: a password that somebody else has to be asked for, which takes a while. Against a node
//! inside this process.
//!
//! `cargo run -p helenus --example authenticator`

use std::thread;

use helenus::{AuthError, AuthExchange, AuthReply, AuthServer, Authenticator, Session};
use helenus_node::Node;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let node = Node::builder().authentication("ada", "lovelace").start()?;
    let address = node.addresses()[0].to_string();
    // ANCHOR: builder
    let session = Session::builder()
        .contact_point(&address)
        .authenticator(Vault { user: "ada".into() })
        .connect()
        .wait()?;
    // ANCHOR_END: builder
    let response = session.query("SELECT cluster_name FROM system.local", ()).wait()?;
    println!("logged in to {}", response.one::<(&str,)>()?.0);
    session.close().wait()?;
    Ok(())
}

// ANCHOR: authenticator
/// Gets its passwords from a vault.
struct Vault {
    user: String,
}

impl Authenticator for Vault {
    /// Once for each connection whose node asks.
    fn begin(&self, server: &AuthServer) -> Box<dyn AuthExchange> {
        Box::new(Login { user: self.user.clone(), node: server.address.to_string() })
    }
}

struct Login {
    user: String,
    node: String,
}

impl AuthExchange for Login {
    fn initial(&mut self, reply: AuthReply) {
        let (user, node) = (self.user.clone(), self.node.clone());
        // The loop must not wait for it; the handshake's timeout holds meanwhile.
        thread::spawn(move || match ask_vault(&user, &node) {
            Ok(password) => reply.respond(format!("\0{user}\0{password}")),
            Err(error) => reply.refuse(error),
        });
    }

    fn challenge(&mut self, _token: Option<&[u8]>, reply: AuthReply) {
        reply.refuse("PLAIN has one round");
    }

    /// A mechanism by which the server proves itself as well looks at its last token here.
    fn success(&mut self, _token: Option<&[u8]>) -> Result<(), AuthError> {
        Ok(())
    }
}
// ANCHOR_END: authenticator

/// Stands for a call over the network.
fn ask_vault(_user: &str, _node: &str) -> Result<String, AuthError> {
    Ok("lovelace".into())
}
