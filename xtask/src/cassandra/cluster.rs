//! The cluster as a whole.

use super::node::{Node, PORT};
use super::process::{Signal, State};
use super::{fetch, tls};
use anyhow::{Context, Result, bail};
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) nodes: u8,
    pub(crate) auth: bool,
    pub(crate) tls: bool,
}

const START_TIMEOUT: Duration = Duration::from_secs(300);

/// Starts the cluster and returns when each node answers and knows all others. The same cluster is kept if it
/// is up and well; anything else of this checkout is taken down first. Says whether it was started just now.
pub(crate) fn up(cluster: Cluster) -> Result<bool> {
    let _lock = lock()?;
    if is_up(cluster) {
        eprintln!("cassandra: the same cluster is up already");
        return Ok(false);
    }
    fetch::require(fetch::NEEDS)?;
    remove()?;
    let jars = fetch::jars()?;
    if cluster.tls {
        tls::prepare()?;
    }
    let start = Instant::now();
    let started = launch(cluster, &jars);
    if started.is_err() {
        // The logs stay for reading; the processes don't.
        for node in nodes() {
            node.process().kill()?;
        }
    }
    started?;
    eprintln!("cassandra: {} nodes up in {:.1} s", cluster.nodes, start.elapsed().as_secs_f64());
    Ok(true)
}

/// Kills every node and forgets its data. Nothing to do is no error.
pub(crate) fn down() -> Result<()> {
    let _lock = lock()?;
    remove()
}

/// Runs `work` with the cluster up, and takes it down after, unless it was up before.
pub(crate) fn with<T>(cluster: Cluster, work: impl FnOnce(&str) -> Result<T>) -> Result<T> {
    let started = up(cluster)?;
    let done = work(&contact_points(cluster.nodes));
    let ended = if started { down() } else { Ok(()) };
    done.and_then(|done| ended.map(|()| done))
}

/// The addresses of the first `nodes` nodes, with commas between.
pub(crate) fn contact_points(nodes: u8) -> String {
    let addresses: Vec<_> = (1..=nodes).map(|number| Node { number }.address().to_string()).collect();
    addresses.join(",")
}

pub(super) fn kill(number: u8) -> Result<()> {
    let _lock = lock()?;
    let node = existing(number)?;
    if node.process().state() == State::Gone {
        bail!("node {number} doesn't run");
    }
    node.process().kill()
}

pub(super) fn start(number: u8) -> Result<()> {
    let _lock = lock()?;
    let node = existing(number)?;
    if node.process().state() != State::Gone {
        bail!("node {number} runs already");
    }
    node.start(&fetch::jars()?)?;
    wait(&[node], nodes().len() as u8 - 1)
}

pub(super) fn signal(number: u8, signal: Signal) -> Result<()> {
    existing(number)?.process().signal(signal).with_context(|| format!("node {number}"))
}

pub(super) fn status() -> Result<()> {
    let nodes = nodes();
    if nodes.is_empty() {
        println!("no cluster: cargo xtask cassandra up");
    }
    for node in &nodes {
        let state = match node.process().state() {
            State::Gone => "down".to_owned(),
            State::Stopped => "stopped".to_owned(),
            State::Running => match node.greet(nodes.len() as u8 - 1) {
                Ok(()) => "answers".to_owned(),
                Err(error) => format!("runs, but {error:#}"),
            },
        };
        println!("node {} at {}:{PORT}: {state}", node.number, node.address());
    }
    Ok(())
}

/// Several runs of this program may be asked at once; one at a time changes the cluster.
fn lock() -> Result<fs::File> {
    fs::create_dir_all(fetch::home())?;
    let lock = fs::File::create(fetch::home().join("lock"))?;
    if lock.try_lock().is_err() {
        eprintln!("cassandra: waiting for another `cargo xtask` that starts or ends a cluster");
        lock.lock()?;
    }
    Ok(lock)
}

fn remove() -> Result<()> {
    for node in nodes() {
        node.process().kill().with_context(|| format!("node {}", node.number))?;
    }
    for node in nodes() {
        fs::remove_dir_all(node.folder())?;
    }
    Ok(())
}

fn is_up(cluster: Cluster) -> bool {
    let nodes = nodes();
    nodes.len() == usize::from(cluster.nodes)
        && nodes.iter().all(|node| {
            node.is_configured_for(cluster)
                && node.process().state() == State::Running
                && node.greet(cluster.nodes - 1).is_ok()
        })
}

fn launch(cluster: Cluster, jars: &std::path::Path) -> Result<()> {
    let nodes: Vec<_> = (1..=cluster.nodes).map(|number| Node { number }).collect();
    for node in &nodes {
        node.configure(cluster)?;
        node.start(jars)?;
    }
    wait(&nodes, cluster.nodes - 1)
}

/// Until each of `nodes` answers and knows `peers` others; fails at once when one ends.
fn wait(nodes: &[Node], peers: u8) -> Result<()> {
    let start = Instant::now();
    for node in nodes {
        while let Err(error) = node.greet(peers) {
            let gone = nodes.iter().find(|node| node.process().state() == State::Gone);
            if let Some(gone) = gone {
                bail!("node {} has ended; {}", gone.number, gone.last_words());
            }
            if start.elapsed() > START_TIMEOUT {
                let error = error.context(format!(
                    "node {} isn't ready after {} s",
                    node.number,
                    START_TIMEOUT.as_secs()
                ));
                return Err(error.context(node.last_words()));
            }
            sleep(Duration::from_millis(200));
        }
    }
    Ok(())
}

/// The nodes that have a folder, running or not.
fn nodes() -> Vec<Node> {
    (1..=9).map(|number| Node { number }).filter(|node| node.folder().is_dir()).collect()
}

fn existing(number: u8) -> Result<Node> {
    let node = Node { number };
    if !node.folder().is_dir() {
        bail!("there is no node {number}: cargo xtask cassandra up --nodes {number}");
    }
    Ok(node)
}
