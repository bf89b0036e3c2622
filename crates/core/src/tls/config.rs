//! What a machine is told about TLS.

use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::TlsError;

/// A node of which the name is wanted that its certificate must be for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeAt<'a> {
    /// The host of the contact point, as the user gave it: a name or an address.
    pub host: &'a str,
    /// Where the connection goes.
    pub address: SocketAddr,
}

impl<'a> NodeAt<'a> {
    /// The node of contact point `host`, at `address`.
    pub fn new(host: &'a str, address: SocketAddr) -> Self {
        Self { host, address }
    }
}

type Names = dyn Fn(&NodeAt<'_>) -> Option<String> + Send + Sync;

/// How connections are secured: rustls' configuration, which all connections of a session share with its cache of sessions to
/// resume, and the names that certificates must be for.
#[derive(Clone)]
pub struct TlsConfig {
    client: Arc<ClientConfig>,
    names: Option<Arc<Names>>,
}

impl TlsConfig {
    /// Each certificate must be for the host of the node's contact point.
    ///
    /// Make the configuration by [`ClientConfig::builder_with_details`]: a builder that looks for the process's provider panics
    /// where two are compiled in.
    pub fn new(client: Arc<ClientConfig>) -> Self {
        Self { client, names: None }
    }

    /// Certificates must be for the name that `names` gives for the node: a host name, which is also sent as SNI, or the text of
    /// an address. `None`: the host of the contact point.
    ///
    /// It is called in the machine's turn, once for each connection: it must not block.
    pub fn server_names(
        mut self,
        names: impl Fn(&NodeAt<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.names = Some(Arc::new(names));
        self
    }

    /// rustls' configuration.
    pub fn client(&self) -> &Arc<ClientConfig> {
        &self.client
    }

    /// The name that the certificate of this node must be for.
    pub fn server_name(&self, node: &NodeAt<'_>) -> Result<ServerName<'static>, TlsError> {
        let name = match &self.names {
            None => None,
            Some(names) => {
                let named = catch_unwind(AssertUnwindSafe(|| names(node)));
                named.map_err(|_| TlsError::NamesPanicked)?
            }
        };
        let name = name.unwrap_or_else(|| node.host.to_owned());
        ServerName::try_from(name.as_str())
            .map(|name| name.to_owned())
            .map_err(|_| TlsError::Name { name: name.into() })
    }
}

impl fmt::Debug for TlsConfig {
    /// Nothing of keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConfig").field("names", &self.names.is_some()).finish_non_exhaustive()
    }
}
