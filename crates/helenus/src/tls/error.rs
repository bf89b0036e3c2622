//! What can be wrong with certificates and keys that the program gives.

use std::fmt;
use std::io;
use std::path::Path;

use helenus_core::tls::rustls;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Why a TLS configuration can't be made of what was given.
#[derive(Debug)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A file can't be read.
    File {
        /// Which.
        path: Box<str>,
        /// Why.
        error: io::Error,
    },
    /// What was given is not the PEM that was wanted.
    Pem {
        /// The file, or what the text is for.
        source: Box<str>,
        /// What is wrong.
        problem: Box<str>,
    },
    /// A certificate among the roots can't be one.
    Root {
        /// The file, or what the text is for.
        source: Box<str>,
        /// Why.
        error: rustls::Error,
    },
    /// No root was given.
    NoRoots,
    /// Something was said that the configuration given to [`Tls::from_config`](super::Tls::from_config) has decided already.
    Decided {
        /// What was said.
        what: &'static str,
    },
    /// The operating system's roots can't be found.
    PlatformRoots {
        /// Why.
        problem: Box<str>,
    },
    /// The client certificate and its key can't be used.
    ClientCertificate(rustls::Error),
    /// rustls refuses the configuration.
    Rustls(rustls::Error),
}

impl fmt::Display for TlsSetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, error } => write!(f, "TLS: {path} can't be read: {error}"),
            Self::Pem { source, problem } => write!(f, "TLS: {source}: {problem}"),
            Self::Root { source, error } => {
                write!(f, "TLS: {source}: a certificate there can't be a root: {error}")
            }
            Self::NoRoots => f.write_str(
                "TLS: nobody is trusted yet; give the certificate of the authority that signs the nodes' certificates, by \
                 `Tls::roots_pem_file` or its like",
            ),
            Self::Decided { what } => write!(
                f,
                "TLS: {what} can't be said beside a configuration made elsewhere, which has decided it; say it in the making of \
                 that configuration"
            ),
            Self::PlatformRoots { problem } => {
                write!(f, "TLS: the operating system's roots can't be found: {problem}")
            }
            Self::ClientCertificate(error) => write!(
                f,
                "TLS: the client certificate and its key can't be used: {error}; do they belong together?"
            ),
            Self::Rustls(error) => write!(f, "TLS: rustls refuses the configuration: {error}"),
        }
    }
}

impl std::error::Error for TlsSetupError {}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, TlsSetupError> {
    std::fs::read(path)
        .map_err(|error| TlsSetupError::File { path: path.display().to_string().into(), error })
}

/// All certificates in a PEM text, at least one.
pub(super) fn certificates(text: &[u8], source: &str) -> Result<Vec<CertificateDer<'static>>, TlsSetupError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(pem(source, &pem::Error::NoItemsFound, "certificate")),
        Ok(found) => Ok(found),
        Err(error) => Err(pem(source, &error, "certificate")),
    }
}

/// What a PEM text lacks. The text itself, which may be a key, is not repeated.
pub(super) fn pem(source: &str, error: &pem::Error, wanted: &str) -> TlsSetupError {
    let problem = match error {
        pem::Error::NoItemsFound if wanted == "private key" => {
            "it has no private key that is not encrypted (PKCS#8, SEC1 or PKCS#1, as PEM)".to_owned()
        }
        pem::Error::NoItemsFound => {
            format!("it has no {wanted} (PEM: -----BEGIN {}-----)", wanted.to_uppercase())
        }
        pem::Error::MissingSectionEnd { .. } => "a section has no end: is the file whole?".to_owned(),
        pem::Error::IllegalSectionStart { .. } => "a line that begins a section is broken".to_owned(),
        pem::Error::Base64Decode(_) => "a section is not base64".to_owned(),
        other => other.to_string(),
    };
    TlsSetupError::Pem { source: source.into(), problem: problem.into() }
}
