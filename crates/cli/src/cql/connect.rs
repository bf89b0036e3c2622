//! Where to, as whom, and by which reactor.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use helenus::reactor::Reactor;
use helenus::{Compression, Session, Version};
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::bench::{self, ReactorName};
use crate::secret::Secret;
use crate::tls::TlsOptions;

const PASSWORD_VARIABLE: &str = "HELENUS_PASSWORD";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Target {
    /// Nodes of the cluster, separated by commas: HOST or HOST:PORT
    #[arg(
        short = 'H',
        long,
        value_name = "HOSTS",
        value_delimiter = ',',
        default_value = "127.0.0.1",
        help_heading = "Where to"
    )]
    pub(super) hosts: Vec<String>,
    /// The keyspace of names without one
    #[arg(short, long, value_name = "NAME", help_heading = "Where to")]
    pub(super) keyspace: Option<String>,
    /// User for password authentication. The password comes from --password-file, the environment variable HELENUS_PASSWORD, or
    /// a prompt
    #[arg(short, long, value_name = "NAME", help_heading = "Where to")]
    user: Option<String>,
    /// A file whose first line is the password
    #[arg(long, value_name = "FILE", requires = "user", help_heading = "Where to")]
    password_file: Option<PathBuf>,
    /// The password itself, which other users of this machine can then see
    #[arg(
        short,
        long,
        value_name = "PASSWORD",
        requires = "user",
        conflicts_with = "password_file",
        help_heading = "Where to"
    )]
    password: Option<Secret>,
    /// Speak this version of the protocol (3, 4 or 5) and no other; the highest that the server speaks if not given
    #[arg(long, value_name = "N", value_parser = bench::version, help_heading = "What with")]
    protocol_version: Option<Version>,
    /// Compress connections: lz4, or snappy before v5
    #[arg(long, value_name = "NAME", value_parser = bench::compression, help_heading = "What with")]
    compression: Option<Compression>,
    /// Which reactor runs the driver; the build's default if not given
    #[arg(long, value_enum, value_name = "NAME", help_heading = "What with")]
    reactor: Option<ReactorName>,
    #[command(flatten)]
    tls: TlsOptions,
    /// How long a request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, help_heading = "What with",
          value_parser = clap::value_parser!(u64).range(1..))]
    timeout: u64,
}

/// Makes sessions, one for each keyspace that is used: `USE` is a connection's, and a session has many.
pub(super) struct Connector {
    target: Target,
    credentials: Option<(String, String)>,
}

impl Connector {
    /// Asks for the password where that is needed.
    pub(super) fn new(target: Target) -> Result<Self> {
        let credentials = match &target.user {
            Some(user) => Some((user.clone(), password(user, &target)?)),
            None => None,
        };
        Ok(Self { target, credentials })
    }

    pub(super) fn connect(&self, keyspace: Option<&str>) -> Result<Session> {
        let target = &self.target;
        let mut builder = Session::builder()
            .contact_points(&target.hosts)
            .request_timeout(Duration::from_secs(target.timeout))
            .boxed_reactor(reactor(target.reactor)?);
        if let Some((user, password)) = &self.credentials {
            builder = builder.credentials(user, password);
        }
        if let Some(version) = target.protocol_version {
            builder = builder.protocol_version(version);
        }
        if let Some(compression) = target.compression {
            builder = builder.compression(compression);
        }
        if let Some(tls) = target.tls.configuration() {
            builder = builder.tls(tls);
        }
        if let Some(keyspace) = keyspace {
            builder = builder.keyspace(keyspace);
        }
        let session = builder.connect().wait()?;
        if let Some(why) = session.compression_fallback() {
            eprintln!("warning: {why}");
        }
        Ok(session)
    }
}

/// The reactor of this name, where it runs by itself.
fn reactor(name: Option<ReactorName>) -> Result<Box<dyn Reactor>> {
    let Some(name) = name else { return bench::any_reactor() };
    Ok(match name {
        #[cfg(feature = "reactor-mio")]
        ReactorName::Mio => Box::new(helenus::reactor::Mio::threads(1)),
        #[cfg(feature = "reactor-mio")]
        ReactorName::MioCaller => Box::new(helenus::reactor::Mio::on_caller()),
        #[cfg(feature = "reactor-tokio")]
        ReactorName::Tokio => Box::new(helenus::reactor::Tokio::runtime()),
        #[cfg(feature = "reactor-uring")]
        ReactorName::Uring => Box::new(helenus::reactor::Uring::threads(1)),
        #[cfg(feature = "reactor-uring")]
        ReactorName::UringCaller => Box::new(helenus::reactor::Uring::on_caller()),
        #[cfg(feature = "reactor-glommio")]
        ReactorName::Glommio => Box::new(helenus::reactor::Glommio::cores(1)),
        #[cfg(feature = "reactor-smol")]
        ReactorName::Smol => Box::new(helenus::reactor::Smol::thread()),
        #[cfg(feature = "reactor-async-std")]
        ReactorName::AsyncStd => Box::new(helenus::reactor::AsyncStd::global()),
        name if name.is_compiled() => {
            bail!("{name} is a task of a program's own runtime; take --reactor {}", name.family())
        }
        name => bail!("{name} isn't in this build; build with --features reactor-{}", name.family()),
    })
}

fn password(user: &str, target: &Target) -> Result<String> {
    if let Some(password) = &target.password {
        eprintln!(
            "warning: other users of this machine can see --password; use --password-file, {PASSWORD_VARIABLE} or the prompt"
        );
        return Ok(password.0.clone());
    }
    if let Some(path) = &target.password_file {
        let reading = || format!("the password can't be read from {}", path.display());
        let file = File::open(path).with_context(reading)?;
        return first_line(BufReader::new(file)).with_context(reading);
    }
    match std::env::var(PASSWORD_VARIABLE) {
        Ok(password) => Ok(password),
        Err(_) if io::stderr().is_terminal() => {
            ask(user).context("the terminal can't be asked for the password; use --password-file")
        }
        Err(_) => bail!("user {user} has no password: set {PASSWORD_VARIABLE}, or name a --password-file"),
    }
}

fn first_line(mut from: impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    line.truncate(line.trim_end_matches(['\r', '\n']).len());
    Ok(line)
}

/// From the terminal, whatever standard input is, and without an echo.
fn ask(user: &str) -> io::Result<String> {
    let terminal = File::options().read(true).write(true).open("/dev/tty")?;
    let before = tcgetattr(&terminal)?;
    let mut silent = before.clone();
    // Ctrl-C would leave the terminal without its echo, so it is a character like others here, and looked for below.
    silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent)?;
    let asked =
        write!(&terminal, "Password of {user}: ").and_then(|()| first_line(BufReader::new(&terminal)));
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before)?;
    writeln!(&terminal)?;
    match asked? {
        typed if typed.contains('\u{3}') => {
            Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted by Ctrl-C"))
        }
        typed => Ok(typed),
    }
}
