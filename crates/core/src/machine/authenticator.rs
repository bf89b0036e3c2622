//! Authentication by code of the program's own: who is asked, and how the answers come back.
//!
//! That code never runs inside the machine. Its questions go out with what a turn has finished ([`Settled`](crate::call::Settled)), and its
//! answers come in by the inbox, from whatever thread and however late; the handshake's timeout holds meanwhile.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::config::Credentials;
use crate::call::{Command, Notify, Terms};
use crate::inbox::Inbox;
use crate::reactor::ConnId;

/// Why an [`Authenticator`] doesn't go on. Its text is shown; it must not hold secrets.
pub type AuthError = Box<dyn Error + Send + Sync>;

/// Says who the program is, by any SASL mechanism: several rounds, answers that come later, and a server that has to prove itself as
/// well. For user and password there are [`Credentials`].
///
/// Each connection whose node asks gets an exchange of its own.
///
/// What is called here and in [`AuthExchange`] runs on the session's loop, between turns, and must not block: take the
/// [`AuthReply`] elsewhere where an answer needs time.
///
/// ```
/// use helenus_core::machine::{AuthExchange, AuthReply, AuthServer, Authenticator};
///
/// /// A token that somebody has to be asked for, which takes a while.
/// struct Tokens;
///
/// impl Authenticator for Tokens {
///     fn begin(&self, _: &AuthServer) -> Box<dyn AuthExchange> {
///         Box::new(Exchange)
///     }
/// }
///
/// struct Exchange;
///
/// impl AuthExchange for Exchange {
///     fn initial(&mut self, reply: AuthReply) {
///         std::thread::spawn(|| reply.respond(ask_for_token()));
///     }
///
///     fn challenge(&mut self, _: Option<&[u8]>, reply: AuthReply) {
///         reply.refuse("this mechanism has one round");
///     }
/// }
/// # fn ask_for_token() -> Vec<u8> { Vec::new() }
/// ```
pub trait Authenticator: Send + Sync {
    /// A node wants to know who this is.
    fn begin(&self, server: &AuthServer) -> Box<dyn AuthExchange>;
}

/// The exchange of one connection.
pub trait AuthExchange: Send {
    /// The mechanism's first message (AUTH_RESPONSE; section 4.1.2). A mechanism that lets the server speak first sends an empty one.
    fn initial(&mut self, reply: AuthReply);

    /// The server's next message (AUTH_CHALLENGE; section 4.2.7); `None` where it sent null.
    fn challenge(&mut self, token: Option<&[u8]>, reply: AuthReply);

    /// The server is content. `token` is its last word (AUTH_SUCCESS; section 4.2.8), by which it may prove who it is.
    ///
    /// # Errors
    /// The connection is not used, and this is why.
    fn success(&mut self, token: Option<&[u8]>) -> Result<(), AuthError> {
        let _ = token;
        Ok(())
    }
}

/// Who asks.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AuthServer {
    /// The contact point as it was given.
    pub contact_point: Arc<str>,
    /// The node's address.
    pub address: SocketAddr,
    /// The class name of the node's authenticator. It comes from the network: it proves nothing.
    pub authenticator: Box<str>,
}

/// The way back of an answer, from any thread. Dropped without one, it ends the connection, with an error that says so.
pub struct AuthReply {
    way: Way,
    answered: bool,
}

impl AuthReply {
    /// Sends this message to the server.
    pub fn respond(self, token: impl Into<Vec<u8>>) {
        self.answer(AuthAnswer::Token(token.into()));
    }

    /// Gives the connection up, and says why.
    pub fn refuse(self, why: impl Into<AuthError>) {
        self.answer(AuthAnswer::Refused(why.into()));
    }

    fn answer(mut self, answer: AuthAnswer) {
        self.answered = true;
        self.way.send(answer);
    }
}

impl Drop for AuthReply {
    fn drop(&mut self) {
        if !self.answered {
            self.way.send(AuthAnswer::Dropped);
        }
    }
}

impl fmt::Debug for AuthReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthReply")
    }
}

/// What came of a question.
pub(crate) enum AuthAnswer {
    Token(Vec<u8>),
    /// To AUTH_SUCCESS.
    Content,
    Refused(AuthError),
    Dropped,
}

/// Where a connection's handshake finds the answer.
#[derive(Clone, Default)]
pub(crate) struct AuthSlot(Arc<Mutex<Option<AuthAnswer>>>);

impl AuthSlot {
    pub(crate) fn take(&self) -> Option<AuthAnswer> {
        lock(&self.0).take()
    }
}

impl fmt::Debug for AuthSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuthSlot")
    }
}

/// From a question to the machine.
struct Way {
    inbox: Arc<Inbox>,
    conn: ConnId,
    slot: AuthSlot,
}

impl Way {
    fn send(&self, answer: AuthAnswer) {
        *lock(&self.slot.0) = Some(answer);
        // A machine that is gone wants to know nothing; one whose connection is gone drops it.
        let _ = self.inbox.submit(Command::Authenticate(self.conn), Terms::default(), Notify::Nobody);
    }
}

/// What a handshake wants to know.
pub(crate) enum Question {
    Initial,
    Challenge(Option<Vec<u8>>),
    Success(Option<Vec<u8>>),
}

/// The exchange of one connection, as its handshake has it.
#[derive(Clone, Default)]
pub(crate) struct Exchange(Arc<Mutex<Option<Box<dyn AuthExchange>>>>);

impl Exchange {
    /// What calls the program's code, outside the machine.
    pub(crate) fn ask(
        &self,
        authenticator: Arc<dyn Authenticator>,
        server: AuthServer,
        question: Question,
        inbox: Arc<Inbox>,
        conn: ConnId,
        slot: AuthSlot,
    ) -> Box<dyn FnOnce() + Send> {
        let exchange = self.clone();
        let reply = AuthReply { way: Way { inbox, conn, slot }, answered: false };
        // A panic drops the reply, and so ends the handshake.
        Box::new(move || {
            let mut slot = lock(&exchange.0);
            let exchange = slot.get_or_insert_with(|| authenticator.begin(&server));
            match question {
                Question::Initial => exchange.initial(reply),
                Question::Challenge(token) => exchange.challenge(token.as_deref(), reply),
                Question::Success(token) => {
                    let outcome = exchange.success(token.as_deref());
                    // Here rather than in the machine: dropping it is the program's code as well.
                    *slot = None;
                    reply.answer(outcome.map_or_else(AuthAnswer::Refused, |()| AuthAnswer::Content));
                }
            }
        })
    }
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exchange")
    }
}

/// How a session says who it is to nodes that ask.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Authentication {
    /// It doesn't: a node that asks gets no further.
    #[default]
    None,
    /// User and password, by PLAIN. They are sent to every node that asks, whatever the class name of its authenticator: anyone who
    /// could pretend to be a node could choose that as well. Who must not see the password is kept off by TLS.
    Plain(Credentials),
    /// By code of the program's own.
    By(Arc<dyn Authenticator>),
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Plain(credentials) => credentials.fmt(f),
            Self::By(_) => f.write_str("By(Authenticator)"),
        }
    }
}

// What a panic of the program's code leaves behind is never looked at again: its reply ends the handshake.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
