//! What a connection with TLS keeps while it is idle: rustls' keys and next to nothing of ours. A test of its own, as it counts what
//! the process allocates.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use helenus_core::tls::{Layer, NodeAt, TlsConfig};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

/// Counts the bytes that each thread has allocated and not given back.
struct Counting;

thread_local! {
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: all is handed on to the system's allocator; a `Cell` without a destructor needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.with(|bytes| bytes.set(bytes.get() + layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.with(|bytes| bytes.set(bytes.get() - layout.size() as isize));
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn allocated() -> isize {
    BYTES.with(Cell::get)
}

/// Shakes hands, and lets a kilobyte go each way.
fn idle_connection(client: &TlsConfig, server: &Arc<ServerConfig>) -> Box<Layer> {
    let node = NodeAt::new("node.example", "10.0.0.1:9042".parse().unwrap());
    let mut layer = Box::new(Layer::new(client, &node).unwrap());
    let (mut peer, mut plain) = (ServerConnection::new(server.clone()).unwrap(), Vec::new());
    layer.resume(&mut plain).unwrap();
    for round in 0..3 {
        if round == 1 {
            layer.encrypt(&[7; 1_024]).unwrap();
            std::io::Write::write_all(&mut peer.writer(), &[7; 1_024]).unwrap();
        }
        let mut out = layer.take_block().unwrap_or_default().0;
        let mut rest = &out[..];
        while !rest.is_empty() {
            peer.read_tls(&mut rest).unwrap();
            peer.process_new_packets().unwrap();
        }
        layer.sent();
        out.clear();
        while peer.wants_write() {
            peer.write_tls(&mut out).unwrap();
        }
        let front = layer.front();
        let mut buffer = [vec![0; front], out].concat();
        layer.receive(&mut buffer, &mut plain).unwrap();
    }
    assert!(layer.is_secure() && plain.len() == 1_024);
    layer
}

#[test]
fn an_idle_connection_is_a_few_kilobytes_of_keys() {
    const COUNT: usize = 1_000;
    let certified = rcgen::generate_simple_self_signed(["node.example".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(certified.signing_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let (client, server) = (TlsConfig::new(Arc::new(client)), Arc::new(server));
    // The caches of sessions have their size from the first ones.
    drop([(); 20].map(|()| idle_connection(&client, &server)));

    let mut layers = Vec::with_capacity(COUNT);
    let before = allocated();
    layers.extend((0..COUNT).map(|_| idle_connection(&client, &server)));

    let each = (allocated() - before) / COUNT as isize;
    let buffers = layers.iter().map(|layer| layer.buffered_bytes()).max().unwrap();
    println!("an idle connection with TLS: {each} bytes, {buffers} of them buffers");
    assert!(each < 8 << 10, "{each} bytes for a connection");
    assert!(buffers <= 1 << 10, "{buffers} bytes of buffers");
}
