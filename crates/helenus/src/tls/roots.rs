//! Whom to trust.

use std::sync::Arc;

use helenus_core::tls::rustls::RootCertStore;

use super::TlsSetupError;
use super::error::certificates;

/// Roots, one by one.
#[derive(Clone, Default)]
pub(super) struct Roots(Option<Arc<RootCertStore>>);

impl Roots {
    pub(super) fn count(&self) -> usize {
        self.0.as_ref().map_or(0, |store| store.len())
    }

    pub(super) fn add_pem(&mut self, text: &[u8], source: &str) -> Result<(), TlsSetupError> {
        let store = Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(RootCertStore::empty())));
        for certificate in certificates(text, source)? {
            store.add(certificate).map_err(|error| TlsSetupError::Root { source: source.into(), error })?;
        }
        Ok(())
    }

    /// Those that the operating system has; a few that can't be read don't matter while others can.
    #[cfg(feature = "tls-platform-roots")]
    pub(super) fn add_platform(&mut self) -> Result<(), TlsSetupError> {
        let found = rustls_native_certs::load_native_certs();
        let store = Arc::make_mut(self.0.get_or_insert_with(|| Arc::new(RootCertStore::empty())));
        let (added, _) = store.add_parsable_certificates(found.certs);
        if added == 0 {
            let problem =
                found.errors.first().map_or_else(|| "there are none".to_owned(), ToString::to_string);
            return Err(TlsSetupError::PlatformRoots { problem: problem.into() });
        }
        Ok(())
    }

    /// The store, if there is anything in it.
    pub(super) fn store(self) -> Result<Arc<RootCertStore>, TlsSetupError> {
        self.0.filter(|store| !store.is_empty()).ok_or(TlsSetupError::NoRoots)
    }
}
