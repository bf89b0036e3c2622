//! One node: its files, its process, and whether it answers.

use super::cluster::Cluster;
use super::process::{Process, State};
use super::{cql, fetch, tls};
use crate::need;
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) const PORT: u16 = 9042;
const INTERNODE_PORT: u16 = 7000;

/// Node `number`, counted from one, at the loopback address of that number.
#[derive(Clone, Copy)]
pub(super) struct Node {
    pub(super) number: u8,
}

impl Node {
    pub(super) fn address(self) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, self.number)
    }

    pub(super) fn folder(self) -> PathBuf {
        fetch::home().join(format!("node{}", self.number))
    }

    pub(super) fn process(self) -> Process {
        Process { file: self.folder().join("pid"), mark: format!("@{}", self.options().display()) }
    }

    /// Whether the files are what `cluster` would have this node run with.
    pub(super) fn is_configured_for(self, cluster: Cluster) -> bool {
        self.files(cluster)
            .iter()
            .all(|(path, text)| fs::read_to_string(path).is_ok_and(|found| &found == text))
    }

    /// Fresh files without data, in place of whatever was there.
    pub(super) fn configure(self, cluster: Cluster) -> Result<()> {
        let folder = self.folder();
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
        }
        fs::create_dir_all(folder.join("tmp"))?;
        for (path, text) in self.files(cluster) {
            fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Starts the process; it outlives this one.
    pub(super) fn start(self, jars: &Path) -> Result<()> {
        for port in [PORT, INTERNODE_PORT] {
            let address = SocketAddr::from((self.address(), port));
            TcpListener::bind(address).with_context(|| {
                format!("{address} is taken: does another program or another checkout's cluster use it?")
            })?;
        }
        let folder = self.folder();
        let output = fs::File::create(folder.join("output.log"))?;
        let java = need::java17().context(need::Need::Java17)?;
        let mut child = Command::new(java)
            .arg(format!("@{}", self.options().display()))
            .arg("-cp")
            .arg(format!("{}:{}/*", folder.display(), jars.display()))
            .arg("org.apache.cassandra.service.CassandraDaemon")
            .current_dir(&folder)
            .env_remove("JDK_JAVA_OPTIONS")
            .env_remove("JAVA_TOOL_OPTIONS")
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Of its own group: Ctrl-C ends the task, not the cluster.
            .process_group(0)
            .spawn()?;
        self.process().adopt(&mut child)
    }

    /// Asks the node; an error while it doesn't answer, doesn't know its peers yet, or isn't there any more.
    pub(super) fn greet(self, peers: u8) -> Result<()> {
        if self.process().state() == State::Gone {
            bail!("the process has ended; {}", self.last_words());
        }
        cql::greet(SocketAddr::from((self.address(), PORT)), peers)
    }

    /// Where to read on, and the last errors that the node logged.
    pub(super) fn last_words(self) -> String {
        let folder = self.folder();
        let mut words = format!("see {} and output.log beside it", folder.join("system.log").display());
        for name in ["system.log", "output.log"] {
            let text = fs::read_to_string(folder.join(name)).unwrap_or_default();
            let errors = text.lines().filter(|line| line.contains("ERROR") || line.contains("Exception"));
            for line in errors.take(5) {
                words.push_str("\n    ");
                words.extend(line.chars().take(300));
            }
        }
        words
    }

    fn options(self) -> PathBuf {
        self.folder().join("jvm.options")
    }

    fn files(self, cluster: Cluster) -> Vec<(PathBuf, String)> {
        let folder = self.folder();
        let mut yaml = include_str!("templates/cassandra.yaml").to_owned();
        yaml += if cluster.auth {
            include_str!("templates/auth.yaml")
        } else {
            include_str!("templates/open.yaml")
        };
        if cluster.tls {
            yaml += include_str!("templates/tls.yaml");
        }
        let fill = |text: &str| {
            text.replace("{FOLDER}", &folder.display().to_string())
                .replace("{TLS}", &tls::folder().display().to_string())
                .replace("{ADDRESS}", &self.address().to_string())
                .replace("{SEEDS}", &super::contact_points(cluster.nodes))
                .replace("{PORT}", &PORT.to_string())
                .replace("{TOKEN}", &token(self.number, cluster.nodes).to_string())
        };
        vec![
            (folder.join("cassandra.yaml"), fill(&yaml)),
            (folder.join("logback.xml"), fill(include_str!("templates/logback.xml"))),
            (folder.join("cassandra-rackdc.properties"), format!("dc=dc1\nrack=rack{}\n", self.number)),
            (self.options(), fill(include_str!("templates/jvm.options"))),
        ]
    }
}

/// The places of `nodes` nodes, spread evenly over the ring of Murmur3 tokens.
fn token(number: u8, nodes: u8) -> i64 {
    let step = (1_i128 << 64) / i128::from(nodes);
    let token = i128::from(i64::MIN) + step * i128::from(number - 1);
    // At most 2^64 - step above the least token, so it fits.
    token as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_spread_over_the_whole_ring() {
        assert_eq!(token(1, 1), i64::MIN);
        assert_eq!(token(2, 2), 0);
        assert_eq!(token(1, 3), i64::MIN);
        assert_eq!(token(2, 3), -3_074_457_345_618_258_603);
        assert_eq!(token(3, 3), 3_074_457_345_618_258_602);
    }

    #[test]
    fn no_placeholder_is_left_in_a_file() {
        let cluster = Cluster { nodes: 3, auth: true, tls: true };
        for (path, text) in (Node { number: 2 }).files(cluster) {
            for name in ["FOLDER", "TLS", "ADDRESS", "SEEDS", "PORT", "TOKEN"] {
                assert!(!text.contains(&format!("{{{name}}}")), "{}: {text}", path.display());
            }
        }
    }
}
