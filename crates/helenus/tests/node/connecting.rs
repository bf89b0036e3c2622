//! Connecting to what isn't there, or isn't Cassandra.

use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::{Duration, Instant};

use helenus::{ConnectError, RequestError, Session, SessionBuilder};
use helenus_core::protocol::{ErrorKind, Opcode, ServerError};

use crate::common::{self, Kind, on_every_reactor, scripted};

on_every_reactor!(
    no_contact_point,
    bad_contact_points,
    refused_ports_are_all_listed,
    a_name_that_does_not_resolve,
    a_silent_peer,
    a_peer_that_reads_half_a_handshake,
    peers_of_other_protocols,
    a_peer_that_closes_at_once,
    a_peer_that_refuses,
    one_good_node_among_bad_ones,
    dropped_while_connecting,
    connected_by_name,
);

fn to(address: SocketAddr) -> SessionBuilder {
    Session::builder().contact_point(address.to_string()).handshake_timeout(Duration::from_secs(5))
}

/// The message of the error that connecting ends with, in good time.
#[track_caller]
fn refusal(kind: Kind, builder: SessionBuilder) -> String {
    let start = Instant::now();
    let error = kind.connect(builder).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(20), "took {:?}", start.elapsed());
    error.to_string()
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "'{word}' is missing in: {text}");
    }
}

/// A server that sends `bytes` once it has got something.
fn says(bytes: &'static [u8]) -> SocketAddr {
    scripted::serve(move |_, mut peer| {
        let _ = std::io::Read::read(&mut peer.socket, &mut [0; 1024]);
        let _ = peer.socket.write_all(bytes);
        peer.be_silent();
    })
}

/// A port where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn no_contact_point(kind: Kind) {
    let error = kind.connect(Session::builder()).unwrap_err();
    assert!(matches!(error, ConnectError::NoContactPoint));
    assert_says(&error.to_string(), &["contact point"]);
}

fn bad_contact_points(kind: Kind) {
    for text in ["", ":9042", "host:", "host:99999", "[::1", "two words", "host:9042:x:y z"] {
        let error = kind.connect(Session::builder().contact_points(["127.0.0.1", text])).unwrap_err();
        assert!(matches!(error, ConnectError::ContactPoint(_)), "{text}: {error}");
        assert_says(&error.to_string(), &[&format!("'{text}'"), "host:port"]);
    }
}

fn refused_ports_are_all_listed(kind: Kind) {
    let ports = [nobody(), nobody(), nobody()];
    let builder = Session::builder().contact_points(ports.iter().map(ToString::to_string));
    let error = kind.connect(builder).unwrap_err();
    let ConnectError::Unreachable(RequestError::NoConnection(failures)) = &error else { panic!("{error:?}") };
    assert!(failures.iter().filter_map(|failure| failure.address).eq(ports));
    let text = error.to_string();
    for port in ports {
        assert_says(&text, &[&port.to_string(), "refused"]);
    }
}

fn a_name_that_does_not_resolve(kind: Kind) {
    let text = refusal(kind, Session::builder().contact_point("no-such-host.invalid:9042"));
    assert_says(&text, &["no-such-host.invalid", "resolved"]);
}

fn a_silent_peer(kind: Kind) {
    let address = scripted::serve(|_, mut peer| peer.be_silent());
    let builder = to(address).handshake_timeout(Duration::from_secs(1));
    assert_says(&refusal(kind, builder), &[&address.to_string(), "STARTUP", "1s"]);
}

fn a_peer_that_reads_half_a_handshake(kind: Kind) {
    // Half a header, and then nothing.
    let builder = to(says(&[0x84, 0, 0])).handshake_timeout(Duration::from_secs(1));
    assert_says(&refusal(kind, builder), &["STARTUP", "1s"]);
}

fn peers_of_other_protocols(kind: Kind) {
    let http = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
    assert_says(&refusal(kind, to(says(http))), &["HTTP"]);
    assert_says(&refusal(kind, to(says(b"\x15\x03\x03\x00\x02\x02\x46"))), &["TLS"]);
    assert_says(&refusal(kind, to(says(b"SSH-2.0-OpenSSH_9.6\r\n"))), &["SSH"]);
    assert_says(&refusal(kind, to(says(b"\0\0\0\0\0\0\0\0\0"))), &["CQL", "9042"]);
    // A frame of a request, of an unknown opcode, and one that is no handshake's.
    for bytes in
        [&b"\x04\0\0\0\x02\0\0\0\0"[..], b"\x84\0\0\0\x55\0\0\0\0", b"\x84\0\0\0\x08\0\0\0\x04\0\0\0\x01"]
    {
        assert_says(&refusal(kind, to(says(bytes)).protocol_version(helenus::Version::V4)), &["127.0.0.1:"]);
    }
    // A length that nobody can mean.
    assert_says(&refusal(kind, to(says(b"\x84\0\0\0\x02\xff\xff\xff\xff"))), &["4294967295"]);
}

fn a_peer_that_closes_at_once(kind: Kind) {
    let address = scripted::serve(|_, peer| peer.close());
    assert_says(&refusal(kind, to(address)), &[&address.to_string()]);
    let address = scripted::serve(|_, mut peer| {
        peer.request();
        peer.close();
    });
    assert_says(&refusal(kind, to(address)), &["closed", "STARTUP"]);
}

fn a_peer_that_refuses(kind: Kind) {
    let address = scripted::serve(|_, mut peer| {
        let Some(request) = peer.request() else { return };
        peer.version = helenus::Version::from_byte(request.header.version).unwrap();
        peer.error(request.stream(), ServerError::new(ErrorKind::Overloaded, "too many clients"));
        peer.be_silent();
    });
    assert_says(&refusal(kind, to(address)), &["too many clients", "STARTUP"]);
    let address = scripted::serve(|_, mut peer| {
        let Some(request) = peer.request() else { return };
        peer.version = helenus::Version::from_byte(request.header.version).unwrap();
        peer.reply(request.stream(), Opcode::Authenticate, b"\0\x03org");
        if peer.request().is_some() {
            peer.error(request.stream(), ServerError::new(ErrorKind::Authentication, "wrong password"));
        }
        peer.be_silent();
    });
    assert_says(&refusal(kind, to(address)), &["credentials", "org"]);
}

fn one_good_node_among_bad_ones(kind: Kind) {
    let (node, _session) = common::table(kind, 1);
    let silent = scripted::serve(|_, mut peer| peer.be_silent());
    let points = [nobody(), silent, node.addresses()[0], says(b"HTTP/1.1 400 Bad Request\r\n\r\n")];
    let session =
        kind.connect(Session::builder().contact_points(points.map(|point| point.to_string()))).unwrap();
    for _ in 0..20 {
        session.query("SELECT id FROM ks.t", ()).wait().unwrap();
    }
}

fn dropped_while_connecting(kind: Kind) {
    let address = scripted::serve(|_, mut peer| peer.be_silent());
    let (left, gone) = std::sync::mpsc::channel();
    let watched = scripted::serve(move |_, mut peer| {
        peer.be_silent();
        let _ = left.send(());
    });
    for address in [address, watched] {
        let started = kind.start(to(address).handshake_timeout(common::PATIENCE));
        thread::sleep(Duration::from_millis(50));
        drop(started.connecting);
        // A driver has nothing left to do.
        started.driver.into_iter().for_each(|driver| driver.join().unwrap());
    }
    if !kind.is_caller_driven() {
        gone.recv_timeout(Duration::from_secs(20)).expect("the connection is closed");
    }
}

fn connected_by_name(kind: Kind) {
    let (node, _session) = common::table(kind, 1);
    let port = node.addresses()[0].port();
    let session = kind.connect(Session::builder().contact_point(format!("localhost:{port}"))).unwrap();
    session.query("SELECT id FROM ks.t", ()).wait().unwrap();
}
