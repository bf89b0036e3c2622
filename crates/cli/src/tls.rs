//! The options for TLS, of whatever connects.

use std::path::PathBuf;

use helenus::tls::Tls;

#[derive(Clone, Debug, Default, clap::Args)]
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
    #[arg(long, value_name = "NAME", requires = "tls", help_heading = "TLS")]
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
