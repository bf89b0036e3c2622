//! The other end of the connections: a listener with plain blocking threads.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
                    thread::spawn(move || serve(stream))
                })
                .collect();
            drop(listener);
            served.into_iter().for_each(|thread| thread.join().unwrap());
        });
        Self { address, thread: Some(thread) }
    }

    /// Sends back what comes.
    pub fn echo(count: usize) -> Self {
        Self::new(count, |stream| drop(std::io::copy(&mut &stream, &mut &stream)))
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

fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept() {
            Ok((stream, _)) => return stream,
            // A check may have taken all descriptors for a while.
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
}
