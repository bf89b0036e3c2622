//! The options for TLS, of whatever connects; and the server's side, for the node.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use helenus::tls::Tls;
use helenus::tls::rustls::ServerConfig;
use helenus::tls::rustls::crypto::ring::default_provider;
use helenus::tls::rustls::pki_types::pem::PemObject;
use helenus::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, clap::Args, Serialize, Deserialize)]
pub(crate) struct TlsOptions {
    /// Connect by TLS. Without --tls-ca, the authorities that the operating system trusts are trusted
    #[arg(long, help_heading = "TLS")]
    tls: bool,
    /// Trust the certificates in this PEM file, and no others (repeatable)
    #[arg(long, value_name = "FILE", requires = "tls", help_heading = "TLS")]
    tls_ca: Vec<PathBuf>,
    /// Show nodes the certificate in this PEM file
    #[arg(long, value_name = "FILE", requires_all = ["tls", "tls_key"], help_heading = "TLS")]
    tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file too, not encrypted
    #[arg(long, value_name = "FILE", requires = "tls_cert", help_heading = "TLS")]
    tls_key: Option<PathBuf>,
    /// Certificates of nodes must be for this name, rather than for the host that is connected to
    #[arg(long, visible_alias = "tls-name", value_name = "NAME", requires = "tls", help_heading = "TLS")]
    tls_server_name: Option<String>,
    /// Take a certificate whatever name it is for: whoever has any certificate of the authority's can then pass for a node
    #[arg(long, requires = "tls", conflicts_with = "tls_server_name", help_heading = "TLS")]
    tls_any_name: bool,
}

impl TlsOptions {
    /// `None` without --tls. Files are read now; what is wrong with them is told by connecting.
    pub(crate) fn configuration(&self) -> Option<Tls> {
        if !self.tls {
            return None;
        }
        let mut tls = match &*self.tls_ca {
            [] => Tls::new().platform_roots(),
            files => files.iter().fold(Tls::new(), Tls::roots_pem_file),
        };
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            tls = tls.client_certificate_pem_files(certificate, key);
        }
        if let Some(name) = &self.tls_server_name {
            tls = tls.server_name(name);
        }
        if self.tls_any_name {
            tls = tls.dangerously_accept_any_name();
        }
        Some(tls)
    }
}

/// A server that shows the certificates in these PEM files, its own first.
pub(crate) fn server(certificates: &Path, key: &Path) -> Result<Arc<ServerConfig>> {
    let reading = |path: &Path| format!("{} can't be read as PEM", path.display());
    let chain = CertificateDer::pem_file_iter(certificates).and_then(Iterator::collect);
    let key = PrivateKeyDer::from_pem_file(key).with_context(|| reading(key))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain.with_context(|| reading(certificates))?, key)
        .context("certificate and key can't be used together")?;
    Ok(Arc::new(config))
}
