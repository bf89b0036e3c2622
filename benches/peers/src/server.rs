//! The server that is measured against, as a process of its own on its own core.

use crate::processor::{self, Cores};
use crate::wire::Connection;
use crate::workload;
use anyhow::{Context, Result, bail};
use clap::Args;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const START_LIMIT: Duration = Duration::from_secs(15);

/// The environment variable with the path of the `helenus` command.
const HELENUS_BIN: &str = "HELENUS_BIN";

#[derive(Args, Debug)]
pub(crate) struct ServerArgs {
    /// A server that runs already, instead of one started here; pin it to a core yourself
    #[arg(long, value_name = "ADDR:PORT")]
    server: Option<SocketAddr>,
    /// The process id of that server, so that its CPU time can be told
    #[arg(long, requires = "server")]
    server_pid: Option<u32>,
    /// Use this program's own responder instead of `helenus node --null`
    #[arg(long, conflicts_with = "server")]
    own_server: bool,
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<u32>,
    pub(crate) label: String,
    child: Option<Child>,
}

impl Server {
    pub(crate) fn from_args(args: &ServerArgs, cores: Cores) -> Result<Self> {
        let server = match args.server {
            Some(address) => {
                let label = format!("the running server at {address}");
                Self { address, pid: args.server_pid, label, child: None }
            }
            None if args.own_server => Self::start_own(cores)?,
            None => Self::start_node(cores)?,
        };
        server.make_table()?;
        Ok(server)
    }

    /// `helenus node --null`, from the binary that the environment names.
    pub(crate) fn start_node(cores: Cores) -> Result<Self> {
        let Some(binary) = std::env::var_os(HELENUS_BIN).map(PathBuf::from) else {
            bail!(
                "no server: set {HELENUS_BIN} to the helenus command (cargo build --release -p helenus-cli), \
                 give --server ADDR:PORT of a running one, or --own-server"
            );
        };
        let address = free_address()?;
        let mut command = Command::new(&binary);
        command.args(["node", "--null", "--listen", &address.to_string()]);
        Self::start(command, address, "helenus node --null", cores)
    }

    /// This program's own responder.
    pub(crate) fn start_own(cores: Cores) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", &address.to_string()]);
        Self::start(command, address, "peers serve (bare epoll responder)", cores)
    }

    fn start(mut command: Command, address: SocketAddr, label: &str, cores: Cores) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = processor::on_core(cores.server, || {
            command.spawn().with_context(|| format!("{} doesn't start", command.get_program().display()))
        })?;
        let pid = Some(child.id());
        let mut server = Self { address, pid, label: label.to_owned(), child: Some(child) };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("{} ended before it was ready: {status}", self.label);
            }
            match Connection::open(self.address) {
                Ok(_) => return Ok(()),
                Err(error) if started.elapsed() > START_LIMIT => {
                    return Err(error.context(format!("{} isn't ready after {START_LIMIT:?}", self.label)));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    pub(crate) fn make_table(&self) -> Result<()> {
        let mut connection = Connection::open(self.address)?;
        connection.query(workload::CREATE_KEYSPACE)?;
        connection.query(workload::CREATE_TABLE)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // Either fails only if the process is gone already, which is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
