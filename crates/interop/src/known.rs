//! Differences that are the other driver's, each with its reason. In all of them the server says what helenus says.

use crate::SERVER;
use crate::report::Direction;

pub(crate) struct Known {
    pub(crate) peer: &'static str,
    /// Of the column; `*` for any.
    pub(crate) column_type: &'static str,
    /// What the literal has in it; after `=`, all of it.
    pub(crate) literal: &'static str,
    /// `None` for both.
    pub(crate) direction: Option<Direction>,
    pub(crate) reason: &'static str,
}

impl Known {
    /// The first for this value, with its number.
    pub(crate) fn find(peer: &str, column_type: &str, literal: &str) -> Option<(usize, &'static Self)> {
        KNOWN.iter().enumerate().find(|(_, known)| {
            known.peer == peer
                && (known.column_type == "*" || known.column_type == column_type)
                && known
                    .literal
                    .strip_prefix('=')
                    .map_or(literal.contains(known.literal), |all| literal == all)
        })
    }
}

const READ: Option<Direction> = Some(Direction::Read);
const WRITE: Option<Direction> = Some(Direction::Write);

const fn of(
    peer: &'static str,
    column_type: &'static str,
    literal: &'static str,
    direction: Option<Direction>,
    reason: &'static str,
) -> Known {
    Known { peer, column_type, literal, direction, reason }
}

const NIL_BLOB: &str = "a blob of no bytes reads as nil, which is its null";
const ZERO_TIME: &str = "the zero of Go's time is written as no bytes, whatever the type";
const NULL_TUPLE: &str =
    "a tuple that is a column is read and written field by field, so that null is three nulls";
const FROZEN: &str = "inside a vector it knows no FrozenType";
const YEARS: &str = "Python's datetime ends with the year 9999";

pub(crate) const KNOWN: &[Known] = &[
    of(SERVER, "decimal", "E+2147483647", None, "its parser makes a double of a literal, which is infinite"),
    of(SERVER, "duration", "-2147483648mo", None, "its parser takes no more below zero than above"),
    of("python", "*", "(0x)", READ, "the empty value reads as None"),
    of(
        "python",
        "timestamp",
        "=253402300799999",
        READ,
        "a float of seconds loses a millisecond so far from 1970",
    ),
    of("python", "timestamp", "=253402300800000", None, YEARS),
    of("python", "timestamp", "=9223372036854775807", None, "as above, and to read it ends the connection"),
    of("python", "timestamp", "=-9223372036854775808", None, "Python's datetime begins with the year 1"),
    of("gocql", "*", "(0x)", READ, "the empty value reads as zero, a decimal not at all"),
    of("gocql", "blob", "=0x", READ, NIL_BLOB),
    of("gocql", "list<blob>", "0x", READ, NIL_BLOB),
    of("gocql", "vector<blob, 2>", "0x", READ, NIL_BLOB),
    of("gocql", "tuple<int, text, blob>", "0x)", READ, NIL_BLOB),
    of("gocql", "date", "0001-01-01", WRITE, ZERO_TIME),
    of("gocql", "timestamp", "=-62135596800000", WRITE, ZERO_TIME),
    of("gocql", "inet", "ffff01020304", None, "an IPv4 address mapped into IPv6 becomes IPv4"),
    of("gocql", "tuple<int, text, blob>", "=null", None, NULL_TUPLE),
    of(
        "gocql",
        "tuple<frozen<list<uuid>>, frozen<tuple<smallint, time>>>",
        "",
        WRITE,
        "it counts the fields of a tuple in a tuple as values, and then wants more than there are markers",
    ),
    of("gocql", "vector<frozen<list<int>>, 2>", "", None, FROZEN),
    of("gocql", "vector<frozen<map<text, int>>, 2>", "", None, FROZEN),
    of("gocql", "vector<frozen<point>, 2>", "", None, FROZEN),
];
