//! Every type at its extremes, written prepared and read back, with null and unset.

use std::fmt::Debug;
use std::net::IpAddr;

use helenus::value::{
    Counter, CqlDuration, Date, Decimal, DecodeValue, EncodeValue, TimeOfDay, TimeUuid, Timestamp, Unset,
    Uuid, VarInt,
};
use helenus::{Error, Version};

use crate::cluster::{Stage, builder};
use crate::common::Kind;
use crate::on_real_cassandra;

on_real_cassandra!(all_types_in_all_versions);

const TYPES: [&str; 19] = [
    "ascii",
    "bigint",
    "blob",
    "boolean",
    "date",
    "decimal",
    "double",
    "duration",
    "float",
    "inet",
    "int",
    "smallint",
    "text",
    "time",
    "timestamp",
    "timeuuid",
    "tinyint",
    "uuid",
    "varint",
];

fn all_types_in_all_versions(kind: Kind) {
    let stage = Stage::new(kind);
    let columns: String =
        TYPES.iter().map(|name| format!("v_{name} {name}, l_{name} list<{name}>, ")).collect();
    stage.schema(&format!("CREATE TABLE {} ({columns} id int PRIMARY KEY)", stage.name("t")));
    stage.schema(&format!("CREATE TABLE {} (id int PRIMARY KEY, hits counter)", stage.name("hits")));
    for version in [Version::V3, Version::V4, Version::V5] {
        let session = kind.connect(builder().protocol_version(version)).unwrap();
        let table = Table { session: &session, name: stage.name("t"), version };
        strings_and_bytes(&table);
        numbers(&table);
        times(&table);
        others(&table);
        counters(&session, &stage.name("hits"), version);
        session.close().wait().unwrap();
    }
}

struct Table<'a> {
    session: &'a helenus::Session,
    name: String,
    version: Version,
}

impl Table<'_> {
    /// Each value alone, all as a list, null, and unset.
    fn check<T>(&self, cql: &str, values: &[T])
    where
        T: EncodeValue + for<'a> DecodeValue<'a> + PartialEq + Debug + Clone,
    {
        let Self { session, name, version } = self;
        let insert = format!("INSERT INTO {name} (id, v_{cql}, l_{cql}) VALUES (?, ?, ?)");
        let insert = session.prepare(insert).wait().unwrap();
        let select = format!("SELECT v_{cql}, l_{cql} FROM {name} WHERE id = ?");
        let select = session.prepare(select).wait().unwrap();
        let read = |id: i32| {
            let response = session.execute(&select, (id,)).wait().unwrap();
            response.one::<(Option<T>, Option<Vec<T>>)>().unwrap_or_else(|error| panic!("{cql}: {error}"))
        };
        for (id, value) in values.iter().enumerate() {
            let id = id as i32;
            session
                .execute(&insert, (id, value.clone(), values.to_vec()))
                .wait()
                .unwrap_or_else(|error| panic!("{cql}: {error}"));
            assert_eq!(read(id), (Some(value.clone()), Some(values.to_vec())), "{cql} in {version}");
        }
        match session.execute(&insert, (0, Unset, Unset)).wait() {
            Ok(_) => assert!(*version >= Version::V4),
            Err(Error::Bind(_)) => assert_eq!(*version, Version::V3, "which has no unset"),
            Err(error) => panic!("{cql} in {version}: {error}"),
        }
        assert_eq!(
            read(0),
            (Some(values[0].clone()), Some(values.to_vec())),
            "{cql} in {version}: unset keeps it"
        );
        session.execute(&insert, (0, None::<T>, None::<Vec<T>>)).wait().unwrap();
        assert_eq!(read(0), (None, None), "{cql} in {version}");
        // Cassandra keeps no empty list.
        session.execute(&insert, (0, None::<T>, Vec::<T>::new())).wait().unwrap();
        assert_eq!(read(0), (None, None), "{cql} in {version}");
    }
}

fn strings_and_bytes(table: &Table<'_>) {
    let text = |text: &str| text.to_owned();
    table.check("ascii", &[text(""), text("plain"), (0..128_u8).map(char::from).collect()]);
    table.check("text", &[text(""), text("Ελένη"), text("\0\u{10FFFF}"), "x".repeat(100_000)]);
    table.check("blob", &[Vec::new(), vec![0_u8], (0..=255).collect(), vec![7; 200_000]]);
}

fn numbers(table: &Table<'_>) {
    table.check("tinyint", &[i8::MIN, -1, 0, i8::MAX]);
    table.check("smallint", &[i16::MIN, -1, 0, i16::MAX]);
    table.check("int", &[i32::MIN, -1, 0, i32::MAX]);
    table.check("bigint", &[i64::MIN, -1, 0, i64::MAX]);
    table.check("float", &[f32::MIN, f32::MIN_POSITIVE, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]);
    table.check("double", &[f64::MIN, f64::MIN_POSITIVE, -0.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX]);
    let long = VarInt::from_be_bytes(&[0x7F; 40]);
    let negative = VarInt::from_be_bytes(&[0x80; 40]);
    let varints =
        [VarInt::from(0), VarInt::from(-1), VarInt::from(127), VarInt::from(128), VarInt::from(-129)];
    let varints: Vec<_> =
        varints.into_iter().chain([i128::MIN.into(), i128::MAX.into(), long, negative]).collect();
    table.check("varint", &varints);
    let decimals = varints
        .iter()
        .flat_map(|unscaled| [0, 2, -3, 1_000].map(|scale| Decimal::new(unscaled.clone(), scale)));
    table.check("decimal", &decimals.collect::<Vec<_>>());
}

fn times(table: &Table<'_>) {
    table.check("date", &[i32::MIN, -1, 0, 19_000, i32::MAX].map(Date::from_days));
    table.check("time", &[0, 1, 86_399_999_999_999].map(|nanos| TimeOfDay::from_nanos(nanos).unwrap()));
    table.check("timestamp", &[i64::MIN, -1, 0, 1_700_000_000_123, i64::MAX].map(Timestamp::from_millis));
    let durations =
        [(0, 0, 0), (1, 2, 3), (-1, -2, -3), (i32::MAX, i32::MAX, i64::MAX), (i32::MIN, i32::MIN, i64::MIN)];
    table.check(
        "duration",
        &durations.map(|(months, days, nanos)| CqlDuration::new(months, days, nanos).unwrap()),
    );
}

fn others(table: &Table<'_>) {
    table.check("boolean", &[true, false]);
    let addresses = ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "2001:db8::1", "ffff::ffff"];
    table.check("inet", &addresses.map(|address| address.parse::<IpAddr>().unwrap()));
    table.check(
        "uuid",
        &[
            Uuid::from_bytes([0; 16]),
            Uuid::from_bytes([0xFF; 16]),
            "936da01f-9abd-4d9d-80c7-02af85c822a8".parse().unwrap(),
        ],
    );
    table.check(
        "timeuuid",
        &[TimeUuid::from_parts(0, 0, [0; 6]), TimeUuid::from_parts((1 << 60) - 1, 0x3FFF, [0xFF; 6])],
    );
}

fn counters(session: &helenus::Session, name: &str, version: Version) {
    let add = session.prepare(format!("UPDATE {name} SET hits = hits + ? WHERE id = ?")).wait().unwrap();
    let id = i32::from(version.byte());
    for change in [5, -7, i64::MAX - 10, 3] {
        session.execute(&add, (Counter(change), id)).wait().unwrap();
    }
    let read = session.query(format!("SELECT hits FROM {name} WHERE id = {id}"), ()).wait().unwrap();
    assert_eq!(read.one::<(Counter,)>().unwrap().0, Counter(i64::MAX - 9));
}
