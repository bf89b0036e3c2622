//! Protocol versions: fixed, and negotiated downwards.

use helenus::Version;
use helenus_node::Node;

use crate::common::{self, Kind, on_every_reactor};

on_every_reactor!(each_version_works, versions_are_negotiated, a_fixed_version_that_is_refused, long_frames);

const INSERT: &str = "INSERT INTO ks.t (id, name) VALUES (?, ?)";

fn each_version_works(kind: Kind) {
    let node = Node::builder().nodes(2).start().unwrap();
    common::make_table(&node);
    for (round, version) in [Version::V3, Version::V4, Version::V5].into_iter().enumerate() {
        let session = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
        assert_eq!(session.version(), version);
        common::fill(&session, 100 * (round as i64 + 1));
        assert_eq!(common::count(&session), 100 * (round as i64 + 1));
        let rows =
            session.query("SELECT id, name FROM ks.t", ()).page_size(9).blocking_iter::<(i64, String)>();
        assert_eq!(
            rows.map(Result::unwrap).filter(|(id, name)| id.to_string() == *name).count(),
            100 * (round + 1)
        );
        session.close().wait().unwrap();
    }
}

fn versions_are_negotiated(kind: Kind) {
    for version in [Version::V3, Version::V4, Version::V5] {
        let node = Node::builder().nodes(3).versions(Version::V3..=version).start().unwrap();
        common::make_table(&node);
        let session = kind.connect(common::builder(&node)).unwrap();
        assert_eq!(session.version(), version);
        common::fill(&session, 300);
        assert_eq!(common::count(&session), 300);
        assert_eq!(session.metrics().counters.failures, 0);
    }
}

fn a_fixed_version_that_is_refused(kind: Kind) {
    let node = Node::builder().versions(Version::V3..=Version::V4).start().unwrap();
    let error = kind.connect(common::builder(&node).protocol_version(Version::V5)).unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("version") && text.contains("v5") && text.contains(&node.addresses()[0].to_string()),
        "{text}"
    );
    let node = Node::builder().versions(Version::V5..=Version::V5).start().unwrap();
    let error = kind.connect(common::builder(&node).protocol_version(Version::V3)).unwrap_err().to_string();
    assert!(error.contains("version"), "{error}");
}

/// Longer than a segment, than a read, than what a socket takes at once.
fn long_frames(kind: Kind) {
    for version in [Version::V4, Version::V5] {
        let node = Node::builder().start().unwrap();
        common::make_table(&node);
        let session = kind.connect(common::builder(&node).protocol_version(version)).unwrap();
        let insert = session.prepare(INSERT).wait().unwrap();
        let select = session.prepare("SELECT name FROM ks.t WHERE id = ?").wait().unwrap();
        let lengths = [0, 1, 65_500, 131_000, 131_071, 131_072, 200_000, 1_000_000, 9_000_000];
        let requests = lengths.iter().map(|length| session.execute(&insert, (*length as i64, text(*length))));
        for (number, result) in session.execute_concurrent(requests, 16) {
            result.unwrap_or_else(|error| panic!("{}: {error}", lengths[number]));
        }
        let requests = lengths.iter().map(|length| session.execute(&select, (*length as i64,)));
        for (number, result) in session.execute_concurrent(requests, 16) {
            assert!(
                result.unwrap().one::<(&str,)>().unwrap().0 == text(lengths[number]),
                "{}",
                lengths[number]
            );
        }
    }
}

fn text(length: usize) -> String {
    (0..length).map(|i| char::from(b'a' + (i % 23) as u8)).collect()
}
