//! Tasks that are cancelled, and drivers that are never polled.

use async_std::task;
use helenus_conformance::{Command, Peer, Remote};
use helenus_core::reactor::{ConnId, Latch, TaskReactor};
use helenus_reactor_async_std::AsyncStd;

const CONN: ConnId = ConnId::new(0, 0);

#[test]
fn a_cancelled_task_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    let task = task::spawn(AsyncStd::task().drive(seed, latch.guard()));
    remote.push(Command::Open(CONN, peer.address()));
    remote.wait("opened", |log| log.opened == [CONN]);

    assert_eq!(task::block_on(task.cancel()), None);

    latch.wait();
    assert!(remote.log().dropped, "the latch opened before the machine was gone");
    peer.join();
}

#[test]
fn a_driver_that_is_dropped_unpolled_opens_the_latch() {
    let (remote, seed) = Remote::new();
    let latch = Latch::new();

    drop(AsyncStd::task().drive(seed, latch.guard()));

    latch.wait();
    assert_eq!(remote.log().turns, 0);
}

#[test]
fn a_block_on_that_ends_first_takes_the_machine_with_it() {
    let (remote, seed) = Remote::new();
    let (latch, peer) = (Latch::new(), Peer::echo(1));
    remote.push(Command::Open(CONN, peer.address()));
    let mut driver = Box::pin(AsyncStd::task().drive(seed, latch.guard()));

    task::block_on(async {
        let opened = async {
            while remote.log().opened != [CONN] {
                task::yield_now().await;
            }
        };
        let mut opened = std::pin::pin!(opened);
        std::future::poll_fn(|cx| {
            assert!(driver.as_mut().poll(cx).is_pending());
            opened.as_mut().poll(cx)
        })
        .await;
        drop(driver);
    });

    latch.wait();
    assert!(remote.log().dropped);
    peer.join();
}
