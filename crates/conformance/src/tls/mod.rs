//! Certificates made as they are needed, and both ends of TLS.

mod front;

pub use front::{Front, Visit};

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use helenus_core::tls::TlsConfig;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PKCS_ED25519, SanType,
};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};

/// An authority that signs certificates, for as long as the test runs.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
pub struct Identity {
    /// The certificate, as PEM.
    pub certificate_pem: String,
    /// Its key, as PEM.
    pub key_pem: String,
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// A new one, unknown to everybody.
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let mut params = CertificateParams::default();
        // Authorities are told apart by their names.
        let name = format!("authority {}", COUNT.fetch_add(1, Ordering::Relaxed));
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these names and addresses, for servers and clients, valid for ever.
    pub fn issue(&self, names: &[&str]) -> Identity {
        self.issue_with(names, |_| {})
    }

    /// One that is changed before it is signed.
    pub fn issue_with(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (params, key) = Identity::params(names, change);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Identity::of(certificate, &key)
    }

    /// Who trusts it.
    pub fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Identity {
    /// A certificate that signs itself.
    pub fn self_signed(names: &[&str]) -> Self {
        let (params, key) = Self::params(names, |_| {});
        let certificate = params.self_signed(&key).unwrap();
        Self::of(certificate, &key)
    }

    fn params(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> (CertificateParams, KeyPair) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.iter().map(|name| alternative(name)).collect();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        (params, KeyPair::generate_for(&PKCS_ED25519).unwrap())
    }

    fn of(certificate: rcgen::Certificate, key: &KeyPair) -> Self {
        Self {
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            certificate: certificate.der().clone(),
            key: key.serialize_der(),
        }
    }

    /// A server that shows it, and takes any client; or only those with a certificate of `clients`.
    pub fn server(&self, clients: Option<&Authority>) -> Arc<ServerConfig> {
        self.server_of(rustls::DEFAULT_VERSIONS, clients)
    }

    /// The same, of these versions of TLS.
    pub fn server_of(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        clients: Option<&Authority>,
    ) -> Arc<ServerConfig> {
        let builder =
            ServerConfig::builder_with_provider(provider()).with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let roots = Arc::new(authority.roots());
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider()).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        Arc::new(builder.with_single_cert(vec![self.certificate.clone()], key).unwrap())
    }
}

/// The provider of all tests.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A clock that stands still.
#[derive(Clone, Copy, Debug)]
pub struct StoppedClock(pub UnixTime);

impl StoppedClock {
    /// So many days after the beginning of 2026.
    pub fn at_day(day: u64) -> Self {
        Self(UnixTime::since_unix_epoch(Duration::from_secs((20_454 + day) * 86_400)))
    }
}

impl TimeProvider for StoppedClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

/// The two ends of the rows' connections. Peers are found at addresses of this host, or of the simulated network.
pub(crate) struct Ends {
    pub(crate) client: TlsConfig,
    pub(crate) server: Arc<ServerConfig>,
}

pub(crate) fn ends() -> &'static Ends {
    static ENDS: OnceLock<Ends> = OnceLock::new();
    ENDS.get_or_init(|| {
        let authority = Authority::new();
        let server = authority.issue(&["127.0.0.1", "10.0.0.1"]).server(None);
        let client = ClientConfig::builder_with_details(provider(), Arc::new(StoppedClock::at_day(0)))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(authority.roots())
            .with_no_client_auth();
        Ends { client: TlsConfig::new(Arc::new(client)), server }
    })
}

/// What peers of rows show, for simulations whose peers play [`Step::Secure`](crate::Step::Secure).
pub fn server() -> Arc<ServerConfig> {
    ends().server.clone()
}

fn alternative(name: &str) -> SanType {
    match name.parse::<IpAddr>() {
        Ok(address) => SanType::IpAddress(address),
        Err(_) => SanType::DnsName(name.try_into().unwrap()),
    }
}
