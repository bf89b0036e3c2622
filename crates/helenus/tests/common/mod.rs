//! What the tests of the session share: the table of reactors, and peers that do as they are told.
#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    unused_macros,
    reason = "a part of each test program, which uses a part of it"
)]

pub mod scripted;

use std::future::Future;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use helenus::reactor::{Mio, Reactor};
use helenus::{ConnectError, Connecting, Session, SessionBuilder};
use helenus_node::Node;
use helenus_reactor_async_std::AsyncStd;
#[cfg(target_os = "linux")]
use helenus_reactor_glommio::Glommio;
use helenus_reactor_smol::Smol;
use helenus_reactor_tokio::Tokio;
use helenus_reactor_uring::Uring;

/// Whatever takes longer hangs: every test has this long, on a busy machine too.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Each way of running a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MioThread,
    MioThreads,
    MioCaller,
    UringThread,
    UringCaller,
    TokioRuntime,
    TokioCurrentThread,
    TokioMultiThread,
    SmolThread,
    SmolTask,
    AsyncStdGlobal,
    AsyncStdTask,
    #[cfg(target_os = "linux")]
    GlommioCore,
    #[cfg(target_os = "linux")]
    GlommioTask,
}

/// A session on its way, and the thread of the user's own runtime that runs it, if it is that; it ends with the driver.
pub struct Started {
    pub connecting: Connecting,
    pub driver: Option<JoinHandle<()>>,
}

impl Kind {
    pub const ALL: &[Self] = &[
        Self::MioThread,
        Self::MioThreads,
        Self::MioCaller,
        Self::UringThread,
        Self::UringCaller,
        Self::TokioRuntime,
        Self::TokioCurrentThread,
        Self::TokioMultiThread,
        Self::SmolThread,
        Self::SmolTask,
        Self::AsyncStdGlobal,
        Self::AsyncStdTask,
        #[cfg(target_os = "linux")]
        Self::GlommioCore,
        #[cfg(target_os = "linux")]
        Self::GlommioTask,
    ];

    /// Connects on this reactor.
    pub fn connect(self, builder: SessionBuilder) -> Result<Session, ConnectError> {
        self.start(builder).connecting.wait()
    }

    /// Begins to connect on this reactor.
    pub fn start(self, builder: SessionBuilder) -> Started {
        match self {
            Self::MioThread => launch(builder, Mio::threads(1)),
            Self::MioThreads => launch(builder, Mio::threads(4)),
            Self::MioCaller => launch(builder, Mio::on_caller()),
            Self::UringThread => launch(builder, Uring::threads(1)),
            Self::UringCaller => launch(builder, Uring::on_caller()),
            Self::TokioRuntime => launch(builder, Tokio::runtime()),
            Self::TokioCurrentThread => on_tokio(builder, &mut tokio::runtime::Builder::new_current_thread()),
            Self::TokioMultiThread => {
                on_tokio(builder, tokio::runtime::Builder::new_multi_thread().worker_threads(2))
            }
            Self::SmolThread => launch(builder, Smol::thread()),
            Self::SmolTask => spawn(builder.split(Smol::task()), |driver| {
                let executor = smol::LocalExecutor::new();
                smol::block_on(executor.run(executor.spawn(driver)));
            }),
            Self::AsyncStdGlobal => launch(builder, AsyncStd::global()),
            Self::AsyncStdTask => spawn(builder.split(AsyncStd::task()), async_std::task::block_on),
            #[cfg(target_os = "linux")]
            Self::GlommioCore => launch(builder, Glommio::cores(1)),
            #[cfg(target_os = "linux")]
            Self::GlommioTask => on_glommio(builder),
        }
    }

    /// How many machines it has.
    pub fn shards(self) -> usize {
        if self == Self::MioThreads { 4 } else { 1 }
    }

    /// How many descriptors a session leaves to the process for ever: glommio never closes the eventfd of an executor.
    pub fn descriptors_lost(self) -> usize {
        #[cfg(target_os = "linux")]
        let is_glommio = matches!(self, Self::GlommioCore | Self::GlommioTask);
        #[cfg(not(target_os = "linux"))]
        let is_glommio = false;
        usize::from(is_glommio)
    }

    /// Whether the session moves only while one of its callers waits.
    pub fn is_caller_driven(self) -> bool {
        matches!(self, Self::MioCaller | Self::UringCaller)
    }
}

fn launch(builder: SessionBuilder, reactor: impl Reactor + 'static) -> Started {
    Started { connecting: builder.reactor(reactor).connect().submit(), driver: None }
}

/// The user's own runtime, on a thread that ends with the driver.
fn spawn<D: Send + 'static>(
    (connecting, driver): (Connecting, D),
    run: impl FnOnce(D) + Send + 'static,
) -> Started {
    let driver = thread::spawn(move || run(driver));
    Started { connecting: connecting.submit(), driver: Some(driver) }
}

fn on_tokio(builder: SessionBuilder, runtime: &mut tokio::runtime::Builder) -> Started {
    let runtime = runtime.enable_all().build().unwrap();
    spawn(builder.split(Tokio::task()), move |driver| {
        runtime.block_on(async { tokio::spawn(driver).await.unwrap() });
    })
}

#[cfg(target_os = "linux")]
fn on_glommio(builder: SessionBuilder) -> Started {
    let (give, take) = mpsc::channel();
    // The driver can't leave the thread that made it.
    let driver = thread::spawn(move || {
        let executor = glommio::LocalExecutorBuilder::default().io_memory(0).make().unwrap();
        let (connecting, driver) = builder.split(Glommio::task());
        give.send(connecting).unwrap();
        executor.run(async { glommio::spawn_local(driver).await });
    });
    Started { connecting: take.recv().unwrap().submit(), driver: Some(driver) }
}

/// Mounts each test on every reactor. `ignored "why":` before them marks them all.
macro_rules! on_every_reactor {
    ($($arguments:tt)+) => {
        $crate::common::on_reactor!(mio_thread MioThread $($arguments)+);
        $crate::common::on_reactor!(mio_threads MioThreads $($arguments)+);
        $crate::common::on_reactor!(mio_caller MioCaller $($arguments)+);
        $crate::common::on_reactor!(uring_thread UringThread $($arguments)+);
        $crate::common::on_reactor!(uring_caller UringCaller $($arguments)+);
        $crate::common::on_reactor!(tokio_runtime TokioRuntime $($arguments)+);
        $crate::common::on_reactor!(tokio_current_thread TokioCurrentThread $($arguments)+);
        $crate::common::on_reactor!(tokio_multi_thread TokioMultiThread $($arguments)+);
        $crate::common::on_reactor!(smol_thread SmolThread $($arguments)+);
        $crate::common::on_reactor!(smol_task SmolTask $($arguments)+);
        $crate::common::on_reactor!(async_std_global AsyncStdGlobal $($arguments)+);
        $crate::common::on_reactor!(async_std_task AsyncStdTask $($arguments)+);
        #[cfg(target_os = "linux")]
        $crate::common::on_reactor!(glommio_core GlommioCore $($arguments)+);
        #[cfg(target_os = "linux")]
        $crate::common::on_reactor!(glommio_task GlommioTask $($arguments)+);
    };
}

/// The same, but the ways that differ in their threads only are left out: each run against a real cluster takes most of a minute.
macro_rules! on_each_reactor {
    ($($arguments:tt)+) => {
        $crate::common::on_reactor!(mio_threads MioThreads $($arguments)+);
        $crate::common::on_reactor!(mio_caller MioCaller $($arguments)+);
        $crate::common::on_reactor!(uring_thread UringThread $($arguments)+);
        $crate::common::on_reactor!(tokio_current_thread TokioCurrentThread $($arguments)+);
        $crate::common::on_reactor!(tokio_multi_thread TokioMultiThread $($arguments)+);
        $crate::common::on_reactor!(smol_thread SmolThread $($arguments)+);
        $crate::common::on_reactor!(async_std_task AsyncStdTask $($arguments)+);
        #[cfg(target_os = "linux")]
        $crate::common::on_reactor!(glommio_core GlommioCore $($arguments)+);
    };
}

macro_rules! on_reactor {
    ($module:ident $kind:ident ignored $why:literal: $($test:ident),+ $(,)?) => {
        mod $module {
            $(#[test]
            #[ignore = $why]
            fn $test() {
                $crate::common::within($crate::common::PATIENCE * 3, || super::$test($crate::common::Kind::$kind));
            })+
        }
    };
    ($module:ident $kind:ident $($test:ident),+ $(,)?) => {
        mod $module {
            $(#[test]
            fn $test() {
                $crate::common::within($crate::common::PATIENCE, || super::$test($crate::common::Kind::$kind));
            })+
        }
    };
}
pub(crate) use on_reactor;
#[allow(unused_imports, reason = "each test program mounts its tests in one of both ways")]
pub(crate) use {on_each_reactor, on_every_reactor};

/// Runs `body` on a thread of its own: a hang is a failure, not a silence.
pub fn within(limit: Duration, body: impl FnOnce() + Send + 'static) {
    let (done, ended) = mpsc::channel::<()>();
    let name = thread::current().name().unwrap_or("test").to_owned();
    let body = thread::Builder::new().name(name).spawn(move || {
        let _done = done;
        body();
    });
    let ended = ended.recv_timeout(limit);
    assert_ne!(ended, Err(mpsc::RecvTimeoutError::Timeout), "the test hangs: not done after {limit:?}");
    if let Err(panic) = body.unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}

/// Nodes with an empty table `ks.t (id bigint PRIMARY KEY, name text)`, and a session that runs on `kind`.
pub fn table(kind: Kind, nodes: usize) -> (Node, Session) {
    table_with(kind, nodes, |builder| builder)
}

/// The same with more said to the builder.
pub fn table_with(
    kind: Kind,
    nodes: usize,
    configure: impl FnOnce(SessionBuilder) -> SessionBuilder,
) -> (Node, Session) {
    let node = Node::builder().nodes(nodes).start().unwrap();
    make_table(&node);
    let session = kind.connect(configure(builder(&node))).unwrap();
    (node, session)
}

/// A builder with the nodes' addresses, and patience.
pub fn builder(node: &Node) -> SessionBuilder {
    let points = node.addresses().iter().map(ToString::to_string);
    Session::builder().contact_points(points).request_timeout(PATIENCE)
}

/// Makes `ks.t` on a session of its own, so that the test's session has counted nothing.
pub fn make_table(node: &Node) {
    let session = builder(node).reactor(Mio::on_caller()).connect().wait().unwrap();
    let strategy = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    session.query(format!("CREATE KEYSPACE ks WITH replication = {strategy}"), ()).wait().unwrap();
    session.query("CREATE TABLE ks.t (id bigint PRIMARY KEY, name text)", ()).wait().unwrap();
    session.close().wait().unwrap();
}

/// Writes `count` rows, whose names are the ids' texts.
pub fn fill(session: &Session, count: i64) {
    let insert = session.prepare("INSERT INTO ks.t (id, name) VALUES (?, ?)").wait().unwrap();
    let requests = (0..count).map(|id| session.execute(&insert, (id, id.to_string())));
    for (number, result) in session.execute_concurrent(requests, 256) {
        result.unwrap_or_else(|error| panic!("insert {number}: {error}"));
    }
}

/// How many rows `ks.t` has, by the server's count.
pub fn count(session: &Session) -> i64 {
    let response = session.query("SELECT count(*) FROM ks.t", ()).wait().unwrap();
    response.one::<(i64,)>().unwrap().0
}

/// Waits until `condition` holds, driving the session if nobody else does.
pub fn until(session: &Session, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE / 2, "never: {what}");
        sleep(session, Duration::from_millis(5));
    }
}

/// Sleeps, and runs the session meanwhile if it is driven by its callers.
pub fn sleep(session: &Session, duration: Duration) {
    let (woken, waiting) = tokio::sync::oneshot::channel::<()>();
    thread::spawn(move || {
        thread::sleep(duration);
        drop(woken);
    });
    let _ = session.block_on(waiting).unwrap();
}

/// An executor that knows nothing of any reactor: parks this thread.
pub fn foreign_block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::sync::Arc::new(Unpark(thread::current())).into();
    let mut context = std::task::Context::from_waker(&waker);
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => thread::park_timeout(PATIENCE),
        }
    }
}
