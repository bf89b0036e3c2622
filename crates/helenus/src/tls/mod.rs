//! TLS: whom a session trusts, who it is, and what nodes are called.
//!
//! ```no_run
//! use helenus::Session;
//! use helenus::tls::Tls;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let session = Session::builder()
//!     .contact_point("db1.example")
//!     .tls(Tls::new().roots_pem_file("ca.pem"))
//!     .connect()
//!     .wait()?;
//! # Ok(())
//! # }
//! ```
//!
//! It is rustls that does it, inside the driver's machine, and so alike on every reactor. A node's certificate must be signed by
//! a root that was given, be valid now, and be for the host of its contact point, unless [`Tls::server_name`] or
//! [`Tls::server_names`] say another name. Connections of a session resume each other's TLS sessions.
//!
//! The provider of cryptography is ring, or the one given to [`Tls::provider`]; the process's default provider is neither used nor
//! set, so that a program may have several.

mod error;
mod roots;
mod verify;

pub use error::TlsSetupError;
pub use helenus_core::tls::{NodeAt, TlsError, rustls};

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use helenus_core::tls::TlsConfig;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

use roots::Roots;
use verify::Trust;

/// Names whose sessions are kept to be resumed, at most; each with a few tickets of some hundred bytes.
const SESSIONS_MAX: usize = 1_024;

type Names = dyn Fn(&NodeAt<'_>) -> Option<String> + Send + Sync;

/// Says how connections are secured; given to [`SessionBuilder::tls`](crate::SessionBuilder::tls).
///
/// Files are read at once, by the methods that name them. The first error is kept, and connecting fails with it.
#[derive(Clone, Default)]
#[must_use]
pub struct Tls {
    roots: Roots,
    client: Option<(Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>)>,
    names: Option<Arc<Names>>,
    provider: Option<Arc<CryptoProvider>>,
    clock: Option<Arc<dyn TimeProvider>>,
    trust: Trust,
    made: Option<Arc<ClientConfig>>,
    error: Option<Arc<TlsSetupError>>,
}

impl Tls {
    /// Trusts nobody yet: give it roots.
    pub fn new() -> Self {
        Self::default()
    }

    /// A configuration of rustls that was made elsewhere: roots, client certificate, provider and clock are its. Make it by
    /// `ClientConfig::builder_with_provider` or `_with_details`. Names can still be given; all else is
    /// [`TlsSetupError::Decided`].
    pub fn from_config(config: Arc<ClientConfig>) -> Self {
        Self { made: Some(config), ..Self::default() }
    }

    /// Trusts the certificates in this PEM file: an authority's, or a node's own if it signed itself.
    pub fn roots_pem_file(self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        self.attempt(|tls| tls.roots.add_pem(&error::read(path)?, &path.display().to_string()))
    }

    /// Trusts the certificates in this PEM text.
    pub fn roots_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.attempt(|tls| tls.roots.add_pem(pem.as_ref(), "the PEM text of the roots"))
    }

    /// Trusts the authorities that the operating system trusts. Clusters seldom have certificates of these.
    #[cfg(feature = "tls-platform-roots")]
    pub fn platform_roots(self) -> Self {
        self.attempt(|tls| tls.roots.add_platform())
    }

    /// Shows nodes this certificate (PEM, the client's own first, then those between it and an authority) and has its private key
    /// (PEM: PKCS#8, SEC1 or PKCS#1; not encrypted), for clusters with `require_client_auth`.
    pub fn client_certificate_pem_files(self, certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        let (certificates, key) = (certificates.as_ref(), key.as_ref());
        self.attempt(|tls| {
            let (chain, secret) = (error::read(certificates)?, error::read(key)?);
            tls.client_pem(&chain, &certificates.display().to_string(), &secret, &key.display().to_string())
        })
    }

    /// The same, as PEM text.
    pub fn client_certificate_pem(self, certificates: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.attempt(|tls| {
            let (chain, secret) =
                ("the PEM text of the client certificate", "the PEM text of the client key");
            tls.client_pem(certificates.as_ref(), chain, key.as_ref(), secret)
        })
    }

    /// Every node's certificate must be for this name, whatever its address: a host name, also sent as SNI, or an address.
    pub fn server_name(self, name: impl Into<String>) -> Self {
        let name = name.into();
        self.server_names(move |_| Some(name.clone()))
    }

    /// A node's certificate must be for the name that `names` gives for it; `None` for the host of its contact point.
    ///
    /// It is called in the loop, once for each connection that is opened: it must not block.
    pub fn server_names(
        mut self,
        names: impl Fn(&NodeAt<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.names = Some(Arc::new(names));
        self
    }

    /// The provider of cryptography; ring unless given.
    pub fn provider(mut self, provider: Arc<CryptoProvider>) -> Self {
        self.provider = Some(provider);
        self
    }

    /// The clock by which certificates are valid; the system's unless given.
    pub fn clock(mut self, clock: Arc<dyn TimeProvider>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// **Dangerous.** Does not look whether a certificate is for the node that is connected to: whoever has any certificate that the
    /// roots signed, any node's or client's, can pass for every node. For clusters whose certificates have no names in them; rather
    /// say the one that they have by [`Tls::server_name`].
    pub fn dangerously_accept_any_name(mut self) -> Self {
        self.trust = Trust::AnyName;
        self
    }

    /// **Dangerous.** Takes every certificate, of whomever, expired or not. Whoever is between can read and change everything. For
    /// tests.
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.trust = Trust::Anything;
        self
    }

    /// What the machine is told.
    pub(crate) fn build(self) -> Result<TlsConfig, Arc<TlsSetupError>> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let names = self.names.clone();
        let config = TlsConfig::new(self.client_config().map_err(Arc::new)?);
        Ok(match names {
            Some(names) => config.server_names(move |node| names(node)),
            None => config,
        })
    }

    fn client_config(self) -> Result<Arc<ClientConfig>, TlsSetupError> {
        if let Some(made) = self.made.clone() {
            return self.decided().map_or(Ok(made), |what| Err(TlsSetupError::Decided { what }));
        }
        let provider = self.provider.unwrap_or_else(|| Arc::new(rustls::crypto::ring::default_provider()));
        let clock = self.clock.unwrap_or_else(|| Arc::new(DefaultTimeProvider));
        let builder = ClientConfig::builder_with_details(provider.clone(), clock)
            .with_safe_default_protocol_versions()
            .map_err(TlsSetupError::Rustls)?
            .dangerous()
            .with_custom_certificate_verifier(self.trust.verifier(self.roots, provider)?);
        let mut config = match self.client {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder
                .with_client_auth_cert(chain, key.clone_key())
                .map_err(TlsSetupError::ClientCertificate)?,
        };
        config.resumption = Resumption::in_memory_sessions(SESSIONS_MAX);
        Ok(Arc::new(config))
    }

    /// What was said that a configuration made elsewhere has decided already.
    fn decided(&self) -> Option<&'static str> {
        let said = [
            (self.roots.count() > 0, "roots"),
            (self.client.is_some(), "a client certificate"),
            (self.provider.is_some(), "a provider of cryptography"),
            (self.clock.is_some(), "a clock"),
            (!matches!(self.trust, Trust::Named), "which certificates to accept"),
        ];
        said.into_iter().find_map(|(said, what)| said.then_some(what))
    }

    fn client_pem(
        &mut self,
        certificates: &[u8],
        certificates_of: &str,
        key: &[u8],
        key_of: &str,
    ) -> Result<(), TlsSetupError> {
        let chain = error::certificates(certificates, certificates_of)?;
        let key =
            PrivateKeyDer::from_pem_slice(key).map_err(|error| error::pem(key_of, &error, "private key"))?;
        self.client = Some((chain, Arc::new(key)));
        Ok(())
    }

    fn attempt(mut self, step: impl FnOnce(&mut Self) -> Result<(), TlsSetupError>) -> Self {
        if self.error.is_none() {
            self.error = step(&mut self).err().map(Arc::new);
        }
        self
    }
}

impl fmt::Debug for Tls {
    /// Nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("roots", &self.roots.count())
            .field("client_certificate", &self.client.is_some())
            .field("trust", &self.trust)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}
