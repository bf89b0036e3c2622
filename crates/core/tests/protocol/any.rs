//! Strategies for every message. Messages borrow, so what they borrow from is leaked: a test process is short-lived.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use helenus_core::protocol::request::{
    AuthResponse, Batch, BatchKind, BatchOptions, BatchQuery, BatchStatement, Execute, ParameterOptions,
    Parameters, Prepare, Query, Register, Request, Startup, Values,
};
use helenus_core::protocol::response::{
    Change, ColumnSpec, Event, Failures, Message, NodeChange, Prefix, Prepared, Response, ResultMessage,
    Rows, RowsMetadata, SchemaChange, SchemaTarget, WriteType,
};
use helenus_core::protocol::wire::{self, Value};
use helenus_core::protocol::{ColumnType, Consistency, ErrorKind, ServerError, UdtType, Version};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(&Version::ALL[..])
}

/// A request and a version that has it.
pub(crate) fn request() -> impl Strategy<Value = (Version, Request<'static>)> {
    version().prop_flat_map(|version| (Just(version), request_in(version)))
}

/// A response and a version that has it.
pub(crate) fn response() -> impl Strategy<Value = (Version, Response<'static>)> {
    version().prop_flat_map(|version| {
        let response = (prefix_in(version), message_in(version));
        (Just(version), response.prop_map(|(prefix, message)| Response { prefix, message }))
    })
}

pub(crate) fn request_in(version: Version) -> BoxedStrategy<Request<'static>> {
    prop_oneof![
        vec((text(), text()), 0..4).prop_map(|options| Request::Startup(Startup { options })),
        Just(Request::Options),
        of(bytes()).prop_map(|token| Request::AuthResponse(AuthResponse { token })),
        vec(text(), 0..4).prop_map(|events| Request::Register(Register { events })),
        (text(), parameters(version))
            .prop_map(|(text, parameters)| Request::Query(Query { text, parameters })),
        (text(), since(version, Version::V5, of(text()), None))
            .prop_map(|(text, keyspace)| Request::Prepare(Prepare { text, keyspace })),
        (bytes(), bytes(), parameters(version)).prop_map(move |(id, metadata, parameters)| {
            let result_metadata_id = (version >= Version::V5).then_some(metadata);
            Request::Execute(Execute { id, result_metadata_id, parameters })
        }),
        batch(version).prop_map(Request::Batch),
    ]
    .boxed()
}

fn parameters(version: Version) -> BoxedStrategy<Parameters<'static>> {
    let values = any::<bool>().prop_flat_map(move |named| values(version, named));
    let paging = (any::<bool>(), of(any::<i32>()), of(bytes()));
    (values, paging, batch_options(version))
        .prop_map(|(values, (skip_metadata, page_size, paging_state), common)| {
            let BatchOptions { consistency, serial_consistency, timestamp, keyspace, now_in_seconds } =
                common;
            let options = ParameterOptions {
                consistency,
                skip_metadata,
                page_size,
                paging_state,
                serial_consistency,
                timestamp,
                names: values.are_named(),
                keyspace,
                now_in_seconds,
            };
            Parameters { values, options }
        })
        .boxed()
}

fn values(version: Version, named: bool) -> BoxedStrategy<Values<'static>> {
    let value = prop_oneof![
        3 => bytes().prop_map(Value::Bytes),
        1 => Just(Value::Null),
        1 => Just(if version < Version::V4 { Value::Null } else { Value::Unset }),
    ];
    vec((text(), value), 0..5)
        .prop_map(move |values| {
            let mut out = Vec::new();
            for (name, value) in &values {
                if named {
                    wire::put_string(&mut out, name).unwrap();
                }
                wire::put_value(&mut out, *value).unwrap();
            }
            match values.len() as u16 {
                0 => Values::NONE,
                count if named => Values::named(count, out.leak()),
                count => Values::new(count, out.leak()),
            }
        })
        .boxed()
}

fn batch(version: Version) -> BoxedStrategy<Batch<'static>> {
    let kind = select(&[BatchKind::Logged, BatchKind::Unlogged, BatchKind::Counter][..]);
    let query = prop_oneof![text().prop_map(BatchQuery::Text), bytes().prop_map(BatchQuery::Prepared)];
    let statement =
        (query, values(version, false)).prop_map(|(query, values)| BatchStatement { query, values });
    (kind, vec(statement, 0..4), batch_options(version))
        .prop_map(|(kind, statements, options)| Batch { kind, statements, options })
        .boxed()
}

fn batch_options(version: Version) -> BoxedStrategy<BatchOptions<'static>> {
    let in_v5 =
        (since(version, Version::V5, of(text()), None), since(version, Version::V5, of(any::<i32>()), None));
    (consistency(), of(consistency()), of(any::<i64>()), in_v5)
        .prop_map(|(consistency, serial_consistency, timestamp, (keyspace, now_in_seconds))| BatchOptions {
            consistency,
            serial_consistency,
            timestamp,
            keyspace,
            now_in_seconds,
        })
        .boxed()
}

fn prefix_in(version: Version) -> BoxedStrategy<Prefix<'static>> {
    let warnings = since(version, Version::V4, vec(text(), 0..3), Vec::new());
    let payload = since(version, Version::V4, vec((text(), of(bytes())), 0..3), Vec::new());
    (of(any::<[u8; 16]>()), warnings, payload)
        .prop_map(|(tracing_id, warnings, custom_payload)| Prefix { tracing_id, warnings, custom_payload })
        .boxed()
}

fn message_in(version: Version) -> BoxedStrategy<Message<'static>> {
    prop_oneof![
        4 => error(version).prop_map(Message::Error),
        1 => Just(Message::Ready),
        1 => text().prop_map(|authenticator| Message::Authenticate { authenticator }),
        1 => vec((text(), vec(text(), 0..3)), 0..3).prop_map(Message::Supported),
        5 => result(version).prop_map(Message::Result),
        2 => event(version).prop_map(Message::Event),
        1 => of(bytes()).prop_map(Message::AuthChallenge),
        1 => of(bytes()).prop_map(Message::AuthSuccess),
    ]
    .boxed()
}

fn result(version: Version) -> BoxedStrategy<ResultMessage<'static>> {
    prop_oneof![
        1 => Just(ResultMessage::Void),
        4 => rows(version).prop_map(ResultMessage::Rows),
        1 => text().prop_map(|keyspace| ResultMessage::SetKeyspace { keyspace }),
        3 => prepared(version).prop_map(ResultMessage::Prepared),
        2 => schema_change(version).prop_map(ResultMessage::SchemaChange),
    ]
    .boxed()
}

fn rows(version: Version) -> BoxedStrategy<Rows<'static>> {
    (metadata(version), 0..4_usize)
        .prop_flat_map(|(metadata, row_count)| {
            let row_count = if metadata.column_count == 0 { 0 } else { row_count };
            let cells = vec(of(bytes()), metadata.column_count * row_count);
            (Just(metadata), Just(row_count), cells)
        })
        .prop_map(|(metadata, row_count, cells)| {
            let mut content = Vec::new();
            cells.iter().for_each(|cell| wire::put_bytes(&mut content, *cell).unwrap());
            Rows { metadata, row_count, content: content.leak() }
        })
        .boxed()
}

fn metadata(version: Version) -> BoxedStrategy<RowsMetadata<'static>> {
    let known = columns().prop_map(|columns| RowsMetadata::new(columns.into()));
    let skipped =
        (0..5_usize).prop_map(|column_count| RowsMetadata { column_count, ..RowsMetadata::default() });
    (prop_oneof![known, skipped], of(bytes()), since(version, Version::V5, of(bytes()), None))
        .prop_map(|(metadata, paging_state, new_metadata_id)| RowsMetadata {
            paging_state,
            new_metadata_id,
            ..metadata
        })
        .boxed()
}

fn prepared(version: Version) -> BoxedStrategy<Prepared<'static>> {
    let pk_indexes = since(version, Version::V4, vec(any::<u16>(), 0..3), Vec::new());
    (bytes(), bytes(), columns(), pk_indexes, metadata(version))
        .prop_map(move |(id, metadata_id, bind_markers, pk_indexes, result_metadata)| Prepared {
            id,
            result_metadata_id: (version >= Version::V5).then_some(metadata_id),
            bind_markers: bind_markers.into(),
            pk_indexes,
            result_metadata,
        })
        .boxed()
}

fn columns() -> BoxedStrategy<Vec<ColumnSpec>> {
    let column = |table: BoxedStrategy<(&'static str, &'static str)>| {
        (table, text(), column_type()).prop_map(|((keyspace, table), name, column_type)| ColumnSpec {
            keyspace: keyspace.into(),
            table: table.into(),
            name: name.into(),
            column_type,
        })
    };
    let several_tables = vec(column((text(), text()).boxed()), 0..4);
    let one_table = (text(), text()).prop_flat_map(move |table| vec(column(Just(table).boxed()), 0..4));
    prop_oneof![several_tables, one_table].boxed()
}

pub(crate) fn column_type() -> BoxedStrategy<ColumnType> {
    let simple = [
        ColumnType::Ascii,
        ColumnType::BigInt,
        ColumnType::Blob,
        ColumnType::Boolean,
        ColumnType::Counter,
        ColumnType::Custom("com.example.Odd(a, (b))".into()),
        ColumnType::Date,
        ColumnType::Decimal,
        ColumnType::Double,
        ColumnType::Duration,
        ColumnType::Float,
        ColumnType::Inet,
        ColumnType::Int,
        ColumnType::SmallInt,
        ColumnType::Text,
        ColumnType::Time,
        ColumnType::Timestamp,
        ColumnType::TimeUuid,
        ColumnType::TinyInt,
        ColumnType::Uuid,
        ColumnType::VarInt,
    ];
    select(simple.to_vec())
        .prop_recursive(4, 16, 4, |inner| {
            // Class names know no empty names, and no marks in a keyspace's.
            let fields = vec(("[a-z\u{e9}\" ]{1,4}", inner.clone()), 0..4);
            let udt =
                ("[a-z_]{1,6}", "[A-Z\u{e9}]{1,6}", fields).prop_map(|(keyspace, name, fields)| UdtType {
                    keyspace: keyspace.into(),
                    name: name.into(),
                    fields: fields.into_iter().map(|(name, ty)| (name.into(), ty)).collect(),
                });
            prop_oneof![
                inner.clone().prop_map(|element| ColumnType::List(Arc::new(element))),
                inner.clone().prop_map(|element| ColumnType::Set(Arc::new(element))),
                (inner.clone(), inner.clone()).prop_map(|pair| ColumnType::Map(Arc::new(pair))),
                vec(inner.clone(), 0..4).prop_map(|types| ColumnType::Tuple(types.into())),
                udt.prop_map(|udt| ColumnType::Udt(Arc::new(udt))),
                (inner, 1..=i32::MAX as u32)
                    .prop_map(|(element, n)| ColumnType::Vector(Arc::new(element), n)),
            ]
        })
        .boxed()
}

fn event(version: Version) -> BoxedStrategy<Event<'static>> {
    let change = || {
        prop_oneof![
            5 => select(vec![
                NodeChange::New,
                NodeChange::Removed,
                NodeChange::Moved,
                NodeChange::Up,
                NodeChange::Down
            ]),
            1 => unknown_name().prop_map(NodeChange::Other),
        ]
    };
    let address = || (any::<IpAddr>(), any::<u16>()).prop_map(|(ip, port)| SocketAddr::new(ip, port));
    prop_oneof![
        (change(), address()).prop_map(|(change, address)| Event::TopologyChange { change, address }),
        (change(), address()).prop_map(|(change, address)| Event::StatusChange { change, address }),
        schema_change(version).prop_map(Event::SchemaChange),
        unknown_name().prop_map(|name| Event::Other { name }),
    ]
    .boxed()
}

fn schema_change(version: Version) -> BoxedStrategy<SchemaChange<'static>> {
    let change = prop_oneof![
        5 => select(vec![Change::Created, Change::Updated, Change::Dropped]),
        1 => unknown_name().prop_map(Change::Other),
    ];
    let routine = (text(), text(), vec(text(), 0..3), any::<bool>()).prop_map(
        |(keyspace, name, arguments, function)| match function {
            true => SchemaTarget::Function { keyspace, name, arguments },
            false => SchemaTarget::Aggregate { keyspace, name, arguments },
        },
    );
    let old = prop_oneof![
        text().prop_map(|keyspace| SchemaTarget::Keyspace { keyspace }),
        (text(), text()).prop_map(|(keyspace, name)| SchemaTarget::Table { keyspace, name }),
        (text(), text()).prop_map(|(keyspace, name)| SchemaTarget::Type { keyspace, name }),
        unknown_name().prop_map(|target| SchemaTarget::Other { target }),
    ];
    let target = if version < Version::V4 { old.boxed() } else { prop_oneof![old, routine].boxed() };
    (change, target).prop_map(|(change, target)| SchemaChange { change, target }).boxed()
}

fn error(version: Version) -> BoxedStrategy<ServerError> {
    (error_kind(version), text()).prop_map(|(kind, message)| ServerError::new(kind, message)).boxed()
}

fn error_kind(version: Version) -> BoxedStrategy<ErrorKind> {
    let plain = select(vec![
        ErrorKind::Server,
        ErrorKind::Protocol,
        ErrorKind::Authentication,
        ErrorKind::Overloaded,
        ErrorKind::IsBootstrapping,
        ErrorKind::Truncate,
        ErrorKind::CdcWriteFailure,
        ErrorKind::Syntax,
        ErrorKind::Unauthorized,
        ErrorKind::Invalid,
        ErrorKind::Config,
        ErrorKind::Unknown { code: 0x7777 },
        ErrorKind::Unknown { code: -1 },
    ]);
    let ids = prop_oneof![
        bytes().prop_map(|id| ErrorKind::Unprepared { id: id.into() }),
        (text(), text())
            .prop_map(|(ks, table)| ErrorKind::AlreadyExists { keyspace: ks.into(), table: table.into() }),
    ];
    let mut kinds = vec![plain.boxed(), ids.boxed(), timeouts(version)];
    if version >= Version::V4 {
        kinds.push(failures(version));
    }
    if version >= Version::V5 {
        let unknown = counts().prop_map(|(consistency, received, required)| ErrorKind::CasWriteUnknown {
            consistency,
            received,
            required,
        });
        kinds.push(unknown.boxed());
    }
    proptest::strategy::Union::new(kinds).boxed()
}

fn timeouts(version: Version) -> BoxedStrategy<ErrorKind> {
    prop_oneof![
        counts().prop_map(|(consistency, required, alive)| ErrorKind::Unavailable {
            consistency,
            required,
            alive
        }),
        (counts(), any::<bool>()).prop_map(|((consistency, received, required), data_present)| {
            ErrorKind::ReadTimeout { consistency, received, required, data_present }
        }),
        (counts(), write_type(), any::<u16>()).prop_map(
            move |((consistency, received, required), ty, count)| {
                let contentions = (version >= Version::V5 && ty == WriteType::Cas).then_some(count);
                ErrorKind::WriteTimeout { consistency, received, required, write_type: ty, contentions }
            }
        ),
    ]
    .boxed()
}

fn failures(version: Version) -> BoxedStrategy<ErrorKind> {
    let failures = if version < Version::V5 {
        any::<i32>().prop_map(Failures::Count).boxed()
    } else {
        vec((any::<IpAddr>(), any::<u16>()), 0..3)
            .prop_map(|reasons| Failures::Reasons(reasons.into()))
            .boxed()
    };
    prop_oneof![
        (counts(), failures.clone(), any::<bool>()).prop_map(|(counts, failures, data_present)| {
            let (consistency, received, required) = counts;
            ErrorKind::ReadFailure { consistency, received, required, failures, data_present }
        }),
        (counts(), failures, write_type()).prop_map(|(counts, failures, write_type)| {
            let (consistency, received, required) = counts;
            ErrorKind::WriteFailure { consistency, received, required, failures, write_type }
        }),
        (text(), text(), vec(text(), 0..3)).prop_map(|(keyspace, function, types)| {
            ErrorKind::FunctionFailure {
                keyspace: keyspace.into(),
                function: function.into(),
                argument_types: types.into_iter().map(Into::into).collect(),
            }
        }),
    ]
    .boxed()
}

fn write_type() -> impl Strategy<Value = WriteType> {
    prop_oneof![
        5 => select(vec![
            WriteType::Simple,
            WriteType::Batch,
            WriteType::UnloggedBatch,
            WriteType::Counter,
            WriteType::BatchLog,
            WriteType::Cas,
            WriteType::View,
            WriteType::Cdc,
        ]),
        1 => unknown_name().prop_map(|name| WriteType::Other(name.into())),
    ]
}

fn counts() -> impl Strategy<Value = (Consistency, i32, i32)> {
    (consistency(), any::<i32>(), any::<i32>())
}

fn consistency() -> impl Strategy<Value = Consistency> {
    select(&Consistency::ALL[..])
}

fn text() -> impl Strategy<Value = &'static str> {
    ".{0,8}".prop_map(|text| &*text.leak())
}

/// A name that no specification gives to anything: those are in capitals.
fn unknown_name() -> impl Strategy<Value = &'static str> {
    "[a-z]{1,6}".prop_map(|name| &*name.leak())
}

fn bytes() -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..12).prop_map(|bytes| &*bytes.leak())
}

/// What `strategy` says from version `first` on, and before it `otherwise`.
fn since<T: Clone + std::fmt::Debug + 'static>(
    version: Version,
    first: Version,
    strategy: impl Strategy<Value = T> + 'static,
    otherwise: T,
) -> BoxedStrategy<T> {
    if version >= first { strategy.boxed() } else { Just(otherwise).boxed() }
}
