//! What can't be a TLS configuration; and providers.

use std::sync::Arc;

use helenus::tls::rustls::crypto::CryptoProvider;
use helenus::tls::rustls::{self, ClientConfig};
use helenus::tls::{Tls, TlsSetupError};
use helenus::{ConnectError, Session};
use helenus_conformance::tls::{Authority, provider};

use crate::common::Kind;
use crate::{Secured, assert_says};

/// What connecting with it says.
fn complaint(tls: Tls) -> (String, Arc<TlsSetupError>) {
    let error = Session::builder().contact_point("127.0.0.1").tls(tls).connect().wait().unwrap_err();
    match &error {
        ConnectError::Tls(why) => (error.to_string(), why.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nobody_is_trusted_unless_said() {
    let (text, why) = complaint(Tls::new());
    assert!(matches!(*why, TlsSetupError::NoRoots));
    assert_says(&text, &["roots_pem_file"]);
}

#[test]
fn a_file_that_is_not_there() {
    let (text, _) = complaint(Tls::new().roots_pem_file("/nonexistent/ca.pem"));
    assert_says(&text, &["/nonexistent/ca.pem", "No such file"]);
}

#[test]
fn pem_that_is_none() {
    let authority = Authority::new();
    let identity = authority.issue(&["a"]);
    let (text, _) = complaint(Tls::new().roots_pem(&identity.key_pem));
    assert_says(&text, &["BEGIN CERTIFICATE"]);
    let (text, _) = complaint(Tls::new().roots_pem("-----BEGIN CERTIFICATE-----\nAAAA"));
    assert_says(&text, &["no end"]);
    let trusting = Tls::new().roots_pem(authority.pem());
    let (text, _) = complaint(trusting.clone().client_certificate_pem(&identity.certificate_pem, "nothing"));
    assert_says(&text, &["no private key", "not encrypted"]);
    let other = authority.issue(&["b"]);
    let (text, why) = complaint(trusting.client_certificate_pem(&identity.certificate_pem, &other.key_pem));
    assert!(matches!(*why, TlsSetupError::ClientCertificate(_)));
    assert_says(&text, &["belong together"]);
}

#[test]
fn keys_stay_secret() {
    let identity = Authority::new().issue(&["a"]);
    let tls = Tls::new().client_certificate_pem(&identity.certificate_pem, &identity.key_pem);
    let builder = Session::builder().tls(tls.clone().dangerously_accept_any_certificate());
    let said = format!("{tls:?} {builder:?}");
    assert!(said.contains("client_certificate: true") && said.len() < 2_000, "{said}");
}

/// A process may have several providers, and then none that is the default: nobody asks for it.
#[test]
fn the_providers_default_is_neither_used_nor_set() {
    let secured = Secured::new();
    let session = secured.connect(Kind::MioThread);
    session.close().wait().unwrap();
    let one_suite = CryptoProvider {
        cipher_suites: vec![rustls::crypto::ring::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..rustls::crypto::ring::default_provider()
    };
    Kind::MioThread.connect(secured.builder(secured.trust().provider(Arc::new(one_suite)))).unwrap();
    assert!(CryptoProvider::get_default().is_none());
}

#[test]
fn a_configuration_made_elsewhere() {
    let secured = Secured::new();
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(secured.authority.roots())
        .with_no_client_auth();
    Kind::MioThread.connect(secured.builder(Tls::from_config(Arc::new(config)))).unwrap();
}

#[test]
fn a_configuration_made_elsewhere_is_not_changed() {
    let authority = Authority::new();
    let made = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    let tls = Tls::from_config(Arc::new(made));
    let (text, why) = complaint(tls.clone().roots_pem(authority.pem()));
    assert!(matches!(*why, TlsSetupError::Decided { what: "roots" }));
    assert_says(&text, &["roots", "making of that configuration"]);
    let (text, _) = complaint(tls.dangerously_accept_any_certificate());
    assert_says(&text, &["which certificates to accept"]);
}

#[test]
fn files_are_read() {
    let secured = Secured::new();
    let path = std::env::temp_dir().join(format!("helenus-tls-{}.pem", std::process::id()));
    std::fs::write(&path, secured.authority.pem()).unwrap();
    let tls = Tls::new().roots_pem_file(&path);
    std::fs::remove_file(&path).unwrap();
    Kind::MioThread.connect(secured.builder(tls)).unwrap();
}
