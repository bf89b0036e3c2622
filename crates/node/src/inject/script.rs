//! Rules and what happens to nodes, as text: for `helenus node --script`.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use helenus_core::protocol::response::{Failures, WriteType};
use helenus_core::protocol::{Consistency, ErrorKind, Opcode, ServerError};

use super::{Action, Rule};
use crate::node::Node;
use crate::place::Place;
use crate::server::Announcement;

/// What is to happen to nodes, and when: a line for each thing, lines that begin with `#` aside.
///
/// ```text
/// # The first three EXECUTEs on node 1 about this table are refused.
/// rule node=1 opcode=EXECUTE table=shop.orders first=3 do=fail:overloaded
/// # One insert of ten comes back late; the same ones each time.
/// rule prefix="INSERT INTO" probability=0.1 seed=7 do=delay:200ms
/// rule opcode=OPTIONS ready do=drop-request
/// rule text=orders nth=5 do=fail:write_timeout,consistency=QUORUM,received=1,required=2,write_type=SIMPLE
/// at 5s stop 1
/// at 20s restart 1
/// at 30s clear
/// ```
///
/// **`rule`** gives words that say which requests, `node=N`, `connection=N`, `opcode=NAME`, `text=TEXT`, `prefix=TEXT`,
/// `table=NAME` and `ready`; how often, `nth=N`, `first=N`, `after=N`, `every=N`, or `probability=P` with `seed=N`; and `do=`
/// what: `delay:TIME`, `drop-request`, `drop-answer`, `fail:ERROR`, `run-then-fail:ERROR`, `unprepared`, `close-before`,
/// `close-after`, `close-within:BYTES`, `bytewise`, `corrupt`, `wrong-stream:N`, `garbage:BYTES`. Without requests, but with
/// connections, do `do=refuse-connections` and `do=ignore-connections`. They mean what [`Rule`] and [`Action`] say.
///
/// **An error** is its name, `server`, `protocol`, `authentication`, `unavailable`, `overloaded`, `is_bootstrapping`, `truncate`,
/// `write_timeout`, `read_timeout`, `read_failure`, `write_failure`, `cdc_write_failure`, `cas_write_unknown`, `syntax`,
/// `unauthorized`, `invalid`, `config` or a code such as `0x7000`, and, after commas, the fields that it has:
/// `consistency=QUORUM`, `received=1`, `required=2`, `alive=1`, `failures=1`, `data_present=true`, `write_type=SIMPLE`,
/// `contentions=1`, and `message=TEXT`.
///
/// **What happens to nodes** is `stop N`, `restart N`, `add [DATA_CENTER RACK]`, `remove N`, `pause N`, `resume N`,
/// `disconnect N`, `disagree N`, `agree N`, `forget N` (what it has prepared), `announce N up|down|new|removed|moved`, and
/// `clear` (all rules).
///
/// **`at TIME`** before either says when, counted from the start; without it, it is at once. Times have a unit: `ms` or `s`. A
/// text with blanks goes into quotes.
#[derive(Clone, Debug, Default)]
pub struct Script {
    /// By time.
    steps: Vec<(Duration, Step)>,
}

#[derive(Clone, Debug)]
enum Step {
    Rule(Rule),
    Stop(usize),
    Restart(usize),
    Add(Place),
    Remove(usize),
    Pause(usize),
    Resume(usize),
    Disconnect(usize),
    Agree(usize, bool),
    Forget(usize),
    Announce(usize, Announcement),
    Clear,
}

/// What is wrong with a [`Script`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// In which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The first line that can't be read, and why.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut steps = Vec::new();
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            steps.push(step(line).map_err(|reason| ScriptError { line: at + 1, reason })?);
        }
        steps.sort_by_key(|(at, _)| *at);
        Ok(Self { steps })
    }

    /// Carries it out, and returns after the last step.
    ///
    /// # Errors
    /// Those of the [`Node`]'s methods: that there is no node with a number, say.
    pub fn run(&self, node: &mut Node) -> io::Result<()> {
        let start = Instant::now();
        for (at, step) in &self.steps {
            std::thread::sleep(at.saturating_sub(start.elapsed()));
            step.run(node)?;
        }
        Ok(())
    }

    /// Splits it into what is to be done at once and the rest.
    pub fn split_start(self) -> (Self, Self) {
        let (now, later) = self.steps.into_iter().partition(|(at, _)| at.is_zero());
        (Self { steps: now }, Self { steps: later })
    }
}

impl Step {
    fn run(&self, node: &mut Node) -> io::Result<()> {
        match self {
            Self::Rule(rule) => node.inject(rule.clone()).map(drop),
            Self::Stop(at) => node.stop(*at),
            Self::Restart(at) => node.restart(*at),
            Self::Add(place) => node.add(place.clone()).map(drop),
            Self::Remove(at) => node.remove(*at),
            Self::Pause(at) => node.pause(*at),
            Self::Resume(at) => node.resume(*at),
            Self::Disconnect(at) => node.disconnect(*at),
            Self::Agree(at, agrees) => node.set_schema_agreement(*at, *agrees),
            Self::Forget(at) => node.forget_prepared(*at),
            Self::Announce(at, announcement) => node.announce(*at, *announcement),
            Self::Clear => node.clear_rules(),
        }
    }
}

type Parsed<T> = Result<T, String>;

fn step(line: &str) -> Parsed<(Duration, Step)> {
    let words = words(line)?;
    let mut words = words.iter().map(String::as_str);
    let mut next = || words.next().ok_or_else(|| "the line ends too early".to_owned());
    let (at, word) = match next()? {
        "at" => (time(next()?)?, next()?),
        word => (Duration::ZERO, word),
    };
    let step = match word {
        "rule" => return Ok((at, Step::Rule(rule(words)?))),
        "stop" => Step::Stop(number(next()?)?),
        "restart" => Step::Restart(number(next()?)?),
        "add" => match next() {
            Ok(data_center) => Step::Add(Place::new(data_center, next()?)),
            Err(_) => Step::Add(Place::default()),
        },
        "remove" => Step::Remove(number(next()?)?),
        "pause" => Step::Pause(number(next()?)?),
        "resume" => Step::Resume(number(next()?)?),
        "disconnect" => Step::Disconnect(number(next()?)?),
        "disagree" => Step::Agree(number(next()?)?, false),
        "agree" => Step::Agree(number(next()?)?, true),
        "forget" => Step::Forget(number(next()?)?),
        "announce" => Step::Announce(number(next()?)?, announcement(next()?)?),
        "clear" => Step::Clear,
        other => {
            return Err(format!(
                "nothing is called '{other}': rule, at, stop, restart, add, remove, pause, ..."
            ));
        }
    };
    match words.next() {
        Some(more) => Err(format!("'{more}' is too much")),
        None => Ok((at, step)),
    }
}

fn announcement(word: &str) -> Parsed<Announcement> {
    Ok(match word {
        "up" => Announcement::Up,
        "down" => Announcement::Down,
        "new" => Announcement::New,
        "removed" => Announcement::Removed,
        "moved" => Announcement::Moved,
        other => return Err(format!("nodes are up, down, new, removed or moved, not '{other}'")),
    })
}

fn rule<'a>(words: impl Iterator<Item = &'a str> + Clone) -> Parsed<Rule> {
    let does = words.clone().find_map(|word| word.strip_prefix("do="));
    let mut rule = match does.ok_or("a rule says what to do: do=delay:100ms, do=fail:overloaded, ...")? {
        "refuse-connections" => Rule::refuse_connections(),
        "ignore-connections" => Rule::ignore_connections(),
        does => Rule::new(action(does)?),
    };
    let (mut share, mut seed) = (None, 0);
    for word in words {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        rule = match key {
            "do" => rule,
            "node" => rule.node(number(value)?),
            "connection" => rule.connection(number(value)?),
            "opcode" => rule.opcode(opcode(value)?),
            "ready" => rule.ready(),
            "text" => rule.statement(value),
            "prefix" => rule.statement_prefix(value),
            "table" => rule.table(value),
            "nth" => rule.nth(number(value)?),
            "first" => rule.first(number(value)?),
            "after" => rule.after(number(value)?),
            "every" => rule.every(number(value)?),
            "probability" => {
                let given = value.parse::<f64>().ok().filter(|share| (0.0..=1.0).contains(share));
                share = Some(given.ok_or_else(|| format!("a probability is from 0 to 1, not '{value}'"))?);
                rule
            }
            "seed" => {
                seed = number(value)?;
                rule
            }
            other => return Err(format!("a rule has no '{other}'")),
        };
    }
    Ok(match share {
        Some(share) => rule.probability(share, seed),
        None => rule,
    })
}

fn action(text: &str) -> Parsed<Action> {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    Ok(match name {
        "delay" => Action::Delay(time(value)?),
        "drop-request" => Action::DropRequest,
        "drop-answer" => Action::DropAnswer,
        "fail" => Action::Fail(error(value)?),
        "run-then-fail" => Action::RunThenFail(error(value)?),
        "unprepared" => Action::Unprepared,
        "close-before" => Action::CloseBefore,
        "close-after" => Action::CloseAfter,
        "close-within" => Action::CloseWithin(number(value)?),
        "bytewise" => Action::Bytewise,
        "corrupt" => Action::Corrupt,
        "wrong-stream" => Action::WrongStream(number(value)?),
        "garbage" => Action::Garbage(number(value)?),
        other => return Err(format!("a rule can't do '{other}'")),
    })
}

/// The fields of an error; what isn't said is one of two at QUORUM.
struct Fields {
    consistency: Consistency,
    received: i32,
    required: i32,
    alive: i32,
    failures: i32,
    data_present: bool,
    write_type: WriteType,
    contentions: u16,
    message: String,
}

fn error(text: &str) -> Parsed<ServerError> {
    let mut parts = text.split(',');
    let name = parts.next().unwrap_or_default();
    let mut fields = Fields {
        consistency: Consistency::Quorum,
        received: 1,
        required: 2,
        alive: 1,
        failures: 1,
        data_present: false,
        write_type: WriteType::Simple,
        contentions: 0,
        message: format!("injected: {name}"),
    };
    for part in parts {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("'{part}' has no '='"))?;
        match key {
            "consistency" => fields.consistency = consistency(value)?,
            "received" => fields.received = number(value)?,
            "required" => fields.required = number(value)?,
            "alive" => fields.alive = number(value)?,
            "failures" => fields.failures = number(value)?,
            "data_present" => fields.data_present = value == "true",
            "write_type" => fields.write_type = write_type(value),
            "contentions" => fields.contentions = number(value)?,
            "message" => fields.message = value.to_owned(),
            other => return Err(format!("an error has no '{other}'")),
        }
    }
    let message = std::mem::take(&mut fields.message);
    Ok(ServerError::new(kind(name, fields)?, message))
}

fn kind(name: &str, fields: Fields) -> Parsed<ErrorKind> {
    let Fields { consistency, received, required, alive, data_present, write_type, .. } = fields;
    let failures = Failures::Count(fields.failures);
    Ok(match name {
        "server" => ErrorKind::Server,
        "protocol" => ErrorKind::Protocol,
        "authentication" => ErrorKind::Authentication,
        "unavailable" => ErrorKind::Unavailable { consistency, required, alive },
        "overloaded" => ErrorKind::Overloaded,
        "is_bootstrapping" => ErrorKind::IsBootstrapping,
        "truncate" => ErrorKind::Truncate,
        "write_timeout" => {
            let contentions = (write_type == WriteType::Cas).then_some(fields.contentions);
            ErrorKind::WriteTimeout { consistency, received, required, write_type, contentions }
        }
        "read_timeout" => ErrorKind::ReadTimeout { consistency, received, required, data_present },
        "read_failure" => ErrorKind::ReadFailure { consistency, received, required, failures, data_present },
        "write_failure" => ErrorKind::WriteFailure { consistency, received, required, failures, write_type },
        "cdc_write_failure" => ErrorKind::CdcWriteFailure,
        "cas_write_unknown" => ErrorKind::CasWriteUnknown { consistency, received, required },
        "syntax" => ErrorKind::Syntax,
        "unauthorized" => ErrorKind::Unauthorized,
        "invalid" => ErrorKind::Invalid,
        "config" => ErrorKind::Config,
        other => {
            let code = other.strip_prefix("0x").and_then(|code| i32::from_str_radix(code, 16).ok());
            ErrorKind::Unknown { code: code.ok_or_else(|| format!("no error is called '{other}'"))? }
        }
    })
}

fn write_type(name: &str) -> WriteType {
    use WriteType::{Batch, BatchLog, Cas, Cdc, Counter, Simple, UnloggedBatch, View};
    let known = [Simple, Batch, UnloggedBatch, Counter, BatchLog, Cas, View, Cdc];
    known.into_iter().find(|known| known.name() == name).unwrap_or(WriteType::Other(name.into()))
}

fn consistency(name: &str) -> Parsed<Consistency> {
    name.parse().map_err(|unknown| format!("{unknown}"))
}

fn opcode(name: &str) -> Parsed<Opcode> {
    let found = Opcode::ALL.into_iter().find(|opcode| opcode.name().eq_ignore_ascii_case(name));
    let request = found.filter(|opcode| !opcode.is_response());
    request.ok_or_else(|| format!("no request is called '{name}'"))
}

fn number<T: std::str::FromStr>(text: &str) -> Parsed<T> {
    text.parse().map_err(|_| format!("'{text}' is no number that fits here"))
}

fn time(text: &str) -> Parsed<Duration> {
    let wrong = || format!("a time is a number with its unit, 100ms or 5s, not '{text}'");
    let (number, unit_ms) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1_000.0),
        (None, None) => return Err(wrong()),
    };
    let value = number.parse::<f64>().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(value * unit_ms / 1_000.0).map_err(|_| wrong())
}

/// The words of a line; what is in double quotes belongs to one word.
fn words(line: &str) -> Parsed<Vec<String>> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(String::new()),
            c => {
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    if quoted { Err("a quote isn't closed".into()) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(line: &str) -> String {
        Script::parse(&format!("# first\n\n{line}"))
            .map(|script| panic!("{script:?}"))
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn the_documented_script_is_one() {
        let script = Script::parse(
            "rule node=1 opcode=EXECUTE table=shop.orders first=3 do=fail:overloaded\n\
             rule prefix=\"INSERT INTO\" probability=0.1 seed=7 do=delay:200ms\n\
             rule opcode=OPTIONS ready do=drop-request\n\
             rule text=orders nth=5 do=fail:write_timeout,consistency=QUORUM,received=1,required=2,write_type=SIMPLE\n\
             rule do=ignore-connections\n\
             at 20s restart 1\n\
             at 5s stop 1\n\
             at 1500ms add east r1",
        );
        let (now, later) = script.unwrap().split_start();
        assert_eq!(now.steps.len(), 5);
        let times = later.steps.iter().map(|(at, _)| at.as_millis()).collect::<Vec<_>>();
        assert_eq!(times, [1_500, 5_000, 20_000]);
        assert!(matches!(&later.steps[0].1, Step::Add(place) if *place == Place::new("east", "r1")));
    }

    #[test]
    fn errors_have_their_fields() {
        let Ok(error) =
            error("cas_write_unknown,consistency=LOCAL_SERIAL,received=2,required=3,message=gone")
        else {
            panic!()
        };
        let consistency = Consistency::LocalSerial;
        assert_eq!(error.kind, ErrorKind::CasWriteUnknown { consistency, received: 2, required: 3 });
        assert_eq!(&*error.message, "gone");
        assert_eq!(super::error("0x7001").unwrap().code(), 0x7001);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert_eq!(reason("stop"), "line 3: the line ends too early");
        assert!(reason("stop x").contains("'x' is no number"));
        assert!(reason("stop 1 2").contains("'2' is too much"));
        assert!(reason("at 5 stop 1").contains("a number with its unit"));
        assert!(reason("explode").contains("nothing is called 'explode'"));
        assert!(reason("rule node=1").contains("says what to do"));
        assert!(reason("rule do=dance").contains("can't do 'dance'"));
        assert!(reason("rule do=fail:dance").contains("no error is called 'dance'"));
        assert!(reason("rule colour=red do=bytewise").contains("no 'colour'"));
        assert!(reason("rule opcode=RESULT do=bytewise").contains("no request is called 'RESULT'"));
        assert!(reason("rule probability=2 do=bytewise").contains("from 0 to 1"));
        assert!(reason("rule text=\"a do=bytewise").contains("quote"));
        assert!(reason("announce 1 ill").contains("'ill'"));
    }
}
