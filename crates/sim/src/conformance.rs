//! The suite that reactors must pass, played by this one: peers follow scripts, and time is virtual.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use helenus_conformance::{Simulation, Step, Tally, pattern, tls};
use helenus_core::Time;
use helenus_core::reactor::Seed;
use rustls::ServerConnection;

use crate::driver::{Around, Driver};
use crate::link::Phase;
use crate::net::{Happening, Net};
use crate::plan::Network;
use crate::rng::Rng;
use crate::trace::Trace;

/// What a peer writes at once.
const PIECE: usize = 64 * 1024;
/// What may be on its way to a client that does not read.
const UNREAD_MAX: usize = 1 << 20;

/// How the loop reads and writes.
#[derive(Clone, Copy)]
enum Style {
    Readiness,
    Completions,
    /// Each connection as it comes, each direction by itself.
    Mixed,
}

/// Several loops, each with a network of its own, and the peers of all.
struct Stage {
    loops: Vec<Loop>,
    around: Peers,
}

struct Loop {
    driver: Driver,
    style: Style,
    /// Of each link, what its peer does.
    players: Vec<Option<Player>>,
}

#[derive(Default)]
struct Peers {
    scripts: Vec<Script>,
    violations: Vec<String>,
}

struct Script {
    count: usize,
    steps: Vec<Step>,
    tally: Tally,
    /// Connections taken, and those that are done with.
    taken: Cell<usize>,
    served: usize,
}

/// The peer's side of one connection.
struct Player {
    script: usize,
    step: usize,
    /// How much of the step is done.
    done: usize,
    read: usize,
    written: usize,
    /// Arrivals that were not taken yet.
    arrived: usize,
    /// What lies between the wire and the script.
    tls: Option<Box<ServerConnection>>,
    /// Came, and not read by the script yet.
    input: Vec<u8>,
    until: Option<Time>,
    ended: bool,
    deaf: bool,
}

fn simulate(seeds: Vec<Seed>, style: Style) -> Box<dyn Simulation> {
    let loops = seeds.into_iter().enumerate().map(|(number, seed)| {
        let net = Net::new(network(), Rng::new(number as u64), Trace::new(false), false);
        Loop { driver: Driver::new(seed.grow(), net), style, players: Vec::new() }
    });
    Box::new(Stage { loops: loops.collect(), around: Peers::default() })
}

/// A network without faults, for rows say what goes wrong.
fn network() -> Network {
    Network {
        latency_us: (10, 40),
        split: 1_500,
        read_max: 64 * 1024,
        capacity: 1 << 20,
        spurious: 0,
        refuse: 0,
        connect_hole: 0,
        client_reset: 0,
        short_write: 0,
    }
}

/// Addresses of peers are numbered; two more stand for nobody and for silence.
fn address(number: usize) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1_000 + number as u16)
}

const NOBODY: usize = 60_000;
const SILENCE: usize = 60_001;

impl Simulation for Stage {
    fn listen(&mut self, count: usize, steps: Vec<Step>, tally: Tally) -> SocketAddr {
        self.around.scripts.push(Script { count, steps, tally, taken: Cell::new(0), served: 0 });
        address(self.around.scripts.len() - 1)
    }

    fn nobody(&mut self) -> SocketAddr {
        address(NOBODY)
    }

    fn black_hole(&mut self) -> SocketAddr {
        address(SILENCE)
    }

    fn step(&mut self) -> bool {
        let stepped = (0..self.loops.len()).filter(|number| self.loops[*number].step(&mut self.around, None));
        let any = stepped.count() > 0;
        assert_eq!(self.around.violations, [""; 0]);
        any
    }

    fn pass(&mut self, time: Duration) {
        for each in &mut self.loops {
            let until = each.driver.net.now + time;
            while each.driver.net.now < until && each.step(&mut self.around, Some(until)) {}
            each.driver.net.now = until;
        }
    }

    fn is_served(&self, served: SocketAddr) -> bool {
        let mut scripts = self.around.scripts.iter().enumerate();
        scripts.any(|(number, script)| address(number) == served && script.served == script.count)
    }

    fn has_ended(&self) -> bool {
        self.loops.iter().all(|each| {
            each.driver.machine.is_none()
                && each.driver.net.links.iter().all(|link| link.phase == Phase::Gone)
        })
    }
}

impl Loop {
    /// Whatever comes next: what the network or a peer does, a turn, or time that passes, though not beyond `limit`.
    fn step(&mut self, around: &mut Peers, limit: Option<Time>) -> bool {
        let mut busy = false;
        while let Some(happening) = self.driver.net.pop() {
            self.driver.is_busy();
            self.happen(happening, around);
            busy = true;
        }
        for link in 0..self.players.len() {
            busy |= self.play(link, around);
        }
        if self.driver.wants_turn() {
            self.turn(around);
            self.driver.net.now = self.driver.net.now + Duration::from_micros(5);
            return true;
        }
        if busy {
            // What the row waits for may be there already.
            return true;
        }
        self.driver.is_busy();
        let deadline = self.driver.machine.as_ref().and_then(|machine| machine.deadline());
        let pauses = self.players.iter().flatten().filter_map(|player| player.until);
        let next = self.driver.net.next_at().into_iter().chain(deadline).chain(pauses).chain(limit).min();
        next.inspect(|next| self.driver.net.now = self.driver.net.now.max(*next)).is_some()
    }

    fn turn(&mut self, around: &mut Peers) {
        let known = self.driver.net.links.len();
        self.driver.turn(around);
        for link in &mut self.driver.net.links[known..] {
            match self.style {
                Style::Readiness => (link.pushes_bytes, link.takes_blocks) = (false, false),
                Style::Completions => (link.pushes_bytes, link.takes_blocks) = (true, true),
                Style::Mixed => {}
            }
        }
        if self.driver.machine.is_none() {
            // What a loop does when it has let go of its machine.
            let links = 0..self.driver.net.links.len();
            links.for_each(|link| {
                if self.driver.net.links[link].phase != Phase::Gone {
                    self.driver.net.close_by_client(link);
                }
            });
        }
    }

    fn happen(&mut self, happening: Happening, around: &mut Peers) {
        match happening {
            Happening::Connected(link) if self.driver.net.links[link].node == SILENCE => {}
            Happening::Connected(link) => {
                self.driver.answered(link, true);
                self.players.resize_with(self.driver.net.links.len(), || None);
                // As a listener's kernel does, it takes whoever knocks, also one who has left meanwhile.
                let script = self.driver.net.links[link].node;
                let taken = &around.scripts[script].taken;
                if taken.get() < around.scripts[script].count {
                    taken.set(taken.get() + 1);
                    self.driver.net.links[link].server.get_or_insert_default();
                    self.players[link] = Some(Player::new(script));
                }
            }
            Happening::Refused(link) => self.driver.answered(link, false),
            Happening::ToNode(link) => match self.players.get_mut(link) {
                Some(Some(player)) => player.arrived += 1,
                _ => drop(self.driver.net.arrive_at_node(link)),
            },
            Happening::ToClient(link) => self.driver.net.arrive_at_client(link),
            other => around.violation(format!("{other:?} is not of this world")),
        }
    }

    /// Lets a peer do what it can do now. Whether it has finished a step.
    fn play(&mut self, link: usize, around: &mut Peers) -> bool {
        let Some(mut player) = self.players[link].take() else { return false };
        let before = player.step;
        let script = &mut around.scripts[player.script];
        loop {
            let Some(step) = script.steps.get(player.step) else {
                player.say_end(&mut self.driver.net, link);
                if self.driver.net.links[link].server.take().is_some() {
                    self.driver.net.end_to_client(link, false);
                }
                script.served += 1;
                // What comes from now on is for nobody.
                (0..player.arrived).for_each(|_| drop(self.driver.net.arrive_at_node(link)));
                return true;
            };
            if !player.play(&mut self.driver.net, link, step, &script.tally) {
                break;
            }
            (player.step, player.done, player.until) = (player.step + 1, 0, None);
        }
        let progress = player.step > before;
        self.players[link] = Some(player);
        progress
    }
}

impl Player {
    fn new(script: usize) -> Self {
        Self {
            script,
            step: 0,
            done: 0,
            read: 0,
            written: 0,
            arrived: 0,
            tls: None,
            input: Vec::new(),
            until: None,
            ended: false,
            deaf: false,
        }
    }

    /// Does what can be done of a step. Whether it is finished.
    fn play(&mut self, net: &mut Net, link: usize, step: &Step, tally: &Tally) -> bool {
        match step {
            Step::Secure => self.shake_hands(net, link),
            Step::Read(count) => self.read(net, link, *count, tally),
            Step::ReadToEnd => self.read(net, link, usize::MAX, tally),
            Step::Write(count) => self.write(net, link, *count, PIECE),
            Step::WriteSingly(count) => self.write(net, link, *count, 1),
            Step::Flood => self.write(net, link, usize::MAX, PIECE),
            Step::Echo => self.echo(net, link),
            Step::Pause(pause) => *self.until.get_or_insert(net.now + *pause) <= net.now,
            Step::Await(gate) => gate.is_open(),
            Step::ShutWrite => {
                self.say_end(net, link);
                net.end_to_client(link, false);
                true
            }
            Step::ShutRead => {
                self.deaf = true;
                true
            }
            Step::Reset => {
                net.links[link].to_node.clear();
                self.arrived = 0;
                net.links[link].server = None;
                net.end_to_client(link, true);
                true
            }
            other => panic!("no peer of this world can do {other:?}"),
        }
    }

    /// Takes what has arrived. Whether there is something to be read.
    fn take(&mut self, net: &mut Net, link: usize) -> bool {
        while self.input.len() < PIECE && self.arrived > 0 {
            self.arrived -= 1;
            match net.arrive_at_node(link) {
                Some(_) if self.deaf => {}
                Some(bytes) => self.understand(net, link, &bytes),
                None => self.ended |= net.links[link].server.is_none(),
            }
        }
        !self.input.is_empty()
    }

    fn read(&mut self, net: &mut Net, link: usize, count: usize, tally: &Tally) -> bool {
        while self.done < count && self.take(net, link) {
            let bytes: Vec<_> = self.input.drain(..self.input.len().min(count - self.done)).collect();
            tally.check(self.read, &bytes);
            self.read += bytes.len();
            self.done += bytes.len();
        }
        self.done == count || (self.ended && self.input.is_empty())
    }

    /// Writes what the client's kernel and the way there have room for.
    fn write(&mut self, net: &mut Net, link: usize, count: usize, piece: usize) -> bool {
        while self.done < count {
            if net.links[link].phase == Phase::Gone {
                // The client's kernel would answer with a reset.
                self.ended = true;
                return true;
            }
            let room = UNREAD_MAX.saturating_sub(net.links[link].unread());
            if room == 0 {
                return false;
            }
            let length = (count - self.done).min(piece).min(room);
            self.say(net, link, &pattern(self.written, length));
            self.written += length;
            self.done += length;
        }
        true
    }

    fn echo(&mut self, net: &mut Net, link: usize) -> bool {
        while net.links[link].unread() < UNREAD_MAX && self.take(net, link) {
            let bytes = std::mem::take(&mut self.input);
            self.say(net, link, &bytes);
        }
        self.ended && self.input.is_empty()
    }

    fn shake_hands(&mut self, net: &mut Net, link: usize) -> bool {
        if self.tls.is_none() {
            self.tls = Some(Box::new(ServerConnection::new(tls::server()).unwrap()));
        }
        self.take(net, link);
        self.ended || self.tls.as_ref().is_some_and(|tls| !tls.is_handshaking())
    }

    /// Bytes of the wire, for the script.
    fn understand(&mut self, net: &mut Net, link: usize, mut bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return self.input.extend(bytes) };
        while !bytes.is_empty() {
            tls.read_tls(&mut bytes).unwrap();
            let Ok(state) = tls.process_new_packets() else {
                self.ended = true;
                return;
            };
            let start = self.input.len();
            self.input.resize(start + state.plaintext_bytes_to_read(), 0);
            tls.reader().read_exact(&mut self.input[start..]).unwrap();
        }
        self.send_ciphertext(net, link);
    }

    /// What the script says, for the wire.
    fn say(&mut self, net: &mut Net, link: usize, bytes: &[u8]) {
        let Some(tls) = &mut self.tls else { return net.send_to_client(link, bytes) };
        // It is sent at once, so no limit of what is waiting has a meaning.
        tls.set_buffer_limit(None);
        tls.writer().write_all(bytes).unwrap();
        self.send_ciphertext(net, link);
    }

    fn say_end(&mut self, net: &mut Net, link: usize) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.send_ciphertext(net, link);
    }

    fn send_ciphertext(&mut self, net: &mut Net, link: usize) {
        let Some(tls) = &mut self.tls else { return };
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).unwrap();
        }
        if !out.is_empty() && net.links[link].phase != Phase::Gone {
            net.send_to_client(link, &out);
        }
    }
}

impl Around for Peers {
    fn violation(&mut self, text: String) {
        self.violations.push(text);
    }

    fn delivered(&mut self) {}

    fn meanwhile(&mut self, _net: &mut Net) {}

    fn node_at(&self, wanted: SocketAddr) -> (Option<usize>, bool) {
        if wanted == address(SILENCE) {
            return (Some(SILENCE), false);
        }
        let number = (0..self.scripts.len()).find(|number| address(*number) == wanted);
        (number, number.is_some_and(|number| self.scripts[number].taken.get() == self.scripts[number].count))
    }

    fn resolve(&mut self, _net: &mut Net, _host: &str) -> io::Result<Vec<SocketAddr>> {
        Err(io::Error::other("no such host"))
    }
}

fn readiness(seeds: Vec<Seed>) -> Box<dyn Simulation> {
    simulate(seeds, Style::Readiness)
}

fn completions(seeds: Vec<Seed>) -> Box<dyn Simulation> {
    simulate(seeds, Style::Completions)
}

fn mixed(seeds: Vec<Seed>) -> Box<dyn Simulation> {
    simulate(seeds, Style::Mixed)
}

helenus_conformance::mount!(sim_readiness, simulated readiness);
helenus_conformance::mount!(sim_completions, simulated completions);
helenus_conformance::mount!(sim_mixed, simulated mixed);
helenus_conformance::mount!(tls: sim_readiness_tls, simulated readiness);
helenus_conformance::mount!(tls: sim_completions_tls, simulated completions);
helenus_conformance::mount!(tls: sim_mixed_tls, simulated mixed);
