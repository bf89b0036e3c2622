//! TLS, with and without a certificate of the client's.

#![cfg(feature = "tls")]
#![expect(clippy::unwrap_used, reason = "what goes wrong fails the test")]

mod common;

use std::io::{Read, Write};
use std::sync::Arc;

use common::{Client, KEYSPACE, int};
use helenus_core::protocol::Version;
use helenus_core::protocol::request::{Request, Startup};
use helenus_core::protocol::response::{Message, ResultMessage};
use helenus_core::protocol::wire::Value;
use helenus_node::Node;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};

type Identity = CertifiedKey<rcgen::KeyPair>;

fn identity() -> Identity {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn key(identity: &Identity) -> PrivateKeyDer<'static> {
    PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap()
}

fn roots(identity: &Identity) -> Arc<RootCertStore> {
    let mut roots = RootCertStore::empty();
    roots.add(identity.cert.der().clone()).unwrap();
    Arc::new(roots)
}

fn server(identity: &Identity, clients: Option<&Identity>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let verifier = clients.map(|clients| {
        WebPkiClientVerifier::builder_with_provider(roots(clients), provider).build().unwrap()
    });
    let builder = match verifier {
        Some(verifier) => builder.unwrap().with_client_cert_verifier(verifier),
        None => builder.unwrap().with_no_client_auth(),
    };
    builder.with_single_cert(vec![identity.cert.der().clone()], key(identity)).unwrap()
}

fn client(trusted: &Identity, own: Option<&Identity>) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_root_certificates(roots(trusted));
    match own {
        Some(own) => builder.with_client_auth_cert(vec![own.cert.der().clone()], key(own)).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

/// Through with STARTUP; `None` if the server ends it before.
fn connect(node: &Node, config: ClientConfig, version: Version) -> Option<Client> {
    let mut client = Client::raw(node.addresses()[0], version);
    let mut tls = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut client.socket).ok()?;
    }
    client.tls = Some(tls);
    client.send(1, &Request::Startup(Startup::new()));
    assert_eq!(client.try_receive()?.message(), Message::Ready);
    client.segments = version.has_segments();
    Some(client)
}

#[test]
fn all_sizes_go_both_ways() {
    let own = identity();
    let node = Node::builder().tls(server(&own, None)).start().unwrap();
    for version in Version::ALL {
        let mut client = connect(&node, client(&own, None), version).unwrap();
        if version == Version::V3 {
            client.run(KEYSPACE);
            client.run("CREATE TABLE ks.kv (k int PRIMARY KEY, v text)");
        }
        let insert = client.prepare("INSERT INTO ks.kv (k, v) VALUES (?, ?)");
        let select = client.prepare("SELECT v FROM ks.kv WHERE k = ?");
        for len in [0, 1, 16_384, 131_072, 3_000_000] {
            let text = "x".repeat(len);
            let key = int(7);
            let values = [Value::Bytes(&key), Value::Bytes(text.as_bytes())];
            assert_eq!(client.execute(&insert, &values).result(), ResultMessage::Void);
            assert_eq!(client.execute(&select, &values[..1]).rows(), vec![vec![Some(text.into_bytes())]]);
        }
        // Many answers wait while the client doesn't read.
        for stream in 0..20 {
            let request = helenus_core::protocol::request::Query::new("SELECT v FROM ks.kv WHERE k = 7");
            client.send(stream, &Request::Query(request));
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        for stream in 0..20 {
            let answer = client.receive();
            assert_eq!(
                (answer.header.stream, answer.rows()[0][0].as_ref().unwrap().len()),
                (stream, 3_000_000)
            );
        }
    }
}

#[test]
fn a_client_has_to_show_its_certificate_if_asked() {
    let (own, known, unknown) = (identity(), identity(), identity());
    let node = Node::builder().tls(server(&own, Some(&known))).start().unwrap();
    let mut good = connect(&node, client(&own, Some(&known)), Version::V5).unwrap();
    assert!(connect(&node, client(&own, None), Version::V5).is_none());
    assert!(connect(&node, client(&own, Some(&unknown)), Version::V5).is_none());
    assert_eq!(good.run("SELECT key FROM system.local").rows().len(), 1);
}

#[test]
fn who_speaks_no_tls_is_disconnected() {
    let node = Node::builder().tls(server(&identity(), None)).start().unwrap();
    let mut plain = Client::raw(node.addresses()[0], Version::V4);
    let startup = plain.encode(1, &Request::Startup(Startup::new()));
    plain.socket.write_all(&startup).unwrap();
    let mut rest = Vec::new();
    // An alert, and the end; or a reset, as some of what came was never read.
    let _ = plain.socket.read_to_end(&mut rest);
    assert!(rest.first().is_none_or(|kind| *kind == 21), "{rest:?}");
}
