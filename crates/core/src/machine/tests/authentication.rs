//! Authentication by code of the program's own: rounds, answers that come late or never, refusals on either side; and that no
//! secret is shown.

use std::sync::{Arc, Mutex};

use super::*;

const CLASS: &str = "org.example.TwoRounds";
const ASKS: Message<'static> = Message::Authenticate { authenticator: CLASS };

/// A question, and where its answer goes.
type Asked = (String, Option<AuthReply>);

/// Keeps what it is asked, for the test to answer.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Asked>>>);

impl Kept {
    fn push(&self, asked: String, reply: Option<AuthReply>) {
        self.0.lock().unwrap().push((asked, reply));
    }

    /// The last question, and its reply.
    fn pop(&self) -> Asked {
        self.0.lock().unwrap().pop().expect("it was asked")
    }

    fn reply(&self, asked: &str) -> AuthReply {
        let (found, reply) = self.pop();
        assert_eq!(found, asked);
        reply.unwrap()
    }
}

impl Authenticator for Kept {
    fn begin(&self, server: &AuthServer) -> Box<dyn AuthExchange> {
        assert_eq!(&*server.authenticator, CLASS);
        assert_eq!((&*server.contact_point, server.address), ("10.0.0.1", ([10, 0, 0, 1], 9042).into()));
        Box::new(self.clone())
    }
}

impl AuthExchange for Kept {
    fn initial(&mut self, reply: AuthReply) {
        self.push("initial".into(), Some(reply));
    }

    fn challenge(&mut self, token: Option<&[u8]>, reply: AuthReply) {
        assert_ne!(token, Some(&b"panic"[..]));
        self.push(format!("{:?}", token.map(String::from_utf8_lossy)), Some(reply));
    }

    fn success(&mut self, token: Option<&[u8]>) -> Result<(), AuthError> {
        self.push("success".into(), None);
        if token == Some(b"forged") {
            Err("the server doesn't know the secret either".into())
        } else {
            Ok(())
        }
    }
}

/// A connection that was asked who it is.
fn asked(version: Version) -> (Rig, ConnId, Kept, Call) {
    let kept = Kept::default();
    let mut rig = Rig::new(&["10.0.0.1"], |config| {
        (config.version, config.version_fixed) = (version, true);
        config.authentication = Authentication::By(Arc::new(kept.clone()));
        config.handshake_timeout = 100 * MS;
    });
    let connect = rig.submit(Command::Connect, Terms::default());
    let conn = rig.open[0];
    rig.event(Event::Opened { conn });
    rig.sent.remove(&conn);
    rig.bytes(conn, &response(version, 0, &ASKS));
    (rig, conn, kept, connect)
}

/// Answers from another thread, as an answer that had to be asked for elsewhere would come.
fn answer(rig: &mut Rig, reply: AuthReply, token: &'static [u8]) {
    std::thread::scope(|scope| scope.spawn(move || reply.respond(token)).join().unwrap());
    rig.pass(MS);
}

fn cause(mut connect: Call) -> String {
    causes(connect.try_take()).remove(0).to_string()
}

#[test]
fn an_exchange_has_rounds_and_a_last_word() {
    let (mut rig, conn, kept, mut connect) = asked(Version::V4);
    for (asked, token, challenge) in [
        ("initial", &b"who"[..], Some(&b"prove it"[..])),
        ("Some(\"prove it\")", b"proof", None),
        ("None", b"", Some(b"more")),
    ] {
        assert!(rig.sent.is_empty() && rig.closed.is_empty(), "nothing goes without an answer");
        answer(&mut rig, kept.reply(asked), token);
        let (header, body) = frames(&rig.sent.remove(&conn).unwrap()).remove(0);
        let request = Request::decode(Version::V4, header.opcode, &body).unwrap();
        assert_eq!(request, Request::AuthResponse(AuthResponse { token: Some(token) }));
        rig.reply(conn, 0, &Message::AuthChallenge(challenge));
    }
    answer(&mut rig, kept.reply("Some(\"more\")"), b"last");
    rig.sent.clear();
    rig.reply(conn, 0, &Message::AuthSuccess(Some(b"signed")));
    assert_eq!(kept.pop().0, "success");
    assert!(!connect.is_done(), "the authenticator has the last word");
    rig.pass(MS);
    assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(Version::V4)))));
    assert_eq!(rig.inbox.in_flight(), 0);
}

#[test]
fn a_server_may_be_refused() {
    let (mut rig, conn, kept, connect) = asked(Version::V4);
    answer(&mut rig, kept.reply("initial"), b"who");
    rig.reply(conn, 0, &Message::AuthSuccess(Some(b"forged")));
    rig.pass(MS);
    assert_eq!(rig.closed, [conn]);
    let cause = cause(connect);
    assert!(cause.contains(CLASS) && cause.ends_with("the server doesn't know the secret either"), "{cause}");
}

#[test]
fn an_authenticator_may_give_up_or_forget() {
    let (mut rig, conn, kept, connect) = asked(Version::V4);
    kept.reply("initial").refuse("no token to be had");
    rig.pass(MS);
    assert_eq!(rig.closed, [conn]);
    assert!(cause(connect).ends_with("no token to be had"));

    let (mut rig, conn, kept, connect) = asked(Version::V4);
    drop(kept.reply("initial"));
    rig.pass(MS);
    assert_eq!(rig.closed, [conn]);
    let said = cause(connect);
    assert!(said.contains("dropped its reply to org.example.TwoRounds without an answer"), "{said}");

    let (mut rig, conn, kept, connect) = asked(Version::V4);
    answer(&mut rig, kept.reply("initial"), b"who");
    rig.reply(conn, 0, &Message::AuthChallenge(Some(b"panic")));
    rig.pass(MS);
    assert!(cause(connect).contains("did it panic?"));
}

#[test]
fn who_does_not_reply_is_waited_for_as_long_as_a_server() {
    let (mut rig, conn, kept, connect) = asked(Version::V4);
    rig.pass(99 * MS);
    assert_eq!(rig.closed, []);
    rig.pass(MS);
    assert_eq!(rig.closed, [conn]);
    assert_eq!(cause(connect), "the program's authenticator has not replied within 100ms");
    // Too late, and of no concern to the next connection.
    rig.pass(Duration::from_secs(1));
    let next = rig.open[0];
    rig.event(Event::Opened { conn: next });
    rig.sent.clear();
    answer(&mut rig, kept.reply("initial"), b"late");
    assert!(rig.sent.is_empty() && rig.closed == [conn]);
    rig.reply(next, 0, &ASKS);
    answer(&mut rig, kept.reply("initial"), b"in time");
    assert_eq!(rig.take_requests(next), [(Opcode::AuthResponse, 0)]);
}

#[test]
fn nothing_may_come_while_the_program_thinks() {
    let (mut rig, conn, kept, connect) = asked(Version::V4);
    rig.reply(conn, 0, &Message::AuthSuccess(None));
    assert_eq!(rig.closed, [conn]);
    assert!(cause(connect).contains("stream 0, which was not in use"));
    drop(kept);
    rig.pass(MS);
}

#[test]
fn a_server_that_never_ends_is_given_up() {
    let (mut rig, conn, kept, connect) = asked(Version::V4);
    answer(&mut rig, kept.reply("initial"), b"who");
    for _ in 0..16 {
        rig.reply(conn, 0, &Message::AuthChallenge(None));
        answer(&mut rig, kept.reply("None"), b"me");
    }
    rig.reply(conn, 0, &Message::AuthChallenge(None));
    assert_eq!(cause(connect), "authentication came to no end within 16 challenges");
}

#[test]
fn in_version_5_the_exchange_is_in_segments() {
    let (mut rig, conn, kept, mut connect) = asked(Version::V5);
    let segmented = |message: &Message<'_>| {
        let mut bytes = Vec::new();
        let start = segment::open(&mut bytes);
        bytes.extend(response(Version::V5, 0, message));
        segment::close(&mut bytes, start, true).unwrap();
        bytes
    };
    for (asked, message) in
        [("initial", Message::AuthChallenge(Some(b"more"))), ("Some(\"more\")", Message::AuthSuccess(None))]
    {
        answer(&mut rig, kept.reply(asked), b"token");
        let sent = rig.sent.remove(&conn).unwrap();
        let parsed = segment::parse(&sent).unwrap().unwrap();
        assert_eq!(opcode(&frames(parsed.payload)[0].0), Opcode::AuthResponse);
        rig.bytes(conn, &segmented(&message));
    }
    rig.pass(MS);
    assert!(matches!(connect.try_take(), Some(Ok(Reply::Connected(Version::V5)))));
}

/// In words or as bytes, in whatever a program can print while it logs in, and in each error of that.
#[test]
fn the_password_is_never_shown() {
    let password = "hunter2";
    let bytes = format!("{:?}", password.as_bytes());
    let bytes = bytes.trim_matches(['[', ']']);
    let check = |shown: String| {
        assert!(!shown.contains(password) && !shown.contains(bytes), "{shown}");
    };
    let refused = Message::Error(ServerError::new(ErrorKind::Authentication, "bad credentials"));
    let overloaded = error(ErrorKind::Overloaded);
    type End<'a> = &'a dyn Fn(&mut Rig, ConnId);
    let ends: [End<'_>; 6] = [
        &|rig, conn| rig.reply(conn, 0, &refused),
        &|rig, conn| rig.reply(conn, 0, &overloaded),
        &|rig, conn| rig.reply(conn, 0, &VOID),
        &|rig, conn| rig.bytes(conn, b"HTTP/1.1 400"),
        &|rig, conn| rig.lose(conn, 0),
        &|rig, _| rig.pass(Duration::from_secs(60)),
    ];
    for (number, end) in ends.into_iter().enumerate() {
        for stuck in [false, true] {
            let mut rig = Rig::new(&["10.0.0.1"], |config| {
                config.authentication = Authentication::Plain(Credentials::new("user", password));
            });
            rig.stuck = stuck;
            check(format!("{:?}", rig.shard));
            let mut connect = rig.submit(Command::Connect, Terms::default());
            let conn = rig.open[0];
            rig.event(Event::Opened { conn });
            if !stuck {
                rig.reply(conn, 0, &Message::Authenticate { authenticator: "PasswordAuthenticator" });
                check(format!("{:#?}", rig.shard));
            }
            end(&mut rig, conn);
            check(format!("{:?}", rig.shard));
            let outcome = connect.try_take().expect("it is over");
            check(format!("{outcome:?}"));
            let error = outcome.unwrap_err().to_string();
            assert!(error.contains("10.0.0.1"), "{error}");
            if number == 0 && !stuck {
                assert!(
                    error.contains("user 'user' was refused: ") && error.contains("bad credentials"),
                    "{error}"
                );
            }
            check(error);
        }
    }
    check(format!("{:?}", AuthResponse { token: Some(b"\0user\0hunter2") }));
    check(format!("{:?}", Block(b"\0user\0hunter2".to_vec())));
}
