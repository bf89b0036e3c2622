//! A session that has ended leaves neither threads nor descriptors, however it ended. Alone in its process, for it counts
//! them.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

mod common;

use std::fs;
use std::future::Future;
use std::net::{SocketAddr, TcpStream};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use common::{Kind, builder, fill, scripted};
use helenus::{Error, Fate, Session};
use helenus_node::Node;
use socket2::{Domain, Socket, Type};

const SELECT: &str = "SELECT id FROM ks.t";

/// After `close` has completed only a thread's last instructions are left.
const AT_ONCE: Duration = Duration::from_secs(2);
/// After a drop, what is pending is drained.
const DRAINED: Duration = Duration::from_secs(8);

/// What there is to connect to.
struct Peers {
    node: Node,
    /// Takes the handshake and then never answers.
    silent: SocketAddr,
    /// Never takes a connection, nor refuses one.
    full: SocketAddr,
    /// Kept, so that it stays full.
    _queue: (Socket, Vec<Socket>),
}

/// One session of this kind, from its beginning to its end. Gives a handle on it if that may be left: it holds nothing.
type Ending = fn(Kind, &Peers) -> Option<Session>;

/// Each with the time until nothing may be left of it.
const ENDINGS: &[(&str, Ending, Duration)] = &[
    ("closed with requests pending", closed_with_requests_pending, AT_ONCE),
    ("closed under load", closed_under_load, AT_ONCE),
    ("closed while the peer never answers", closed_while_the_peer_never_answers, AT_ONCE),
    ("closed while a connection is being made", closed_while_a_connection_is_being_made, AT_ONCE),
    ("closed while a name is looked up", closed_while_a_name_is_looked_up, AT_ONCE),
    ("closed by many", closed_by_many, AT_ONCE),
    ("closed half-way, then again", closed_half_way_then_again, AT_ONCE),
    ("closed from a callback", closed_from_a_callback, DRAINED),
    ("dropped", dropped, DRAINED),
    ("dropped while the peer never answers", dropped_while_the_peer_never_answers, DRAINED),
    ("dropped while connecting", dropped_while_connecting, DRAINED),
    ("refused", refused, AT_ONCE),
];

#[test]
fn nothing_is_left() {
    let peers = Peers::start();
    // Some runtimes keep what they made when they were first used, for as long as the process lives.
    for &kind in Kind::ALL {
        closed_with_requests_pending(kind, &peers);
    }
    // The server notices a little later; its sockets are this process's too.
    thread::sleep(Duration::from_millis(300));
    let mut expected = held();
    for &kind in Kind::ALL {
        for (what, ending, patience) in ENDINGS {
            expected.1 += kind.descriptors_lost();
            let handle = ending(kind, &peers);
            assert_back_to(expected, &format!("{kind:?} {what}"), *patience);
            drop(handle);
            assert_back_to(expected, &format!("{kind:?} {what}, its last handle dropped"), *patience);
        }
    }
}

/// Threads and descriptors of this process.
fn held() -> (usize, usize) {
    let entries = |path: &str| fs::read_dir(path).unwrap().count();
    (entries("/proc/self/task"), entries("/proc/self/fd"))
}

#[track_caller]
fn assert_back_to(expected: (usize, usize), what: &str, patience: Duration) {
    let start = Instant::now();
    while held() != expected {
        assert!(
            start.elapsed() < patience,
            "{what}: (threads, descriptors) {expected:?} expected, {:?} are left",
            held()
        );
        thread::sleep(Duration::from_millis(5));
    }
}

impl Peers {
    fn start() -> Self {
        let node = Node::builder().nodes(3).start().unwrap();
        common::make_table(&node);
        let silent = scripted::serve(|_, mut peer| {
            if peer.handshake().is_some() {
                peer.be_silent();
            }
        });
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let full = listener.local_addr().unwrap().as_socket().unwrap();
        let fillers = (0..4).map(|_| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // Under way, or in the queue that nobody empties.
            let _ = socket.connect(&full.into());
            socket
        });
        let queue = (fillers.collect(), thread::sleep(Duration::from_millis(50))).0;
        let refused = TcpStream::connect_timeout(&full, Duration::from_millis(100)).unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::TimedOut, "the queue is not full");
        Self { node, silent, full, _queue: (listener, queue) }
    }
}

fn close(session: &Session) -> Duration {
    let start = Instant::now();
    session.close().wait().unwrap();
    start.elapsed()
}

fn closed_with_requests_pending(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node).connections_per_node(3)).unwrap();
    fill(&session, 100);
    let pending: Vec<_> = (0..50).map(|_| session.query(SELECT, ()).submit()).collect();
    close(&session);
    for pending in pending {
        pending.wait().unwrap();
    }
    Some(session)
}

fn closed_under_load(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node)).unwrap();
    thread::scope(|scope| {
        let work = || {
            let mut done = 0;
            loop {
                match session.query(SELECT, ()).wait() {
                    Ok(_) => done += 1,
                    Err(error) => return (done, error),
                }
            }
        };
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(work)).collect();
        thread::sleep(Duration::from_millis(30));
        close(&session);
        for worker in workers {
            let (done, error) = worker.join().unwrap();
            assert!(done > 0 && error.is_closed() && error.fate() == Fate::NeverSent, "{done}, {error}");
        }
    });
    Some(session)
}

fn closed_while_the_peer_never_answers(kind: Kind, peers: &Peers) -> Option<Session> {
    let drain = Duration::from_millis(100);
    let builder = Session::builder().contact_point(peers.silent.to_string()).drain(drain);
    let session = kind.connect(builder).unwrap();
    let pending = session.query(SELECT, ()).submit();
    let took = close(&session);
    assert!(took >= drain - Duration::from_millis(10) && took < AT_ONCE, "{took:?}");
    assert!(pending.wait().unwrap_err().is_closed());
    Some(session)
}

fn closed_while_a_connection_is_being_made(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node).contact_point(peers.full.to_string())).unwrap();
    session.query(SELECT, ()).wait().unwrap();
    let took = close(&session);
    assert!(took < AT_ONCE, "{took:?}");
    Some(session)
}

fn closed_while_a_name_is_looked_up(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node).contact_point("no-such-host.invalid")).unwrap();
    close(&session);
    Some(session)
}

fn closed_by_many(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node)).unwrap();
    let _pending = session.query(SELECT, ()).submit();
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| close(&session));
        }
    });
    close(&session);
    Some(session)
}

fn closed_half_way_then_again(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node)).unwrap();
    let pending = session.query(SELECT, ()).submit();
    {
        let mut closing = pin!(session.close());
        // Begun, and given up.
        let _: Poll<()> = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    assert!(session.query(SELECT, ()).wait().unwrap_err().is_closed(), "closing has begun");
    close(&session);
    pending.wait().unwrap();
    Some(session)
}

fn closed_from_a_callback(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node)).unwrap();
    let (told, heard) = mpsc::channel();
    session.query(SELECT, ()).on_complete(move |context, _| {
        // Waiting here would be waiting for itself; beginning is fine.
        let refused = context.session().close().wait();
        let mut closing = pin!(context.session().close());
        let _: Poll<()> = closing.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        told.send(refused).unwrap();
    });
    common::until(&session, "the callback", || session.metrics().in_flight == 0);
    assert!(matches!(heard.recv().unwrap(), Err(Error::WouldDeadlock)));
    common::until(&session, "closing has begun", || session.query(SELECT, ()).submit().detach().is_err());
    Some(session)
}

fn drop_at_once(session: Session) {
    let start = Instant::now();
    drop(session);
    assert!(start.elapsed() < Duration::from_millis(500), "dropping took {:?}", start.elapsed());
}

fn dropped(kind: Kind, peers: &Peers) -> Option<Session> {
    let session = kind.connect(builder(&peers.node)).unwrap();
    fill(&session, 100);
    session.query(SELECT, ()).submit().detach().unwrap();
    session.query(SELECT, ()).on_complete(|_, _| {});
    drop_at_once(session);
    None
}

fn dropped_while_the_peer_never_answers(kind: Kind, peers: &Peers) -> Option<Session> {
    let builder =
        Session::builder().contact_point(peers.silent.to_string()).drain(Duration::from_millis(100));
    let session = kind.connect(builder).unwrap();
    session.query(SELECT, ()).submit().detach().unwrap();
    drop_at_once(session);
    None
}

fn dropped_while_connecting(kind: Kind, peers: &Peers) -> Option<Session> {
    let points = [peers.full.to_string(), "no-such-host.invalid".to_owned()];
    let started = kind.start(Session::builder().contact_points(points));
    thread::sleep(Duration::from_millis(10));
    drop(started.connecting);
    started.driver.into_iter().for_each(|driver| driver.join().unwrap());
    None
}

fn refused(kind: Kind, peers: &Peers) -> Option<Session> {
    kind.connect(builder(&peers.node).keyspace("nothing")).unwrap_err();
    None
}
