//! Types in their three spellings: CQL's, Java's, and that of metadata.

use std::sync::Arc;

use helenus_core::protocol::wire::{Reader, put_option, put_string};
use helenus_core::protocol::{ColumnType, UdtType, Version};

use crate::memory::bounded;

/// Two characters, as in `a,`, may be a type of their own.
const FACTOR: usize = 200;

pub(super) fn cql(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match bounded(text.len(), FACTOR, || text.parse::<ColumnType>()) {
        Ok(ty) => {
            // Written out, a user-defined type leaves its name behind.
            let written = format!("{ty:#}");
            let again: ColumnType = written.parse().unwrap_or_else(|error| panic!("{written}: {error}"));
            assert_eq!(format!("{again:#}"), written);
            as_option(&ty);
        }
        Err(error) => assert!(error.at() <= text.len() && !error.expected().is_empty(), "{error}"),
    }
    // As the tables of the schema write them: user-defined types by their names.
    let point = Arc::new(UdtType {
        keyspace: "ks".into(),
        name: "Point".into(),
        fields: [("x".into(), ColumnType::Int), ("y \"".into(), ColumnType::Text)].into(),
    });
    let find = |_: Option<&str>, name: &str| (name.len() < 8).then(|| Arc::clone(&point));
    if let Ok(ty) = bounded(text.len(), FACTOR, || ColumnType::parse_with(text, find)) {
        // Not compared: a user-defined type in the name of a class prints as its name, which is found like others.
        let again = ColumnType::parse_with(&ty.to_string(), |_, _| Some(Arc::clone(&point)));
        assert!(again.is_ok(), "{ty}: {again:?}");
    }
}

pub(super) fn class(bytes: &[u8]) {
    let Ok(class) = std::str::from_utf8(bytes) else { return };
    let mut written = vec![0, 0];
    if put_string(&mut written, class).is_ok() {
        let ty = bounded(bytes.len(), FACTOR, || Reader::new(&written).option());
        as_option(&ty.expect("a class that isn't known is a custom type"));
    }
}

pub(super) fn option(bytes: &[u8]) {
    match bounded(bytes.len(), FACTOR, || Reader::new(bytes).option()) {
        Ok(ty) => as_option(&ty),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// It may not fit into metadata; but what does is the same type there.
fn as_option(ty: &ColumnType) {
    for version in Version::ALL {
        let mut written = Vec::new();
        if put_option(&mut written, version, ty).is_ok() {
            let again = Reader::new(&written).option();
            let mut rewritten = Vec::new();
            put_option(&mut rewritten, version, again.as_ref().unwrap()).unwrap();
            assert_eq!(rewritten, written, "{ty:#}");
        }
    }
}
