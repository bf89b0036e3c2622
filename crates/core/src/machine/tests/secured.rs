//! The shard with TLS: the server's end is rustls', fed by hand as all else.

use std::io::{Read, Write};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, PKCS_ED25519, SanType,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{AlertDescription, ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use super::causes;
use super::rig::{MS, Rig, VOID, frames, opcode, response, within};
use crate::call::{Command, Fate, Outcome, RequestError, Terms};
use crate::machine::*;
use crate::protocol::response::Message;
use crate::protocol::{Opcode, Version};
use crate::reactor::{Event, Filled, Flushed, Machine};
use crate::tls::{NodeAt, PLAIN_BYTES_MAX, TlsConfig, TlsError};

/// Both ends' configurations; the server's certificate is for 10.0.0.1.
fn ends() -> (TlsConfig, Arc<ServerConfig>) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "authority");
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate_for(&PKCS_ED25519).unwrap()).unwrap();
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::IpAddress([10, 0, 0, 1].into())];
    let certificate = params.signed_by(&key, &authority).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (TlsConfig::new(Arc::new(client)), Arc::new(server))
}

#[test]
fn what_was_sent_stays_sent_when_more_can_not_be_encrypted() {
    let node = NodeAt::new("10.0.0.1", "10.0.0.1:9042".parse().unwrap());
    let mut layer = Layer::new(&ends().0, &node).unwrap();
    layer.resume(&mut Vec::new()).unwrap();
    let outcome = layer.encrypt(&[7; 100]);
    assert!(matches!(outcome, Err(TlsError::Failed(_))), "there are no keys yet: {outcome:?}");
    assert_eq!(layer.fresh(None), 0, "positions are counted back from what was encrypted");
}

/// The server's end of one connection.
struct Server(ServerConnection);

impl Server {
    fn new(config: &Arc<ServerConfig>) -> Self {
        Self(ServerConnection::new(config.clone()).unwrap())
    }

    /// Takes what the machine has sent, and gives what it said.
    fn hear(&mut self, rig: &mut Rig, conn: ConnId) -> Result<Vec<u8>, rustls::Error> {
        let sent = rig.sent.remove(&conn).unwrap_or_default();
        let (mut sent, mut plain) = (&sent[..], Vec::new());
        while !sent.is_empty() {
            self.0.read_tls(&mut sent).unwrap();
            let left = self.0.process_new_packets()?.plaintext_bytes_to_read();
            let start = plain.len();
            plain.resize(start + left, 0);
            self.0.reader().read_exact(&mut plain[start..]).unwrap();
        }
        Ok(plain)
    }

    /// What it has to say, encrypted.
    fn ciphertext(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        while self.0.wants_write() {
            self.0.write_tls(&mut out).unwrap();
        }
        out
    }

    fn say(&mut self, rig: &mut Rig, conn: ConnId, bytes: &[u8]) {
        self.0.writer().write_all(bytes).unwrap();
        let out = self.ciphertext();
        rig.bytes(conn, &out);
    }

    fn shake_hands(&mut self, rig: &mut Rig, conn: ConnId) {
        rig.event(Event::Opened { conn });
        self.hear(rig, conn).unwrap();
        let flight = self.ciphertext();
        rig.bytes(conn, &flight);
    }
}

/// One connection, ready.
fn ready(configure: impl FnOnce(&mut Config)) -> (Rig, ConnId, Server) {
    let (client, server) = ends();
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        config.tls = Some(client);
        configure(config);
    });
    let (conn, mut server) = (rig.open[0], Server::new(&server));
    server.shake_hands(&mut rig, conn);
    let startup = server.hear(&mut rig, conn).unwrap();
    assert_eq!(opcode(&frames(&startup)[0].0), Opcode::Startup);
    server.say(&mut rig, conn, &response(Version::V4, 0, &Message::Ready));
    (rig, conn, server)
}

/// A request on its way, whose connection ends when the kernel took so much of its block.
fn fate_of_a_block(accepted_bytes: usize) -> Option<Outcome> {
    let (mut rig, conn, _server) = ready(|config| config.attempts_max = 1);
    rig.stuck = true;
    let mut call = rig.query(Terms::default());
    rig.lose(conn, accepted_bytes);
    call.try_take()
}

#[test]
fn requests_go_there_and_answers_back() {
    let (mut rig, conn, mut server) = ready(|_| {});
    let mut call = rig.query(Terms::default());
    let sent = server.hear(&mut rig, conn).unwrap();
    let stream = frames(&sent)[0].0.stream;
    server.say(&mut rig, conn, &response(Version::V4, stream, &VOID));
    assert!(matches!(call.try_take(), Some(Ok(_))));
    let counters = rig.counters.snapshot();
    assert_eq!((counters.tls_handshakes, counters.tls_resumptions), (1, 0));
}

#[test]
fn what_the_kernel_took_any_ciphertext_of_may_have_been_sent() {
    let fate = |accepted| match fate_of_a_block(accepted) {
        Some(Err(RequestError::ConnectionLost { fate, .. })) => fate,
        other => panic!("{other:?}"),
    };
    assert_eq!(fate(0), Fate::NeverSent);
    assert_eq!(fate(1), Fate::Unknown);
}

#[test]
fn readiness_loops_know_what_was_sent_too() {
    for (room, expected) in [(0, Fate::NeverSent), (1, Fate::Unknown), (1 << 20, Fate::Unknown)] {
        let (mut rig, conn, _server) = ready(|config| config.attempts_max = 1);
        rig.stuck = true;
        rig.keep_blocks = true;
        let mut call = rig.query(Terms::default());
        let mut room = room;
        let now = rig.now;
        let shard = rig.shard.as_mut().unwrap();
        shard.flush(now, conn, &mut |bytes| {
            let count = bytes.len().min(room);
            room -= count;
            if count == 0 { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
        });
        rig.lose(conn, 0);
        match call.try_take() {
            Some(Err(RequestError::ConnectionLost { fate, .. })) => assert_eq!(fate, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_long_body_is_encrypted_as_the_kernel_takes_it() {
    let (mut rig, conn, mut server) = ready(|_| {});
    rig.keep_blocks = true;
    let body = handshake::frame(Version::V4, Opcode::Query, |out| {
        out.resize(out.len() + (16 << 20), 7);
        Ok(())
    });
    let body = body.unwrap();
    let _call = rig.submit(Command::Send(body.clone()), Terms::default());
    let (mut heard, now) = (Vec::new(), rig.now);
    loop {
        let mut taken = false;
        let flushed = rig.shard.as_mut().unwrap().flush(now, conn, &mut |bytes| {
            assert!(bytes.len() <= PLAIN_BYTES_MAX + 1_024, "{} bytes of ciphertext", bytes.len());
            if std::mem::replace(&mut taken, true) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            rig.sent.entry(conn).or_default().extend(bytes);
            Ok(bytes.len())
        });
        heard.extend(server.hear(&mut rig, conn).unwrap());
        if flushed == Flushed::Done {
            break;
        }
    }
    assert!(heard.len() == body.len() && heard[9..] == body[9..]);
}

#[test]
fn a_read_that_brings_a_byte_of_a_long_record_copies_that_byte() {
    let (mut rig, conn, mut server) = ready(|_| {});
    let mut call = rig.query(Terms::default());
    let sent = server.hear(&mut rig, conn).unwrap();
    server.0.writer().write_all(&response(Version::V4, frames(&sent)[0].0.stream, &VOID)).unwrap();
    let answer = server.ciphertext();
    for byte in answer.chunks(1) {
        assert!(call.try_take().is_none());
        let (now, mut once) = (rig.now, Some(byte));
        let filled = rig.shard.as_mut().unwrap().fill(now, conn, &mut |room| {
            let byte = once.take().unwrap();
            room[..1].copy_from_slice(byte);
            Ok(1)
        });
        assert_eq!(filled, Filled::Drained);
        rig.event(Event::Tick);
    }
    assert!(matches!(call.try_take(), Some(Ok(_))));
}

#[test]
fn handshakes_have_a_share_of_each_turn() {
    let (client, _) = ends();
    let points: Vec<_> = (1..=20).map(|number| format!("10.0.0.{number}")).collect();
    let points: Vec<_> = points.iter().map(String::as_str).collect();
    let mut rig = Rig::new(&points, |config| config.tls = Some(client));
    let (now, conns) = (rig.now, rig.open.clone());
    assert_eq!(conns.len(), 20);
    let shard = rig.shard.as_mut().unwrap();
    shard.begin(now);
    conns.iter().for_each(|conn| shard.handle(now, Event::Opened { conn: *conn }));
    shard.take_inbox(now, 1);
    assert!(!shard.arm(), "handshakes wait for the next turn");
    let mut hellos = Vec::new();
    while hellos.len() < 20 {
        rig.event(Event::Tick);
        hellos.push(rig.sent.len());
        assert!(hellos.len() < 10, "{hellos:?}");
        if rig.sent.len() == 20 {
            break;
        }
    }
    assert_eq!(hellos, [16, 20], "eight in the first turn, sent in the second with eight more");
}

#[test]
fn a_silent_server_is_given_up_in_its_own_step() {
    let (client, _) = ends();
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        config.tls = Some(client);
        config.handshake_timeout = 100 * MS;
    });
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    rig.pass(100 * MS);
    let cause = causes(connect.try_take()).remove(0);
    assert!(matches!(*cause, ConnectionError::HandshakeTimeout(Step::Tls, _)), "{cause}");
}

#[test]
fn the_server_hears_why_its_certificate_was_refused() {
    let (client, server) = ends();
    let tls = client.server_names(|_| Some("other.example".into()));
    let mut rig = Rig::new(&["10.0.0.1"], |config| config.tls = Some(tls));
    let mut connect = rig.submit(Command::Connect, Terms::default());
    let (conn, mut server) = (rig.open[0], Server::new(&server));
    server.shake_hands(&mut rig, conn);
    let cause = causes(connect.try_take()).remove(0);
    let refused = matches!(&*cause, ConnectionError::Tls(TlsError::Certificate { name, .. }) if &**name == "other.example");
    assert!(refused, "{cause:?}");
    assert_eq!(rig.closed, [conn], "after the alert");
    let alert = server.hear(&mut rig, conn).unwrap_err();
    assert_eq!(alert, rustls::Error::AlertReceived(AlertDescription::BadCertificate));
}

#[test]
fn a_session_that_closes_says_so() {
    let (mut rig, conn, mut server) = ready(|_| {});
    let mut close = rig.submit(Command::Close { drain: 100 * MS }, Terms::default());
    rig.event(Event::Tick);
    assert!(rig.exited && matches!(close.try_take(), Some(Ok(_))));
    assert_eq!(rig.closed, [conn]);
    server.hear(&mut rig, conn).unwrap();
    let mut byte = [0];
    assert_eq!(server.0.reader().read(&mut byte).unwrap(), 0, "close_notify came");
}

#[test]
fn a_socket_that_takes_nothing_does_not_keep_a_session_from_closing() {
    let (mut rig, conn, _server) = ready(|_| {});
    rig.stuck = true;
    let _close = rig.submit(Command::Close { drain: 100 * MS }, Terms::default());
    assert!(!rig.exited, "it waits for the last words");
    rig.pass(1_000 * MS);
    assert!(rig.exited);
    assert_eq!(rig.closed, [conn]);
}

#[test]
fn an_end_of_tls_ends_the_connection_and_a_cut_is_told_apart() {
    let (mut rig, conn, mut server) = ready(|config| config.attempts_max = 1);
    let mut call = rig.query(Terms::default());
    server.0.send_close_notify();
    let end = server.ciphertext();
    rig.bytes(conn, &end);
    let cause = |outcome: Option<Outcome>| match outcome {
        Some(Err(RequestError::ConnectionLost { fate: Fate::Unknown, cause, .. })) => cause,
        other => panic!("{other:?}"),
    };
    assert!(matches!(*cause(call.try_take()), ConnectionError::ClosedByPeer(None)));
    let (mut rig, conn, _server) = ready(|config| config.attempts_max = 1);
    let mut call = rig.query(Terms::default());
    rig.lose(conn, 0);
    assert!(matches!(*cause(call.try_take()), ConnectionError::Tls(TlsError::Truncated)));
}

/// Whatever byte of the server's handshake is wrong: a typed error or patience, never a panic or a secure connection.
#[test]
fn no_changed_byte_of_a_handshake_passes() {
    let (client, server) = ends();
    let length = {
        let mut rig = Rig::new(&["10.0.0.1"], |config| config.tls = Some(client.clone()));
        let (conn, mut server) = (rig.open[0], Server::new(&server));
        rig.event(Event::Opened { conn });
        server.hear(&mut rig, conn).unwrap();
        server.ciphertext().len()
    };
    // The version in the head of a record says nothing any more (RFC 8446, section 5.1).
    for position in (0..length).step_by(13).chain(3..12) {
        let mut rig = Rig::new(&["10.0.0.1"], |config| config.tls = Some(client.clone()));
        let mut connect = rig.submit(Command::Connect, within(MS));
        let (conn, mut server) = (rig.open[0], Server::new(&server));
        rig.event(Event::Opened { conn });
        server.hear(&mut rig, conn).unwrap();
        let mut flight = server.ciphertext();
        flight[position] ^= 0x41;
        rig.bytes(conn, &flight);
        assert_eq!(rig.counters.snapshot().tls_handshakes, 0, "byte {position}");
        assert!(!matches!(connect.try_take(), Some(Ok(_))));
    }
}

#[test]
fn an_idle_connection_keeps_next_to_no_buffers() {
    let (mut rig, conn, mut server) = ready(|_| {});
    let mut calls: Vec<_> = (0..10).map(|_| rig.query(Terms::default())).collect();
    let sent = server.hear(&mut rig, conn).unwrap();
    for (header, _) in frames(&sent) {
        server.say(&mut rig, conn, &response(Version::V4, header.stream, &VOID));
    }
    assert!(calls.iter_mut().all(|call| call.try_take().is_some()));
    let shard = rig.shard.as_mut().unwrap();
    let layer = shard.slots[conn.index()].connection.as_ref().unwrap().tls.as_ref().unwrap();
    assert!(layer.buffered_bytes() <= 1 << 10 && layer.wants_memory(), "{} bytes", layer.buffered_bytes());
}
