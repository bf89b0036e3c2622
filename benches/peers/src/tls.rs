//! The certificate of a server with TLS, and the configuration that all clients of it share.

use anyhow::{Context, Result};
use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// A certificate that signed itself and its key, as files, until it is dropped.
pub(crate) struct Certificate {
    directory: PathBuf,
}

impl Certificate {
    pub(crate) fn new(address: SocketAddr) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("peers-tls-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        let made = Self { directory };
        let certified = rcgen::generate_simple_self_signed([address.ip().to_string()])?;
        fs::write(made.certificate(), certified.cert.pem())?;
        fs::write(made.key(), certified.signing_key.serialize_pem())?;
        Ok(made)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.join("key.pem")
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        // What is left of it in the directory for temporary files hurts nobody.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Trusts that certificate. It has one cipher suite, so that no client can have another than its neighbour.
pub(crate) fn client(certificate: &Path) -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    let pem = CertificateDer::from_pem_file(certificate);
    roots.add(pem.with_context(|| certificate.display().to_string())?)?;
    let suites = vec![cipher_suite::TLS13_AES_256_GCM_SHA384];
    let provider = CryptoProvider { cipher_suites: suites, ..default_provider() };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Shakes hands with the server, and says what was agreed on.
pub(crate) fn agreed(server: SocketAddr, config: Arc<ClientConfig>) -> Result<String> {
    let mut socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut connection = ClientConnection::new(config, ServerName::from(server.ip()))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    let version = connection.protocol_version().context("no version was agreed on")?;
    let suite = connection.negotiated_cipher_suite().context("no cipher suite was agreed on")?;
    Ok(format!("{version:?}, {:?}", suite.suite()))
}
