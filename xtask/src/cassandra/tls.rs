//! A certificate authority of the tests, and one certificate for all loopback addresses.

use super::fetch;
use crate::need::Need;
use crate::shell;
use anyhow::Result;
use std::fs;
use std::path::PathBuf;

/// Holds `ca.pem` for clients and `node.p12` for nodes.
pub(super) fn folder() -> PathBuf {
    fetch::home().join("tls")
}

/// The certificate of the authority that signs the nodes', for clients to trust.
pub(crate) fn authority() -> PathBuf {
    folder().join("ca.pem")
}

/// Makes the files unless they are there.
pub(super) fn prepare() -> Result<()> {
    let folder = folder();
    if folder.join("node.p12").exists() {
        return Ok(());
    }
    fetch::require(&[Need::OpenSsl])?;
    fs::create_dir_all(&folder)?;
    let addresses: Vec<_> = (1..=9).map(|n| format!("IP:127.0.0.{n}")).collect();
    let settings = include_str!("templates/tls.cnf").replace("{ADDRESSES}", &addresses.join(", "));
    fs::write(folder.join("tls.cnf"), settings)?;
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -config tls.cnf -extensions ca -days 3650 -keyout ca.key -out ca.pem",
    )?;
    openssl("req -new -newkey rsa:2048 -nodes -config tls.cnf -keyout node.key -out node.csr")?;
    openssl(
        "x509 -req -in node.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 3650 -extfile tls.cnf \
         -extensions node -out node.pem",
    )?;
    // Last, and by renaming: its being there says that all is.
    openssl("pkcs12 -export -in node.pem -inkey node.key -name node -passout pass:cassandra -out node.part")?;
    fs::rename(folder.join("node.part"), folder.join("node.p12"))?;
    Ok(())
}

fn openssl(arguments: &str) -> Result<()> {
    shell::output(shell::command("openssl", arguments.split_whitespace()).current_dir(folder()))?;
    Ok(())
}
