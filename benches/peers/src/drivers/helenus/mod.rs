//! helenus itself, through the APIs that its users have.

mod blocking;
mod glommio;
mod smol;
mod tokio;

use super::{Client, Target};
use crate::latency::Sampler;
use crate::threads::{self, Blocking};
use crate::workload::{Chain, Data, KEY_BYTES, Op, VALUE_BYTES};
use ::helenus::reactor::{Mio, Reactor, Uring};
use ::helenus::tls::Tls;
use ::helenus::{Prepared, Request, Response, Session, SessionBuilder, Version};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::sync::Arc;

pub(super) use blocking::Shape;
pub(super) use glommio::executor;
pub(super) use tokio::Flavour;

/// What runs the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// A loop, on a thread of its own or on the caller's; the program is its main thread.
    Loop(Loop, Shape),
    /// A task on a runtime, beside the program's tasks.
    Tokio(Flavour),
    Smol,
    AsyncStd,
    Glommio,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Loop {
    Mio,
    MioTwo,
    MioCaller,
    Uring,
    UringCaller,
}

impl Loop {
    fn reactor(self) -> Box<dyn Reactor> {
        match self {
            Self::Mio => Box::new(Mio::threads(1)),
            Self::MioTwo => Box::new(Mio::threads(2)),
            Self::MioCaller => Box::new(Mio::on_caller()),
            Self::Uring => Box::new(Uring::threads(1)),
            Self::UringCaller => Box::new(Uring::on_caller()),
        }
    }
}

pub(super) fn connect(place: Place, target: &Target, op: Op, in_flight: usize) -> Result<Box<dyn Client>> {
    Ok(match place {
        Place::Loop(which, shape) => blocking::client(shape, connect_loop(which, target, op)?, in_flight),
        Place::Tokio(flavour) => Box::new(tokio::Tasks::connect(flavour, builder(target), op, in_flight)?),
        Place::Smol => Box::new(smol::Tasks::connect(builder(target), op, in_flight)?),
        Place::AsyncStd => Box::new(smol::AsyncStdTasks::connect(builder(target), op, in_flight)?),
        Place::Glommio => Box::new(glommio::Tasks::connect(builder(target), op, in_flight)?),
    })
}

/// For threads that block.
pub(super) fn blocking(which: Loop, server: SocketAddr) -> Result<Arc<dyn Blocking>> {
    Ok(connect_loop(which, &Target::plain(server), threads::OP)?)
}

fn connect_loop(which: Loop, target: &Target, op: Op) -> Result<Arc<Shared>> {
    let session = builder(target).boxed_reactor(which.reactor()).connect().wait();
    let session = session.context("helenus doesn't connect")?;
    let prepared = session.prepare(op.statement()).wait().context("helenus doesn't prepare")?;
    Ok(Shared::new(session, prepared, op))
}

impl Blocking for Shared {
    fn insert(&self, number: u64) -> Result<()> {
        self.check(&self.request(number).wait()?)
    }
}

fn builder(target: &Target) -> SessionBuilder {
    // The peers speak v4, so this does; v5 adds a CRC of each segment.
    let builder = Session::builder().contact_point(target.address.to_string()).protocol_version(Version::V4);
    match &target.tls {
        Some(config) => builder.tls(Tls::from_config(config.clone())),
        None => builder,
    }
}

async fn prepare(session: Session, op: Op) -> Result<Arc<Shared>> {
    let prepared = session.prepare(op.statement()).await.context("helenus doesn't prepare")?;
    Ok(Shared::new(session, prepared, op))
}

/// What all chains use.
struct Shared {
    session: Session,
    prepared: Prepared,
    data: Data,
    op: Op,
}

impl Shared {
    fn new(session: Session, prepared: Prepared, op: Op) -> Arc<Self> {
        Arc::new(Self { session, prepared, data: Data::new(), op })
    }

    fn request(&self, number: u64) -> Request<Response> {
        match self.op {
            Op::Insert => self.session.execute(&self.prepared, (self.data.key(number), self.data.value())),
            Op::Select => self.session.execute(&self.prepared, (self.data.key(number),)),
        }
    }

    fn check(&self, response: &Response) -> Result<()> {
        if self.op == Op::Select {
            let (key, value) = response.one::<(&str, &str)>()?;
            ensure!(
                key.len() == KEY_BYTES && value.len() == VALUE_BYTES,
                "the row isn't one that was written"
            );
        }
        Ok(())
    }
}

async fn run_chain(shared: Arc<Shared>, chain: Chain, sampler: Arc<Sampler>) -> Result<()> {
    for (turn, number) in chain.numbers().enumerate() {
        let started = sampler.start(chain.index + turn as u64);
        shared.check(&shared.request(number).await?)?;
        sampler.stop(started);
    }
    Ok(())
}
