//! What rows cost in memory, and requests in CPU time of the node's thread: `cargo run --release -p helenus-node --example
//! figures -- [ROWS]`. The client keeps 120 requests in flight on one connection: it sends them, and reads their answers.

use std::error::Error;
use std::io::{Read, Write};
use std::net::TcpStream;

use helenus_core::protocol::request::{
    Execute, ParameterOptions, Parameters, Prepare, Query, Request, Startup, Values,
};
use helenus_core::protocol::response::{Message, Response, ResultMessage};
use helenus_core::protocol::wire::{Value, put_value};
use helenus_core::protocol::{Flags, Header, Version, envelope};
use helenus_node::Node;

type Outcome<T> = Result<T, Box<dyn Error>>;

const VERSION: Version = Version::V4;
const IN_FLIGHT: u64 = 120;

fn main() -> Outcome<()> {
    let rows = std::env::args().nth(1).map_or(Ok(1_000_000), |rows| rows.parse())?;
    let node = Node::builder().memory_limit_bytes(8 << 30).start()?;
    let mut client = Client::connect(node.addresses()[0])?;
    client
        .run("CREATE KEYSPACE f WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}")?;
    client.run("CREATE TABLE f.t (k bigint PRIMARY KEY, v blob)")?;
    let insert = client.prepare("INSERT INTO f.t (k, v) VALUES (?, ?)")?;
    let select = client.prepare("SELECT v FROM f.t WHERE k = ?")?;
    let before = memory_bytes()?;
    let value = [7; 100];
    measure("an insert", rows, || client.executions(&insert, rows, Some(&value)))?;
    let bytes = memory_bytes()? - before;
    println!(
        "{:>10.1} bytes a row of {} (and {:.2} GB in all)",
        bytes as f64 / rows as f64,
        value.len(),
        bytes as f64 / 1e9
    );
    measure("an insert again", rows, || client.executions(&insert, rows, Some(&value)))?;
    measure("a select by key", rows, || client.executions(&select, rows, None))?;
    measure("a row of a page", rows, || client.pages("SELECT k, v FROM f.t", rows))
}

/// Runs something, and prints what the node's thread needed for each of `count`.
fn measure(what: &str, count: u64, run: impl FnOnce() -> Outcome<()>) -> Outcome<()> {
    let before = node_ticks()?;
    run()?;
    let after = node_ticks()?;
    // The kernel counts in hundredths of a second.
    let micros = |ticks: u64| ticks as f64 * 1e4 / count as f64;
    let (user, system) = (micros(after.0 - before.0), micros(after.1 - before.1));
    println!(
        "{:>10.3} us of CPU for {what}: {user:.3} in the program, {system:.3} in the kernel",
        user + system
    );
    Ok(())
}

/// User and system time of the thread that is called helenus-node.
fn node_ticks() -> Outcome<(u64, u64)> {
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        if let Some((_, rest)) = stat.split_once("(helenus-node) ") {
            let mut fields = rest.split(' ').skip(11);
            let mut next = || fields.next().unwrap_or_default().parse::<u64>();
            return Ok((next()?, next()?));
        }
    }
    Err("the node has no thread".into())
}

fn memory_bytes() -> Outcome<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    Ok(statm.split(' ').nth(1).unwrap_or_default().parse::<u64>()? * 4_096)
}

struct Client {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Client {
    fn connect(address: std::net::SocketAddr) -> Outcome<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        let mut client = Self { socket, received: Vec::new() };
        client.ask(&Request::Startup(Startup::new()))?;
        Ok(client)
    }

    fn run(&mut self, text: &str) -> Outcome<()> {
        self.ask(&Request::Query(Query::new(text))).map(|_| ())
    }

    fn prepare(&mut self, text: &str) -> Outcome<Vec<u8>> {
        let (header, body) = self.ask(&Request::Prepare(Prepare { text, keyspace: None }))?;
        match Response::decode(VERSION, &header, &body)?.message {
            Message::Result(ResultMessage::Prepared(prepared)) => Ok(prepared.id.to_vec()),
            other => Err(format!("not prepared: {other:?}").into()),
        }
    }

    /// One for each key, 120 at a time.
    fn executions(&mut self, id: &[u8], count: u64, value: Option<&[u8]>) -> Outcome<()> {
        let mut out = Vec::new();
        let mut values = Vec::new();
        for first in (0..count).step_by(IN_FLIGHT as usize) {
            out.clear();
            let last = count.min(first + IN_FLIGHT);
            for key in first..last {
                values.clear();
                // Keys in no order.
                put_value(&mut values, Value::Bytes(&key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes()))?;
                if let Some(value) = value {
                    put_value(&mut values, Value::Bytes(value))?;
                }
                let number = 1 + u16::from(value.is_some());
                let options = ParameterOptions { skip_metadata: true, ..ParameterOptions::default() };
                let parameters = Parameters { values: Values::new(number, &values), options };
                put(&Request::Execute(Execute { id, result_metadata_id: None, parameters }), &mut out)?;
            }
            self.socket.write_all(&out)?;
            for _ in first..last {
                self.receive()?;
            }
        }
        Ok(())
    }

    fn pages(&mut self, text: &str, expected: u64) -> Outcome<()> {
        let mut state: Option<Vec<u8>> = None;
        let mut rows = 0;
        loop {
            let options = ParameterOptions {
                page_size: Some(5_000),
                paging_state: state.as_deref(),
                ..ParameterOptions::default()
            };
            let parameters = Parameters { values: Values::NONE, options };
            let (header, body) = self.ask(&Request::Query(Query { text, parameters }))?;
            let Message::Result(ResultMessage::Rows(page)) =
                Response::decode(VERSION, &header, &body)?.message
            else {
                return Err("no rows".into());
            };
            rows += page.row_count as u64;
            state = page.metadata.paging_state.map(<[u8]>::to_vec);
            if state.is_none() {
                return if rows == expected { Ok(()) } else { Err(format!("{rows} rows").into()) };
            }
        }
    }

    fn ask(&mut self, request: &Request<'_>) -> Outcome<(Header, Vec<u8>)> {
        let mut out = Vec::new();
        put(request, &mut out)?;
        self.socket.write_all(&out)?;
        self.receive()
    }

    fn receive(&mut self) -> Outcome<(Header, Vec<u8>)> {
        loop {
            if let Some(head) = self.received.first_chunk() {
                let header = Header::parse(head);
                let end = Header::LEN + header.length as usize;
                if self.received.len() >= end {
                    let body = self.received[Header::LEN..end].to_vec();
                    self.received.drain(..end);
                    if header.opcode == 0 {
                        return Err(
                            format!("{:?}", Response::decode(VERSION, &header, &body)?.message).into()
                        );
                    }
                    return Ok((header, body));
                }
            }
            let mut part = [0; 1 << 16];
            let count = self.socket.read(&mut part)?;
            if count == 0 {
                return Err("the connection was closed".into());
            }
            self.received.extend_from_slice(&part[..count]);
        }
    }
}

fn put(request: &Request<'_>, out: &mut Vec<u8>) -> Outcome<()> {
    let start = envelope::begin(out, VERSION, Flags::NONE, request.opcode());
    request.put(VERSION, out)?;
    envelope::finish(out, start)?;
    Ok(())
}
