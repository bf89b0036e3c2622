"""The Python driver as a peer of `cargo xtask interop`: a line of JSON in, a line of JSON out."""

import datetime
import decimal
import ipaddress
import json
import struct
import sys
import uuid

import cassandra
from cassandra import cqltypes
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.query import tuple_factory
from cassandra.util import Date, Duration, OrderedMapSerializedKey, Time

decimal.setcontext(decimal.Context(prec=decimal.MAX_PREC, Emin=decimal.MIN_EMIN, Emax=decimal.MAX_EMAX))
sys.set_int_max_str_digits(0)
EPOCH = datetime.datetime(1970, 1, 1)
MILLISECOND = datetime.timedelta(milliseconds=1)


def plain(ctype):
    """Inside vectors types come by their Java names, where `frozen` is a type of its own."""
    return plain(ctype.subtypes[0]) if issubclass(ctype, cqltypes.FrozenType) else ctype


def name_of(ctype):
    return "vector" if issubclass(ctype, cqltypes.VectorType) else ctype.typename


def neutral(value, ctype):
    """A value of Python's as JSON."""
    if value is None:
        return None
    ctype = plain(ctype)
    name = name_of(ctype)
    if name in ("list", "vector"):
        element = ctype.subtype if name == "vector" else ctype.subtypes[0]
        return [neutral(item, element) for item in value]
    if name == "set":
        return {"set": [neutral(item, ctype.subtypes[0]) for item in value]}
    if name == "map":
        key, element = ctype.subtypes
        return {"map": [[neutral(k, key), neutral(v, element)] for k, v in value.items()]}
    if name == "tuple" or issubclass(ctype, cqltypes.UserType):
        return [neutral(item, element) for item, element in zip(value, ctype.subtypes)]
    if name in ("ascii", "text", "varchar"):
        return value
    if name == "boolean":
        return value
    if name == "blob":
        return value.hex()
    if name == "double":
        return struct.pack(">d", value).hex()
    if name == "float":
        return struct.pack(">f", value).hex()
    if name == "decimal":
        sign, digits, exponent = value.as_tuple()
        return "%s%s*10^%d" % ("-" if sign else "", int("".join(map(str, digits))), exponent)
    if name == "inet":
        return ipaddress.ip_address(value).packed.hex()
    if name == "date":
        return str(value.days_from_epoch)
    if name == "time":
        return str(value.nanosecond_time)
    if name == "timestamp":
        return str((value - EPOCH) // MILLISECOND)
    if name == "duration":
        return [str(value.months), str(value.days), str(value.nanoseconds)]
    return str(value)


def native(value, ctype):
    """A value of Python's of JSON."""
    if value is None:
        return None
    ctype = plain(ctype)
    name = name_of(ctype)
    if name in ("list", "vector"):
        element = ctype.subtype if name == "vector" else ctype.subtypes[0]
        return [native(item, element) for item in value]
    if name == "set":
        return [native(item, ctype.subtypes[0]) for item in value["set"]]
    if name == "map":
        key, element = ctype.subtypes
        items = [(native(k, key), native(v, element)) for k, v in value["map"]]
        try:
            return dict(items)
        except TypeError:
            # Keys that Python can't hash; the driver has a map of its own for them.
            return cassandra.util.OrderedMap(items)
    if name == "tuple" or issubclass(ctype, cqltypes.UserType):
        return tuple(native(item, element) for item, element in zip(value, ctype.subtypes))
    if name in ("ascii", "text", "varchar", "boolean"):
        return value
    if name == "blob":
        return bytes.fromhex(value)
    if name == "double":
        return struct.unpack(">d", bytes.fromhex(value))[0]
    if name == "float":
        return struct.unpack(">f", bytes.fromhex(value))[0]
    if name == "decimal":
        unscaled, exponent = value.split("*10^")
        digits = tuple(map(int, unscaled.lstrip("-")))
        return decimal.Decimal((int(unscaled.startswith("-")), digits, int(exponent)))
    if name == "inet":
        return str(ipaddress.ip_address(bytes.fromhex(value)))
    if name == "date":
        return Date(int(value))
    if name == "time":
        return Time(int(value))
    if name == "timestamp":
        return EPOCH + int(value) * MILLISECOND
    if name == "duration":
        return Duration(*map(int, value))
    if name in ("uuid", "timeuuid"):
        return uuid.UUID(value)
    return int(value)


def answer(session, prepared, line):
    if line["op"] == "hello":
        return "cassandra-driver " + cassandra.__version__
    text = line["statement"]
    statement = prepared.get(text) or prepared.setdefault(text, session.prepare(text))
    if line["op"] == "write":
        value = native(line["value"], statement.column_metadata[0].type)
        session.execute(statement, (value, line["id"]))
        return None
    result = session.execute(statement, (line["id"],))
    return neutral(result.one()[0], result.column_types[0])


def connect():
    cluster = Cluster([sys.argv[1]], protocol_version=int(sys.argv[2]))
    session = cluster.connect()
    session.row_factory = tuple_factory
    return cluster, session


def main():
    cluster, session = connect()
    prepared = {}
    for line in sys.stdin:
        try:
            said = {"ok": answer(session, prepared, json.loads(line))}
        except Exception as error:
            said = {"error": "%s: %s" % (type(error).__name__, error)}
            if isinstance(error, (NoHostAvailable, cassandra.OperationTimedOut)):
                # What it can't decode may end its connection.
                cluster.shutdown()
                prepared = {}
                cluster, session = connect()
        print(json.dumps(said), flush=True)


main()
