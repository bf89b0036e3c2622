//! What is tried: each type, at the ends of its range, empty and null, and inside others.

/// Values of one type.
pub(crate) struct Case {
    /// As a column has it.
    pub(crate) column_type: String,
    /// As CQL writes them; the server is given the same text.
    pub(crate) literals: Vec<String>,
}

/// User-defined types, each of which may use those before it.
pub(crate) const UDTS: &[(&str, &str)] = &[
    ("point", "x int, \"Y\" text"),
    (
        "person",
        "name text, home frozen<point>, tags frozen<set<text>>, scores frozen<list<int>>, pair frozen<tuple<int, text>>",
    ),
];

/// The one type that has a table of its own.
pub(crate) const COUNTER: &str = "counter";

const UUID: &str = "e7ae5cf3-d358-4d99-b900-85902fda9bb0";
const TIMEUUID: &str = "e7ae5cf3-d358-11d9-b900-85902fda9bb0";

pub(crate) fn all() -> Vec<Case> {
    let long_text = format!("'{}'", "x".repeat(70_000));
    let long_blob = format!("0x{}", "00ff".repeat(35_000));
    let digits = "1234567890".repeat(40);
    let cases: &[(&str, &[&str])] = &[
        ("ascii", &["''", "'plain'", "'it''s'", "'\u{7f}\u{1}'", "null"]),
        ("bigint", &["0", "-1", "9223372036854775807", "-9223372036854775808", "blob_as_bigint(0x)", "null"]),
        ("blob", &["0x", "0x00", "0xff00ff", &long_blob, "null"]),
        ("boolean", &["true", "false", "blob_as_boolean(0x)", "null"]),
        (COUNTER, &["1", "-1", "9223372036854775807", "-9223372036854775808"]),
        (
            "date",
            &[
                "'1970-01-01'",
                "'1969-12-31'",
                "'0001-01-01'",
                "'9999-12-31'",
                "'2020-02-29'",
                "0",
                "4294967295",
                "null",
            ],
        ),
        (
            "decimal",
            &[
                "0",
                "0.00",
                "1.50",
                "-1.5",
                "1E+9",
                "1E-2147483647",
                "1E+2147483647",
                "-12345678901234567890.123456789",
                &digits,
                "blob_as_decimal(0x)",
                "null",
            ],
        ),
        (
            "double",
            &[
                "0.0",
                "-0.0",
                "0.1",
                "1.7976931348623157E308",
                "-4.9E-324",
                "NaN",
                "Infinity",
                "-Infinity",
                "blob_as_double(0x)",
                "null",
            ],
        ),
        (
            "duration",
            &[
                "0s",
                "1y2mo3d4h5m6s7ms8us9ns",
                "-1mo2d3ns",
                "2147483647mo2147483647d9223372036854775807ns",
                "-2147483648mo2147483648d9223372036854775808ns",
                "null",
            ],
        ),
        (
            "float",
            &[
                "0.0",
                "-0.0",
                "0.1",
                "3.4028235E38",
                "-1.4E-45",
                "NaN",
                "Infinity",
                "-Infinity",
                "blob_as_float(0x)",
                "null",
            ],
        ),
        (
            "inet",
            &[
                "'0.0.0.0'",
                "'127.0.0.1'",
                "'255.255.255.255'",
                "'::'",
                "'::1'",
                "'fe80::ffff'",
                "blob_as_inet(0x00000000000000000000ffff01020304)",
                "blob_as_inet(0x)",
                "null",
            ],
        ),
        ("int", &["0", "-1", "2147483647", "-2147483648", "blob_as_int(0x)", "null"]),
        ("smallint", &["0", "-1", "32767", "-32768", "null"]),
        ("text", &["''", "'Ελένη'", "'\u{10ffff}\u{0}'", "'it''s'", &long_text, "null"]),
        ("time", &["'00:00:00'", "'00:00:00.000000001'", "'23:59:59.999999999'", "null"]),
        (
            "timestamp",
            &[
                "0",
                "1",
                "-1",
                "1795248774123",
                "-62135596800000",
                "253402300799999",
                "253402300800000",
                "9223372036854775807",
                "-9223372036854775808",
                "blob_as_timestamp(0x)",
                "null",
            ],
        ),
        (
            "timeuuid",
            &[
                TIMEUUID,
                "00000000-0000-1000-8000-000000000000",
                "ffffffff-ffff-1fff-bfff-ffffffffffff",
                "blob_as_timeuuid(0x)",
                "null",
            ],
        ),
        ("tinyint", &["0", "-1", "127", "-128", "null"]),
        (
            "uuid",
            &[
                UUID,
                TIMEUUID,
                "00000000-0000-0000-0000-000000000000",
                "ffffffff-ffff-ffff-ffff-ffffffffffff",
                "blob_as_uuid(0x)",
                "null",
            ],
        ),
        (
            "varint",
            &[
                "0",
                "-1",
                "127",
                "128",
                "-128",
                "-129",
                "18446744073709551616",
                &digits,
                "blob_as_varint(0x)",
                "null",
            ],
        ),
        ("list<int>", &["[1]", "[1, -1, 1]", "null"]),
        ("set<text>", &["{'a'}", "{'', 'b', 'é'}", "null"]),
        ("map<int, text>", &["{1: 'a'}", "{-1: '', 2: 'b'}", "null"]),
        ("frozen<list<int>>", &["[]", "[2147483647, -2147483648]", "null"]),
        ("frozen<set<int>>", &["{}", "{-1, 0, 1}", "null"]),
        ("frozen<map<text, int>>", &["{}", "{'': 0, 'a': 1}", "null"]),
        ("list<frozen<list<frozen<set<text>>>>>", &["[[{'a'}, {}], [], [{'', 'b'}]]"]),
        ("map<text, frozen<map<int, frozen<list<double>>>>>", &["{'a': {1: [0.5, NaN], 2: []}, '': {}}"]),
        ("list<duration>", &["[1mo2d3ns, 0s]"]),
        ("list<blob>", &["[0x, 0x00]"]),
        ("set<timestamp>", &["{-1, 0}"]),
        ("set<date>", &["{'1970-01-01', '9999-12-31'}"]),
        ("map<timeuuid, inet>", &[&format!("{{{TIMEUUID}: '::1'}}")]),
        ("map<bigint, decimal>", &["{9223372036854775807: 1.5, -9223372036854775808: 0}"]),
        ("list<varint>", &["[128, -129, 0]"]),
        ("tuple<int, text, blob>", &["(1, 'a', 0x01)", "(null, '', 0x)", "(null, null, null)", "null"]),
        (
            "tuple<frozen<list<uuid>>, frozen<tuple<smallint, time>>>",
            &[&format!("([{UUID}], (1, '00:00:01'))"), "(null, (null, null))"],
        ),
        ("list<frozen<tuple<int, text>>>", &["[(1, 'a'), (null, null)]"]),
        ("frozen<point>", &["{x: 1, \"Y\": 'a'}", "{x: null, \"Y\": ''}", "{x: null, \"Y\": null}", "null"]),
        (
            "person",
            &[
                "{name: 'Ada', home: {x: 1, \"Y\": 'b'}, tags: {'a', 'b'}, scores: [1, 2], pair: (1, null)}",
                "{name: '', home: null, tags: null, scores: [], pair: null}",
            ],
        ),
        ("list<frozen<point>>", &["[{x: 1, \"Y\": 'a'}, {x: null, \"Y\": null}]"]),
        ("map<frozen<point>, int>", &["{{x: 1, \"Y\": 'a'}: 1}"]),
        ("tuple<frozen<point>, frozen<list<frozen<person>>>>", &["({x: 1, \"Y\": null}, [])"]),
        ("vector<float, 3>", &["[0.0, -0.0, 0.1]", "[NaN, Infinity, 3.4028235E38]", "null"]),
        ("vector<double, 1>", &["[4.9E-324]"]),
        ("vector<int, 2>", &["[2147483647, -2147483648]"]),
        ("vector<bigint, 2>", &["[9223372036854775807, -1]"]),
        ("vector<boolean, 3>", &["[true, false, true]"]),
        ("vector<uuid, 1>", &[&format!("[{UUID}]")]),
        ("vector<timestamp, 2>", &["[0, -1]"]),
        ("vector<smallint, 2>", &["[32767, -1]"]),
        ("vector<tinyint, 3>", &["[127, -128, 0]"]),
        ("vector<date, 2>", &["['1970-01-01', '2020-02-29']"]),
        ("vector<time, 2>", &["['00:00:00', '23:59:59.999999999']"]),
        ("vector<text, 3>", &["['a', '', 'Ελένη']", "['', '', '']"]),
        ("vector<blob, 2>", &["[0x, 0xdeadbeef]"]),
        ("vector<varint, 3>", &["[0, 128, -18446744073709551616]"]),
        ("vector<decimal, 2>", &["[1.50, -1E+9]"]),
        ("vector<duration, 2>", &["[1mo2d3ns, -1ns]"]),
        ("vector<inet, 2>", &["['127.0.0.1', '::1']"]),
        ("vector<frozen<vector<float, 2>>, 2>", &["[[0.5, 1.5], [2.5, 3.5]]"]),
        ("vector<frozen<vector<text, 2>>, 2>", &["[['a', ''], ['bc', 'd']]"]),
        ("vector<frozen<list<int>>, 2>", &["[[1], []]"]),
        ("vector<frozen<map<text, int>>, 2>", &["[{'a': 1}, {}]"]),
        ("vector<frozen<tuple<int, text>>, 2>", &["[(1, 'a'), (null, '')]"]),
        ("vector<frozen<point>, 2>", &["[{x: 1, \"Y\": 'a'}, {x: null, \"Y\": ''}]"]),
        ("list<frozen<vector<text, 2>>>", &["[['a', ''], ['bc', 'd']]"]),
    ];
    let case = |(column_type, literals): &(&str, &[&str])| Case {
        column_type: (*column_type).to_owned(),
        literals: literals.iter().map(|literal| (*literal).to_owned()).collect(),
    };
    cases.iter().map(case).collect()
}
