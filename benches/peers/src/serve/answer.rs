//! Which answer each request gets.

use super::system::{self, System};
use crate::wire::{self, FLAG_SKIP_METADATA, Header, Put, Take, opcode, result_kind};
use crate::workload::{Data, Op};
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;

/// As long as the MD5 that Cassandra uses.
const ID_BYTES: usize = 16;
/// Different statements to prepare; a client beyond that gets an error.
const MAX_PREPARED: usize = 1_024;
const SYNTAX_ERROR: u32 = 0x2000;
const INVALID: u32 = 0x2200;
const UNPREPARED: u32 = 0x2500;
const PROTOCOL_ERROR: u32 = 0x000A;
const FLAG_GLOBAL_TABLE: u32 = 0x01;
const FLAG_NO_METADATA: u32 = 0x04;

pub(super) struct Answers {
    system: System,
    prepared: Vec<Prepared>,
    void: Vec<u8>,
    row: Vec<u8>,
    row_without_metadata: Vec<u8>,
}

enum Prepared {
    Write,
    Read,
    System { statement: String, result: Vec<u8> },
}

/// An error that the client is told: code and words.
struct Refusal(u32, String);

impl Answers {
    pub(super) fn new(address: SocketAddr) -> Self {
        let canned = |body: &[u8]| wire::frame(wire::RESPONSE, 0, opcode::RESULT, body);
        Self {
            system: System::new(address),
            prepared: Vec::new(),
            void: canned(&kind(result_kind::VOID)),
            row: canned(&canned_row(true)),
            row_without_metadata: canned(&canned_row(false)),
        }
    }

    /// Appends the answer. An error means that the connection is of no use any more.
    pub(super) fn answer(&mut self, header: &Header, body: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if header.version != wire::REQUEST {
            let text = "Invalid or unsupported protocol version; supported versions are (4/v4)";
            push_error(header.stream, &Refusal(PROTOCOL_ERROR, text.to_owned()), out);
            return Ok(());
        }
        if header.opcode == opcode::EXECUTE {
            return self.execute(header.stream, body, out);
        }
        match self.answer_rare(header.opcode, body)? {
            Ok((opcode, body)) => out.extend(wire::frame(wire::RESPONSE, header.stream, opcode, &body)),
            Err(refusal) => push_error(header.stream, &refusal, out),
        }
        Ok(())
    }

    fn execute(&self, stream: u16, body: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let mut take = Take(body);
        let id = take.short_bytes().context("an EXECUTE without an id")?;
        let flags = take.bytes(3).context("an EXECUTE without parameters")?[2];
        let canned = match prepared_index(id).and_then(|index| self.prepared.get(index)) {
            Some(Prepared::Write) => &self.void,
            Some(Prepared::Read) if flags & FLAG_SKIP_METADATA == 0 => &self.row,
            Some(Prepared::Read) => &self.row_without_metadata,
            Some(Prepared::System { result, .. }) => {
                out.extend(wire::frame(wire::RESPONSE, stream, opcode::RESULT, result));
                return Ok(());
            }
            None => {
                let mut body = error_body(&Refusal(UNPREPARED, "Prepared query not found".to_owned()));
                body.put_short(id.len() as u16);
                body.put(id);
                out.extend(wire::frame(wire::RESPONSE, stream, opcode::ERROR, &body));
                return Ok(());
            }
        };
        let start = out.len();
        out.extend_from_slice(canned);
        out[start + 2..start + 4].copy_from_slice(&stream.to_be_bytes());
        Ok(())
    }

    fn answer_rare(&mut self, request: u8, body: &[u8]) -> Result<Result<(u8, Vec<u8>), Refusal>> {
        Ok(match request {
            opcode::OPTIONS => Ok((opcode::SUPPORTED, supported())),
            opcode::STARTUP | opcode::REGISTER => Ok((opcode::READY, Vec::new())),
            opcode::QUERY | opcode::PREPARE => {
                let statement = Take(body).long_string().context("a request without its statement")?;
                let found =
                    if request == opcode::QUERY { self.query(statement) } else { self.prepare(statement) };
                found.map(|body| (opcode::RESULT, body))
            }
            other => bail!("a request with opcode {other:#04x}"),
        })
    }

    /// Statements that would change something are taken and forgotten.
    fn query(&self, statement: &str) -> Result<Vec<u8>, Refusal> {
        if is_select(statement) { self.select_system(statement) } else { Ok(kind(result_kind::VOID)) }
    }

    fn select_system(&self, statement: &str) -> Result<Vec<u8>, Refusal> {
        self.system.select(statement).map(|rows| rows.body).map_err(|text| Refusal(INVALID, text))
    }

    fn prepare(&mut self, statement: &str) -> Result<Vec<u8>, Refusal> {
        let (new, bound, results) = if !is_select(statement) {
            (Prepared::Write, Some(Op::Insert), None)
        } else if statement.to_ascii_lowercase().contains(" from system") {
            let rows = self.system.select(statement).map_err(|text| Refusal(INVALID, text))?;
            let statement = statement.to_owned();
            (Prepared::System { statement, result: rows.body }, None, Some(rows.metadata))
        } else {
            (Prepared::Read, Some(Op::Select), Some(row_metadata()))
        };
        let index = self.index_of(new)?;
        Ok(prepared_body(index, bound, results))
    }

    /// Preparing again gives the same id.
    fn index_of(&mut self, new: Prepared) -> Result<usize, Refusal> {
        let known = self.prepared.iter().position(|known| match (known, &new) {
            (Prepared::Write, Prepared::Write) | (Prepared::Read, Prepared::Read) => true,
            (Prepared::System { statement: a, .. }, Prepared::System { statement: b, .. }) => a == b,
            _ => false,
        });
        if let Some(index) = known {
            return Ok(index);
        }
        if self.prepared.len() == MAX_PREPARED {
            return Err(Refusal(SYNTAX_ERROR, format!("more than {MAX_PREPARED} statements")));
        }
        self.prepared.push(new);
        Ok(self.prepared.len() - 1)
    }
}

fn is_select(statement: &str) -> bool {
    statement.trim_start().get(..6).is_some_and(|word| word.eq_ignore_ascii_case("select"))
}

fn prepared_index(id: &[u8]) -> Option<usize> {
    if id.len() != ID_BYTES {
        return None;
    }
    Some(u32::from_be_bytes(*id.last_chunk()?) as usize)
}

fn kind(kind: u32) -> Vec<u8> {
    kind.to_be_bytes().to_vec()
}

/// Flags, column count, table and the columns `k` and `v`, section 4.2.5.2.
fn row_metadata() -> Vec<u8> {
    let mut metadata = Vec::new();
    metadata.put_int(FLAG_GLOBAL_TABLE);
    metadata.put_int(2);
    put_pairs_columns(&mut metadata, &["k", "v"]);
    metadata
}

fn put_pairs_columns(out: &mut Vec<u8>, columns: &[&str]) {
    out.put_string("bench");
    out.put_string("pairs");
    for column in columns {
        out.put_string(column);
        out.put_short(system::TEXT);
    }
}

fn canned_row(with_metadata: bool) -> Vec<u8> {
    let data = Data::new();
    let mut body = kind(result_kind::ROWS);
    if with_metadata {
        body.extend(row_metadata());
    } else {
        body.put_int(FLAG_NO_METADATA);
        body.put_int(2);
    }
    body.put_int(1);
    body.put_bytes(data.key(0).as_bytes());
    body.put_bytes(data.value().as_bytes());
    body
}

/// Section 4.2.5.4: the id, what is bound (its first column is the partition key), what comes back.
fn prepared_body(index: usize, bound: Option<Op>, results: Option<Vec<u8>>) -> Vec<u8> {
    let mut body = kind(result_kind::PREPARED);
    body.put_short(ID_BYTES as u16);
    body.put(&[0xAB; ID_BYTES - 4]);
    body.put_int(index as u32);
    let columns: &[&str] = match bound {
        Some(Op::Insert) => &["k", "v"],
        Some(Op::Select) => &["k"],
        None => &[],
    };
    body.put_int(FLAG_GLOBAL_TABLE);
    body.put_int(columns.len() as u32);
    if columns.is_empty() {
        body.put_int(0);
    } else {
        body.put_int(1);
        body.put_short(0);
    }
    put_pairs_columns(&mut body, columns);
    match results {
        Some(metadata) => body.extend(metadata),
        None => {
            body.put_int(FLAG_NO_METADATA);
            body.put_int(0);
        }
    }
    body
}

fn supported() -> Vec<u8> {
    let options: [(&str, &[&str]); 3] =
        [("CQL_VERSION", &["3.4.7"]), ("COMPRESSION", &[]), ("PROTOCOL_VERSIONS", &["4/v4"])];
    let mut body = Vec::new();
    body.put_short(options.len() as u16);
    for (name, values) in options {
        body.put_string(name);
        body.put_short(values.len() as u16);
        values.iter().for_each(|value| body.put_string(value));
    }
    body
}

fn error_body(Refusal(code, text): &Refusal) -> Vec<u8> {
    let mut body = Vec::new();
    body.put_int(*code);
    body.put_string(text);
    body
}

fn push_error(stream: u16, refusal: &Refusal, out: &mut Vec<u8>) {
    out.extend(wire::frame(wire::RESPONSE, stream, opcode::ERROR, &error_body(refusal)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> Answers {
        Answers::new("127.0.0.1:9042".parse().unwrap())
    }

    fn ask(answers: &mut Answers, opcode: u8, body: &[u8]) -> (Header, Vec<u8>) {
        let header = Header { version: wire::REQUEST, stream: 77, opcode, body_bytes: body.len() };
        let mut out = Vec::new();
        answers.answer(&header, body, &mut out).unwrap();
        let header = Header::parse(out[..wire::HEADER_BYTES].try_into().unwrap());
        (header, out[wire::HEADER_BYTES..].to_vec())
    }

    fn prepare(answers: &mut Answers, statement: &str) -> Vec<u8> {
        let mut body = Vec::new();
        body.put_long_string(statement);
        let (_, answer) = ask(answers, opcode::PREPARE, &body);
        let mut take = Take(&answer);
        assert_eq!(take.int(), Some(result_kind::PREPARED));
        take.short_bytes().unwrap().to_vec()
    }

    fn execute(answers: &mut Answers, id: &[u8], flags: u8) -> (Header, Vec<u8>) {
        let mut body = Vec::new();
        body.put_short(id.len() as u16);
        body.put(id);
        body.put_short(1);
        body.push(flags);
        ask(answers, opcode::EXECUTE, &body)
    }

    #[test]
    fn inserts_and_selects_get_answers_of_their_kind_on_their_stream() {
        let mut answers = answers();
        let insert = prepare(&mut answers, Op::Insert.statement());
        let select = prepare(&mut answers, Op::Select.statement());
        assert_ne!(insert, select);
        assert_eq!(insert, prepare(&mut answers, Op::Insert.statement()));
        let (header, body) = execute(&mut answers, &insert, 0);
        assert_eq!((header.stream, header.opcode, body), (77, opcode::RESULT, kind(result_kind::VOID)));
        let (_, with) = execute(&mut answers, &select, 0);
        let (_, without) = execute(&mut answers, &select, FLAG_SKIP_METADATA);
        assert_eq!(with[..4], kind(result_kind::ROWS));
        assert!(with.len() > without.len());
        assert_eq!(with[with.len() - 124..], without[without.len() - 124..]);
    }

    #[test]
    fn an_unknown_id_is_unprepared_and_comes_back() {
        let (header, body) = execute(&mut answers(), &[1; 16], 0);
        assert_eq!(header.opcode, opcode::ERROR);
        assert_eq!(body[..4], UNPREPARED.to_be_bytes());
        assert_eq!(body[body.len() - 16..], [1; 16]);
    }

    #[test]
    fn another_version_is_told_which_one_to_use() {
        let header = Header { version: 5, stream: 1, opcode: opcode::STARTUP, body_bytes: 0 };
        let mut out = Vec::new();
        answers().answer(&header, &[], &mut out).unwrap();
        assert_eq!((out[0], out[4]), (wire::RESPONSE, opcode::ERROR));
        assert_eq!(out[9..13], PROTOCOL_ERROR.to_be_bytes());
    }
}
