//! The one thread on which a loop lets blocking work be done.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::task::Waker;
use std::thread::{self, JoinHandle};

use helenus_core::reactor::{Job, JobId, JobOutcome};

/// How many jobs wait for the thread at most. A driver looks its contact points up, and a node's name now and then.
const QUEUE: usize = 256;

/// What came of a job.
#[derive(Debug)]
pub struct Answer {
    /// Which job.
    pub job: JobId,
    /// What came of it.
    pub outcome: JobOutcome,
}

/// Does a loop's jobs on a thread that is started by the first of them.
///
/// Nothing here blocks the loop: beyond 256 waiting jobs the answer is an error at once. Dropping it ends the thread,
/// and waits for that unless a job is being done, for `getaddrinfo` can take half a minute and can't be interrupted.
/// Then the thread ends by itself after that job, with nothing of the loop but its waker; the job's errand says until when.
#[derive(Debug)]
pub struct Jobs {
    waker: Waker,
    /// Answers that needed no thread.
    ready: VecDeque<Answer>,
    worker: Option<Worker>,
}

#[derive(Debug)]
struct Worker {
    /// Taken to end the thread.
    jobs: Option<SyncSender<(JobId, Job)>>,
    answers: Receiver<Answer>,
    unanswered: usize,
    thread: Option<JoinHandle<()>>,
}

impl Jobs {
    /// No thread yet. `waker` is called, by reference, after each answer of the thread.
    pub fn new(waker: Waker) -> Self {
        Self { waker, ready: VecDeque::new(), worker: None }
    }

    /// Has `work` done. [`Jobs::answer`] will give the answer, also if it can't be done.
    pub fn start(&mut self, job: JobId, work: Job) {
        if let Some(outcome) = without_thread(&work).or_else(|| self.send(job, work).err().map(failed)) {
            self.ready.push_back(Answer { job, outcome });
        }
    }

    /// An answer that is there.
    pub fn answer(&mut self) -> Option<Answer> {
        if let Some(answer) = self.ready.pop_front() {
            return Some(answer);
        }
        let worker = self.worker.as_mut()?;
        let answer = worker.answers.try_recv().ok()?;
        worker.unanswered -= 1;
        Some(answer)
    }

    /// Whether there is an answer for which no wake will come.
    pub fn has_unannounced(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Whether the thread still owes an answer.
    pub fn has_unanswered(&self) -> bool {
        self.worker.as_ref().is_some_and(|worker| worker.unanswered > 0)
    }

    fn send(&mut self, job: JobId, work: Job) -> io::Result<()> {
        let worker = match &mut self.worker {
            Some(worker) => worker,
            none => none.insert(Worker::start(self.waker.clone())?),
        };
        let Some(jobs) = &worker.jobs else { return Err(io::ErrorKind::BrokenPipe.into()) };
        jobs.try_send((job, work)).map_err(|refused| match refused {
            TrySendError::Full(_) => io::Error::other("too many name lookups wait already; try again later"),
            TrySendError::Disconnected(_) => io::Error::other("the thread for name lookups has ended"),
        })?;
        worker.unanswered += 1;
        Ok(())
    }
}

impl Worker {
    fn start(waker: Waker) -> io::Result<Self> {
        let (jobs, todo) = mpsc::sync_channel(QUEUE);
        let (done, answers) = mpsc::channel();
        let thread = thread::Builder::new().name("helenus-jobs".into()).spawn(move || {
            let last = work_off(&todo, &done, &waker, perform);
            drop((todo, done, waker));
            drop(last);
        })?;
        Ok(Self { jobs: Some(jobs), answers, unanswered: 0, thread: Some(thread) })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        while self.answers.try_recv().is_ok() {
            self.unanswered -= 1;
        }
        if self.unanswered > 0 {
            return;
        }
        if let Some(thread) = self.thread.take() {
            // Its panic, if any, was reported on its own thread.
            let _ = thread.join();
        }
    }
}

/// Works until nobody wants an answer any more. Gives the last job that was done, whose errand is to be held until all else is
/// let go of.
fn work_off(
    todo: &Receiver<(JobId, Job)>,
    done: &Sender<Answer>,
    waker: &Waker,
    perform: fn(&Job) -> JobOutcome,
) -> Option<Job> {
    while let Ok((job, work)) = todo.recv() {
        if done.send(Answer { job, outcome: perform(&work) }).is_err() {
            return Some(work);
        }
        // Whoever hears of the answer may look for the errand.
        drop(work);
        waker.wake_by_ref();
    }
    None
}

fn perform(work: &Job) -> JobOutcome {
    match work {
        Job::Resolve { host, port, .. } => {
            JobOutcome::Resolved((host.as_str(), *port).to_socket_addrs().map(Iterator::collect))
        }
        _ => unknown(),
    }
}

fn without_thread(work: &Job) -> Option<JobOutcome> {
    match work {
        Job::Resolve { host, port, .. } => {
            let address: IpAddr = host.parse().ok()?;
            Some(JobOutcome::Resolved(Ok(vec![SocketAddr::new(address, *port)])))
        }
        _ => Some(unknown()),
    }
}

fn failed(error: io::Error) -> JobOutcome {
    JobOutcome::Resolved(Err(error))
}

// `Job` may grow in a core that is newer than this crate; that is an answer, not a silence.
fn unknown() -> JobOutcome {
    failed(io::Error::new(
        io::ErrorKind::Unsupported,
        "this reactor is older than the core and can't do that job",
    ))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use helenus_core::reactor::{Errand, Latch};

    use super::*;

    fn resolve(host: &str) -> Job {
        Job::Resolve { host: host.into(), port: 9042, errand: Errand::default() }
    }

    fn addresses(answer: Answer) -> io::Result<Vec<SocketAddr>> {
        let JobOutcome::Resolved(addresses) = answer.outcome else { panic!("not a name lookup") };
        addresses
    }

    #[test]
    fn the_text_of_an_address_needs_no_thread() {
        let mut jobs = Jobs::new(Waker::noop().clone());

        jobs.start(JobId(7), resolve("::1"));

        assert!(jobs.worker.is_none());
        assert!(jobs.has_unannounced());
        let answer = jobs.answer().unwrap();
        assert_eq!(answer.job, JobId(7));
        assert_eq!(addresses(answer).unwrap(), ["[::1]:9042".parse().unwrap()]);
    }

    #[test]
    fn more_jobs_than_the_queue_holds_are_refused_not_waited_for() {
        let mut jobs = Jobs::new(Waker::noop().clone());
        // A thread that takes nothing.
        let (queue, _todo) = mpsc::sync_channel(1);
        let (_done, answers) = mpsc::channel();
        jobs.worker = Some(Worker { jobs: Some(queue), answers, unanswered: 0, thread: None });

        jobs.start(JobId(1), resolve("localhost"));
        jobs.start(JobId(2), resolve("localhost"));

        let refused = jobs.answer().unwrap();
        assert_eq!(refused.job, JobId(2));
        assert!(addresses(refused).unwrap_err().to_string().contains("too many"));
        assert!(jobs.answer().is_none());
    }

    #[test]
    fn an_errand_is_held_until_the_thread_is_done_with_everything() {
        const WORK: Duration = Duration::from_millis(100);
        fn slow(_: &Job) -> JobOutcome {
            thread::sleep(WORK);
            failed(io::ErrorKind::TimedOut.into())
        }
        let errands = Latch::new();
        let (jobs, todo) = mpsc::sync_channel(1);
        let (done, answers) = mpsc::channel();
        let errand = Errand::of(&errands);
        jobs.send((JobId(1), Job::Resolve { host: "slow".into(), port: 1, errand })).unwrap();
        // Nobody waits for the answer any more.
        drop((jobs, answers));
        let begun = Instant::now();

        let thread = thread::spawn(move || drop(work_off(&todo, &done, Waker::noop(), slow)));
        errands.wait();

        assert!(begun.elapsed() >= WORK);
        thread.join().unwrap();
    }
}
