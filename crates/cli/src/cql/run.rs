//! One statement after another.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::Result;
use helenus::value::Uuid;
use helenus::{Consistency, Error, Request, Response, SerialConsistency, Session, Trace};

use super::connect::Connector;
use super::output::{Failure, Format, Sheet};
use super::split::Statement;
use super::visible::lines;
use super::{Options, Serial};

/// How long the nodes are given to agree on a schema that was changed.
const AGREEMENT: Duration = Duration::from_secs(30);
const AGREEMENT_PAUSE: Duration = Duration::from_millis(100);
/// How often a node is asked for its turn.
const TURNS_MAX: usize = 64;

/// How a statement, or all of them, ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
}

impl Outcome {
    pub(super) fn and(self, other: Self) -> Self {
        if self == Self::Done { other } else { self }
    }
}

pub(super) struct Runner<W> {
    connector: Connector,
    session: Session,
    pub(super) keyspace: Option<String>,
    out: W,
    format: Format,
    rows_max: u64,
    page_size: i32,
    pub(super) consistency: Consistency,
    pub(super) serial_consistency: Option<Serial>,
    pub(super) tracing: bool,
}

impl<W: Write> Runner<W> {
    pub(super) fn new(
        options: Options,
        connector: Connector,
        session: Session,
        keyspace: Option<String>,
        out: W,
    ) -> Self {
        let rows_max = options.limit.unwrap_or(u64::MAX);
        Self {
            connector,
            session,
            keyspace,
            out,
            format: options.format,
            rows_max,
            page_size: i32::try_from(rows_max.max(1)).unwrap_or(i32::MAX).min(options.page_size),
            consistency: options.consistency,
            serial_consistency: options.serial_consistency,
            tracing: options.tracing,
        }
    }

    pub(super) fn session(&self) -> &Session {
        &self.session
    }

    /// Runs it, and tells standard error what went wrong with it.
    ///
    /// # Errors
    /// If its rows can't be written.
    pub(super) fn run(&mut self, source: &str, statement: &Statement) -> Result<Outcome> {
        let done = match keyspace_of_use(&statement.text) {
            Some(keyspace) => self.use_keyspace(keyspace),
            None => self.execute(&statement.text),
        };
        let (words, warnings) = match done {
            Ok(outcome) => return Ok(outcome),
            Err(Failed::Output(error)) => return Err(CantWrite(error).into()),
            Err(Failed::Cql(error)) => (error.to_string(), error.warnings().to_vec()),
            Err(Failed::Connect(error)) => (crate::in_words(&error), Vec::new()),
        };
        // The rows before it come first.
        self.out.flush().map_err(CantWrite)?;
        warnings.iter().for_each(|warning| eprintln!("warning: {}", lines(warning)));
        eprintln!("{source}:{}: error: {}", statement.begin, lines(&words));
        Ok(Outcome::Failed)
    }

    pub(super) fn close(self) {
        // What can be said of its end was said by its requests.
        let _ = self.session.close().wait();
    }

    /// A keyspace is said to each connection when it opens, so there are new ones.
    fn use_keyspace(&mut self, keyspace: String) -> Result<Outcome, Failed> {
        let session = self.connector.connect(Some(&keyspace)).map_err(Failed::Connect)?;
        self.keyspace = Some(keyspace);
        let _ = std::mem::replace(&mut self.session, session).close().wait();
        Ok(Outcome::Done)
    }

    fn execute(&mut self, text: &str) -> Result<Outcome, Failed> {
        let mut pages = self.request(text).blocking_pages();
        let mut sheet = Sheet::new(&mut self.out, self.format, self.rows_max, text);
        let (mut outcome, mut changed_at) = (Outcome::Done, None);
        for page in &mut pages {
            let page = page?;
            page.warnings().iter().for_each(|warning| eprintln!("warning: {}", lines(warning)));
            if page.kind() == helenus::ResponseKind::Rows {
                sheet.page(&page)?;
            }
            for bad in sheet.take_bad_cells() {
                eprintln!("error: {}", lines(&bad));
                outcome = Outcome::Failed;
            }
            if page.schema_change().is_some() {
                changed_at = Some(page.coordinator());
            }
            if let Some(trace) = page.trace(&self.session) {
                match trace.wait() {
                    Ok(trace) => tell(&trace),
                    Err(error) => eprintln!("warning: {}", lines(&error.to_string())),
                }
            }
            if sheet.is_full() {
                break;
            }
        }
        drop(pages);
        sheet.end()?;
        if let Some(node) = changed_at {
            self.await_agreement(node);
        }
        Ok(outcome)
    }

    fn request(&self, text: &str) -> Request<Response> {
        let mut request =
            self.session.query(text, ()).consistency(self.consistency).page_size(self.page_size);
        if let Some(serial) = self.serial_consistency {
            request = request.serial_consistency(match serial {
                Serial::Serial => SerialConsistency::Serial,
                Serial::LocalSerial => SerialConsistency::LocalSerial,
            });
        }
        if self.tracing { request.tracing() } else { request }
    }

    /// The next statement may go to another node, which has to know of the change. Only the node that made it is sure to
    /// know the new version, so that is the one to ask about others.
    fn await_agreement(&self, node: SocketAddr) {
        let begun = Instant::now();
        loop {
            match schema_versions(&self.session, node) {
                Ok(versions) if versions.len() == 1 => return,
                Ok(_) if begun.elapsed() < AGREEMENT => std::thread::sleep(AGREEMENT_PAUSE),
                Ok(versions) => {
                    return eprintln!(
                        "warning: after {AGREEMENT:?} the nodes still have {} versions of the schema",
                        versions.len()
                    );
                }
                Err(error) => {
                    return eprintln!(
                        "warning: whether the nodes agree on the schema isn't known: {}",
                        lines(&error.to_string())
                    );
                }
            }
        }
    }
}

/// Of the nodes that this session talks to, by their own word; of the others, as `node` knows them, which may be some
/// seconds late. Nodes that are down count too, until `node` forgets their versions.
fn schema_versions(session: &Session, node: SocketAddr) -> Result<BTreeSet<Uuid>, Error> {
    let ask = |text| session.query(text, ()).consistency(Consistency::One).wait();
    let mut versions = BTreeMap::new();
    // The nodes take turns: once one comes again, all have been asked.
    for _ in 0..TURNS_MAX {
        let answer = ask("SELECT schema_version FROM system.local")?;
        let (version,) = answer.one::<(Uuid,)>()?;
        if versions.insert(answer.coordinator().ip(), version).is_some() && versions.contains_key(&node.ip())
        {
            break;
        }
    }
    for _ in 0..TURNS_MAX {
        let answer = ask("SELECT rpc_address, schema_version FROM system.peers")?;
        if answer.coordinator() == node {
            for row in answer.rows::<(Option<IpAddr>, Option<Uuid>)>()? {
                if let (Some(address), Some(version)) = row? {
                    versions.entry(address).or_insert(version);
                }
            }
            break;
        }
    }
    Ok(versions.into_values().collect())
}

/// The rows can't be written.
#[derive(Debug)]
pub(super) struct CantWrite(pub(super) io::Error);

impl fmt::Display for CantWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the rows can't be written: {}", self.0)
    }
}

impl std::error::Error for CantWrite {}

/// Why a statement failed.
enum Failed {
    Output(io::Error),
    Cql(Box<Error>),
    Connect(anyhow::Error),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Output(error) => Self::Output(error),
            Failure::Cql(error) => Self::Cql(error),
        }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Cql(Box::new(error))
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

/// Writes a trace to standard error.
fn tell(trace: &Trace) {
    let node = |address: Option<IpAddr>| address.map_or_else(|| "?".into(), |address| address.to_string());
    let (request, coordinator) = (lines(&trace.request), node(trace.coordinator));
    eprintln!("trace {}: {request} by {coordinator}, {:?}", trace.id, trace.duration);
    for event in &trace.events {
        let elapsed = event.elapsed.map_or_else(String::new, |elapsed| format!("{elapsed:?}"));
        eprintln!("  {elapsed:>12}  {:15}  {}", node(event.source), lines(&event.activity));
    }
}

/// The keyspace that a statement uses, if it is `USE` and nothing else but a comment.
fn keyspace_of_use(text: &str) -> Option<String> {
    let word = text.get(..3).filter(|word| word.eq_ignore_ascii_case("use"))?;
    let after = &text[word.len()..];
    let name = after.trim_start();
    let (keyspace, rest) = match name.strip_prefix('"') {
        Some(quoted) => quoted_name(quoted)?,
        None if after.len() == name.len() => return None,
        None => {
            let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.len());
            (name[..end].to_ascii_lowercase(), &name[end..])
        }
    };
    let rest = rest.trim_start();
    let over = rest.is_empty() || ["--", "//", "/*"].iter().any(|comment| rest.starts_with(comment));
    (over && !keyspace.is_empty()).then_some(keyspace)
}

/// A name after its first quote, and what follows its last.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let (mut name, mut rest) = (String::new(), text);
    loop {
        let (part, after) = rest.split_once('"')?;
        name.push_str(part);
        match after.strip_prefix('"') {
            Some(more) => (name, rest) = (name + "\"", more),
            None => return Some((name, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::keyspace_of_use;

    #[test]
    fn use_names_a_keyspace() {
        let of = |text: &str| keyspace_of_use(text);
        assert_eq!(of("USE Shop"), Some("shop".into()));
        assert_eq!(of("use\n\"Sh\"\"op\""), Some("Sh\"op".into()));
        assert_eq!(of("USE\"a\" -- \""), Some("a".into()));
        assert_eq!(of("USE a/* b */"), Some("a".into()));
        for text in [
            "used",
            "USE",
            "USE a b",
            "USE \"a",
            "USE \"a\" b",
            "USE a.b",
            "USE \"a\"b\"",
            "USE \"\"",
            "SELECT 1",
            "usea",
        ] {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
