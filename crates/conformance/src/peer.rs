//! The other end of the connections: a listener with plain blocking threads.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

use crate::script::{Step, Tally, play};

/// Enough to copy bytes and to shake hands, so that a thousand of them are no burden.
const STACK: usize = 512 * 1024;

/// A listener that serves a fixed number of connections, each on a thread of its own.
pub struct Peer {
    address: SocketAddr,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    /// Serves the first `count` connections by `serve`.
    pub fn new(count: usize, serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = Arc::new(serve);
        let thread = thread::spawn(move || {
            let served: Vec<_> = (0..count)
                .map(|_| {
                    let stream = accept(&listener);
                    let serve = serve.clone();
                    thread::Builder::new().stack_size(STACK).spawn(move || serve(stream)).unwrap()
                })
                .collect();
            drop(listener);
            served.into_iter().for_each(|thread| thread.join().unwrap());
        });
        Self { address, thread: Some(thread) }
    }

    /// Sends back what comes.
    pub fn echo(count: usize) -> Self {
        Self::scripted(count, vec![Step::Echo], Tally::default())
    }

    pub(crate) fn scripted(count: usize, steps: Vec<Step>, tally: Tally) -> Self {
        Self::new(count, move |stream| play(stream, &steps, &tally))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until all its connections have ended.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// An address of this host that takes no connection and refuses none.
pub(crate) struct BlackHole {
    pub(crate) address: SocketAddr,
    _full: Vec<Socket>,
}

impl BlackHole {
    /// A listener whose queue is full: the kernel drops whatever knocks.
    pub(crate) fn new() -> Self {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let mut full = vec![listener];
        for _ in 0..8 {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.set_nonblocking(true).unwrap();
            // It is under way, for ever.
            let _ = socket.connect(&address.into());
            full.push(socket);
        }
        Self { address, _full: full }
    }
}

/// An address where nobody listens.
pub(crate) fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            // A row may have taken all descriptors for a while.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
