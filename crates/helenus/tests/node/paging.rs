//! Results of many pages: as a stream, an iterator, and page by page.

use std::cell::Cell;
use std::task::Poll;

use futures_util::StreamExt;
use helenus::{Error, Fate, PagingState, PagingStateError, Session, Version};

use crate::common::{self, Kind, on_every_reactor, table, table_with};

on_every_reactor!(
    every_row_once_whatever_the_page_size,
    pages_by_hand_and_in_another_session,
    a_slow_reader_holds_the_server_back,
    a_failing_page_ends_the_stream_and_says_where,
    prepared_statements_page_too,
    no_rows_at_all,
    a_long_page_lets_other_tasks_run,
    pages_of_borrowed_rows_come_ahead_and_no_more,
    a_paging_state_is_for_its_request_alone,
    a_paging_state_of_another_driver_is_taken_as_it_is,
    rows_of_another_type_end_the_stream_where_one_can_go_on,
);

const SELECT: &str = "SELECT id, name FROM ks.t";

fn sorted(mut ids: Vec<i64>) -> Vec<i64> {
    ids.sort_unstable();
    ids
}

fn read_blocking(session: &Session, page_size: i32) -> Vec<i64> {
    let rows = session.query(SELECT, ()).page_size(page_size).blocking_iter::<(i64, String)>();
    sorted(rows.map(|row| row.map(|(id, name)| (assert_eq!(name, id.to_string()), id).1).unwrap()).collect())
}

fn every_row_once_whatever_the_page_size(kind: Kind) {
    const ROWS: i64 = 350;
    let (_node, session) = table(kind, 3);
    let all: Vec<i64> = (0..ROWS).collect();
    common::fill(&session, ROWS);
    for page_size in [1, 7, 100, 349, 350, 351, 10_000, i32::MAX] {
        assert_eq!(read_blocking(&session, page_size), all, "blocking, pages of {page_size}");
        let stream = session.query(SELECT, ()).page_size(page_size).stream::<(i64, String)>();
        let ids = session.block_on(stream.map(|row| row.unwrap().0).collect::<Vec<_>>()).unwrap();
        assert_eq!(sorted(ids), all, "stream, pages of {page_size}");
    }
}

fn pages_by_hand_and_in_another_session(kind: Kind) {
    let (node, session) = table(kind, 1);
    common::fill(&session, 25);
    let (mut ids, mut pages, mut state) = (Vec::new(), 0, None::<PagingState>);
    loop {
        let mut request = session.query(SELECT, ()).page_size(10);
        if let Some(state) = state {
            request = request.page(PagingState::from_bytes(state.to_bytes()).unwrap());
        }
        let response = request.wait().unwrap();
        ids.extend(response.page_rows::<(i64, &str)>().unwrap().map(|row| row.unwrap().0));
        pages += 1;
        state = response.paging_state().cloned();
        if state.is_none() {
            break;
        }
    }
    assert_eq!((sorted(ids), pages), ((0..25).collect(), 3));

    let first = session.query(SELECT, ()).page_size(20).wait().unwrap();
    let state = first.paging_state().unwrap().clone();
    session.close().wait().unwrap();
    let other = kind.connect(common::builder(&node)).unwrap();
    let rest = other.query(SELECT, ()).page(state).blocking_iter::<(i64, String)>();
    assert_eq!(rest.map(Result::unwrap).count(), 5);
}

fn a_slow_reader_holds_the_server_back(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 100);
    let before = session.metrics().counters.requests_sent;
    let mut rows = session.query(SELECT, ()).page_size(10).blocking_iter::<(i64, String)>();
    rows.next().unwrap().unwrap();
    common::sleep(&session, std::time::Duration::from_millis(50));
    assert_eq!(session.metrics().counters.requests_sent - before, 2, "the page being read and the next one");
    drop(rows);
    let rows = session.query(SELECT, ()).page_size(10).blocking_iter::<(i64, String)>();
    assert_eq!(rows.take(35).map(Result::unwrap).count(), 35);
}

fn a_failing_page_ends_the_stream_and_says_where(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 30);
    let mut rows = session.query(SELECT, ()).page_size(10).blocking_iter::<(i64, String)>();
    for _ in 0..15 {
        rows.next().unwrap().unwrap();
    }
    session.query("DROP TABLE ks.t", ()).wait().unwrap();
    // The third page may have been fetched already, or not.
    let rest: Vec<_> = rows.by_ref().collect();
    match rest.last().unwrap() {
        Ok(_) => assert_eq!(rest.len(), 15),
        Err(error) => {
            assert!(error.server_error().is_some(), "{error}");
            assert_eq!(rest.len(), 5 + 1);
            assert!(rows.paging_state().is_some());
        }
    }
    assert!(rows.next().is_none(), "once and no more");
    assert!(rows.next().is_none());
}

fn prepared_statements_page_too(kind: Kind) {
    let (_node, session) = table(kind, 3);
    common::fill(&session, 100);
    let select = session.prepare("SELECT id FROM ks.t WHERE token(id) > ?").wait().unwrap();
    let rows = session.execute(&select, (i64::MIN,)).page_size(7).blocking_iter::<(i64,)>();
    assert_eq!(sorted(rows.map(|row| row.unwrap().0).collect()), (0..100).collect::<Vec<_>>());
}

fn no_rows_at_all(kind: Kind) {
    let (_node, session) = table(kind, 1);
    assert!(read_blocking(&session, 1).is_empty());
    let mut stream = session.query(SELECT, ()).stream::<(i64, String)>();
    assert!(session.block_on(stream.next()).unwrap().is_none());
    assert!(session.block_on(stream.next()).unwrap().is_none());
    let response = session.query(SELECT, ()).wait().unwrap();
    assert_eq!((response.row_count(), response.columns().len()), (0, 2));
    assert!(response.paging_state().is_none());
}

fn a_long_page_lets_other_tasks_run(kind: Kind) {
    const ROWS: i64 = 5_000;
    let (_node, session) = table(kind, 1);
    common::fill(&session, ROWS);
    // What the other has seen of the rows, each time that it was polled.
    let (read, seen) = (Cell::new(0), Cell::new(Vec::new()));
    let reader = async {
        let mut rows = session.query(SELECT, ()).page_size(i32::MAX).stream::<(i64, String)>();
        while let Some(row) = rows.next().await {
            row.unwrap();
            read.set(read.get() + 1);
        }
    };
    let other = std::future::poll_fn(|cx| {
        let mut all = seen.take();
        all.push(read.get());
        seen.set(all);
        cx.waker().wake_by_ref();
        if read.get() < ROWS { Poll::Pending } else { Poll::Ready(()) }
    });
    session.block_on(futures_util::future::join(reader, other)).unwrap();
    let seen = seen.take();
    assert!(seen.windows(2).all(|pair| pair[1] - pair[0] <= 300), "rows in one go: {seen:?}");
}

fn pages_of_borrowed_rows_come_ahead_and_no_more(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 95);
    let ids = |page: &helenus::Response| {
        let rows = page.page_rows::<(i64, &str)>().unwrap().map(Result::unwrap);
        rows.map(|(id, name)| (assert_eq!(name, id.to_string()), id).1).collect::<Vec<_>>()
    };
    let before = session.metrics().counters.requests_sent;
    let mut pages = session.query(SELECT, ()).page_size(10).blocking_pages();
    let first = pages.next().unwrap().unwrap();
    assert_eq!(pages.paging_state(), first.paging_state());
    common::sleep(&session, std::time::Duration::from_millis(50));
    assert_eq!(session.metrics().counters.requests_sent - before, 2, "the page being read and the next one");
    let rest: Vec<_> = pages.by_ref().map(Result::unwrap).collect();
    assert_eq!((rest.len(), rest.last().unwrap().row_count()), (9, 5));
    assert!(pages.next().is_none() && pages.paging_state().is_none());
    let all = std::iter::once(&first).chain(&rest).flat_map(ids).collect();
    assert_eq!(sorted(all), (0..95).collect::<Vec<_>>());

    let stream = session.query(SELECT, ()).page_size(50).pages();
    let pages = session.block_on(stream.map(|page| page.unwrap().row_count()).collect::<Vec<_>>()).unwrap();
    assert_eq!(pages, [50, 45]);
}

fn a_paging_state_is_for_its_request_alone(kind: Kind) {
    const RANGE: &str = "SELECT id FROM ks.t WHERE token(id) > ?";
    let (node, session) = table(kind, 1);
    common::fill(&session, 20);
    let first = session.query(RANGE, (i64::MIN,)).page_size(10).wait().unwrap();
    let text = first.paging_state().unwrap().to_string();
    let state: PagingState = text.parse().unwrap();
    session.close().wait().unwrap();

    let version = Version::V4;
    assert!(first.columns().len() == 1);
    let session = kind.connect(common::builder(&node)).unwrap();
    let prepared = session.prepare(RANGE).wait().unwrap();
    let rest =
        session.execute(&prepared, (i64::MIN,)).page_size(3).page(state.clone()).blocking_iter::<(i64,)>();
    let ids: Vec<_> = rest.map(|row| row.unwrap().0).collect();
    assert_eq!(ids.len(), 10, "prepared, in another session, with pages of another size");
    let known: Vec<_> = first.page_rows::<(i64,)>().unwrap().map(|row| row.unwrap().0).collect();
    assert!(ids.iter().all(|id| !known.contains(id)));

    let refused = |request: helenus::Request<helenus::Response>| {
        let before = session.metrics().counters.requests_sent;
        let error = request.page(state.clone()).wait().unwrap_err();
        assert_eq!((error.fate(), session.metrics().counters.requests_sent), (Fate::NeverSent, before));
        match error {
            Error::PagingState(reason) => reason,
            other => panic!("{other}"),
        }
    };
    assert_eq!(refused(session.query(RANGE, (0_i64,))), PagingStateError::Values);
    assert_eq!(refused(session.execute(&prepared, (0_i64,))), PagingStateError::Values);
    assert_eq!(refused(session.query(SELECT, ())), PagingStateError::Statement);
    drop(prepared);
    session.close().wait().unwrap();
    let elsewhere = kind.connect(common::builder(&node).keyspace("ks")).unwrap();
    let error = elsewhere.query(RANGE, (i64::MIN,)).page(state.clone()).wait().unwrap_err();
    assert!(matches!(error, Error::PagingState(PagingStateError::Keyspace)), "{error}");
    elsewhere.close().wait().unwrap();
    let older = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
    let error = older.query(RANGE, (i64::MIN,)).page(state).wait().unwrap_err();
    let expected = PagingStateError::Version { state: Version::V5, session: version };
    assert!(matches!(error, Error::PagingState(reason) if reason == expected), "{error}");
    assert!(error.to_string().contains("v5") && error.to_string().contains("v4"), "{error}");
}

fn a_paging_state_of_another_driver_is_taken_as_it_is(kind: Kind) {
    let (_node, session) = table(kind, 1);
    common::fill(&session, 20);
    let first = session.query(SELECT, ()).page_size(15).wait().unwrap();
    let bytes = first.paging_state().unwrap().server_bytes();
    let rest =
        session.query("SELECT id FROM ks.t", ()).page(PagingState::from_server_bytes(bytes)).wait().unwrap();
    assert_eq!(rest.row_count(), 5);
}

fn rows_of_another_type_end_the_stream_where_one_can_go_on(kind: Kind) {
    let (_node, session) = table_with(kind, 1, |builder| builder);
    common::fill(&session, 20);
    let mut rows = session.query(SELECT, ()).page_size(10).blocking_iter::<(i64, i32)>();
    let error = rows.next().unwrap().unwrap_err();
    assert!(matches!(error, Error::Row(_)) && error.to_string().contains("name"), "{error}");
    assert!(rows.next().is_none() && rows.paging_state().is_none(), "it fails at the first page");
    assert_eq!(
        session.query("SELECT id FROM ks.t", ()).wait().unwrap().row_count(),
        20,
        "the session goes on"
    );
}

#[cfg(feature = "lz4")]
mod compressed {
    use super::*;

    on_every_reactor!(a_paging_state_is_bound_though_all_is_compressed);

    fn a_paging_state_is_bound_though_all_is_compressed(kind: Kind) {
        // Only long frames are compressed.
        let long = format!("{SELECT} WHERE token(id) > ? /* {} */", "long ".repeat(200));
        for version in [Version::V4, Version::V5] {
            let (_node, session) = table_with(kind, 1, |builder| {
                builder.protocol_version(version).compression(helenus::Compression::Lz4)
            });
            common::fill(&session, 400);
            let rows = session.query(&*long, (i64::MIN,)).page_size(150).blocking_iter::<(i64, String)>();
            assert_eq!(rows.map(Result::unwrap).count(), 400, "{version}");
            let first = session.query(&*long, (i64::MIN,)).page_size(150).wait().unwrap();
            let state = first.paging_state().unwrap().clone();
            let error = session.query(&*long, (0_i64,)).page(state).wait().unwrap_err();
            assert!(matches!(error, Error::PagingState(PagingStateError::Values)), "{version}: {error}");
        }
    }
}
