//! The server that is measured against, as a process of its own on its own core.

use crate::processor::{self, Cores};
use crate::tls::{self, Certificate};
use crate::wire::Connection;
use crate::workload;
use anyhow::{Context, Result, bail};
use clap::Args;
use helenus::Session;
use helenus::tls::Tls;
use std::net::{SocketAddr, TcpListener, TcpStream};
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

impl ServerArgs {
    /// Whether `helenus node --null` is started here.
    pub(crate) fn may_start_node(&self) -> bool {
        self.server.is_none() && !self.own_server
    }
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) pid: Option<u32>,
    pub(crate) label: String,
    child: Option<Child>,
    certificate: Option<Certificate>,
}

impl Server {
    pub(crate) fn from_args(args: &ServerArgs, cores: Cores) -> Result<Self> {
        let server = match args.server {
            Some(address) => {
                let label = format!("the running server at {address}");
                Self { address, pid: args.server_pid, label, child: None, certificate: None }
            }
            None if args.own_server => Self::start_own(cores)?,
            None => Self::start_node(cores)?,
        };
        server.make_table()?;
        Ok(server)
    }

    /// `helenus node --null`, from the binary that the environment names.
    pub(crate) fn start_node(cores: Cores) -> Result<Self> {
        let address = free_address()?;
        Self::start(Self::node(address)?, address, "helenus node --null", cores, None)
    }

    /// The same with TLS, and a certificate of its own.
    pub(crate) fn start_node_with_tls(cores: Cores) -> Result<Self> {
        let address = free_address()?;
        let certificate = Certificate::new(address)?;
        let mut command = Self::node(address)?;
        command.arg("--tls-cert").arg(certificate.certificate());
        command.arg("--tls-key").arg(certificate.key());
        Self::start(command, address, "helenus node --null with TLS", cores, Some(certificate))
    }

    fn node(address: SocketAddr) -> Result<Command> {
        let Some(binary) = std::env::var_os(HELENUS_BIN).map(PathBuf::from) else {
            bail!(
                "no server: set {HELENUS_BIN} to the helenus command (cargo build --release -p helenus-cli), \
                 give --server ADDR:PORT of a running one, or --own-server"
            );
        };
        let mut command = Command::new(&binary);
        command.args(["node", "--null", "--listen", &address.to_string()]);
        Ok(command)
    }

    /// This program's own responder.
    pub(crate) fn start_own(cores: Cores) -> Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["serve", "--listen", &address.to_string()]);
        Self::start(command, address, "peers serve (bare epoll responder)", cores, None)
    }

    fn start(
        mut command: Command,
        address: SocketAddr,
        label: &str,
        cores: Cores,
        certificate: Option<Certificate>,
    ) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = processor::on_core(cores.server, || {
            command.spawn().with_context(|| format!("{} doesn't start", command.get_program().display()))
        })?;
        let pid = Some(child.id());
        let mut server = Self { address, pid, label: label.to_owned(), child: Some(child), certificate };
        server.wait_until_ready()?;
        Ok(server)
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.as_mut().map(Child::try_wait).transpose()?.flatten() {
                bail!("{} ended before it was ready: {status}", self.label);
            }
            let opened = match &self.certificate {
                None => Connection::open(self.address).map(drop),
                Some(_) => TcpStream::connect(self.address).map(drop).map_err(Into::into),
            };
            match opened {
                Ok(()) => return Ok(()),
                Err(error) if started.elapsed() > START_LIMIT => {
                    return Err(error.context(format!("{} isn't ready after {START_LIMIT:?}", self.label)));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }

    /// What its clients must trust, if it speaks TLS.
    pub(crate) fn tls_certificate(&self) -> Option<PathBuf> {
        self.certificate.as_ref().map(Certificate::certificate)
    }

    pub(crate) fn make_table(&self) -> Result<()> {
        if let Some(certificate) = self.tls_certificate() {
            let tls = Tls::from_config(tls::client(&certificate)?);
            let session = Session::builder().contact_point(self.address.to_string()).tls(tls);
            let session = session.connect().wait()?;
            session.query(workload::CREATE_KEYSPACE, ()).wait()?;
            session.query(workload::CREATE_TABLE, ()).wait()?;
            return Ok(session.close().wait()?);
        }
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
