"""Runs a script on a cluster with cassandra-driver: one JSON line for each step, what came of it.

Usage: run.py CONTACT_POINT:PORT PROTOCOL_VERSION SCRIPT. See clients/README.md for what steps there are.
"""

import datetime
import decimal
import ipaddress
import json
import re
import sys
import time
import uuid

from cassandra import AlreadyExists, ConsistencyLevel
from cassandra.cluster import Cluster, ExecutionProfile, EXEC_PROFILE_DEFAULT
from cassandra.policies import RoundRobinPolicy
from cassandra.query import BatchStatement, BatchType, SimpleStatement, tuple_factory
from cassandra.util import Date, Duration, Time

EPOCH = datetime.datetime(1970, 1, 1)


def shown(value):
    """A cell as all runners show it."""
    match value:
        case None | bool() | int() | float() | str():
            # Python's integers know no bounds: those of varint are shown as text, as others would have to.
            return str(value) if isinstance(value, int) and abs(value) >= 1 << 63 else value
        case bytes() | bytearray():
            return "0x" + bytes(value).hex()
        case decimal.Decimal() | uuid.UUID() | Date():
            return str(value)
        case Time():
            return value.nanosecond_time
        case Duration():
            return f"{signed(value)}"
        case datetime.datetime():
            return (value - EPOCH) // datetime.timedelta(milliseconds=1)
    if hasattr(value, "_fields"):  # a user-defined type
        return [shown(field) for field in value]
    if hasattr(value, "items"):
        return sorted(([shown(key), shown(item)] for key, item in value.items()), key=json.dumps)
    if type(value).__name__ in ("set", "frozenset", "SortedSet"):
        return sorted((shown(item) for item in value), key=json.dumps)
    return [shown(item) for item in value]


def signed(duration):
    parts = (duration.months, duration.days, duration.nanoseconds)
    sign = "-" if any(part < 0 for part in parts) else ""
    months, days, nanoseconds = map(abs, parts)
    return f"{sign}{months}mo{days}d{nanoseconds}ns"


def code(error):
    if isinstance(error, AlreadyExists):
        return "2400"
    found = re.search(r"code=([0-9a-f]{4})", str(error))
    if found is None:
        raise error
    return found.group(1)


class Runner:
    def __init__(self, address, version):
        host, port = address.rsplit(":", 1)
        self.endpoint = (host, int(port), version)
        self.cluster, self.session = self.connect()
        self.other = None

    def connect(self):
        host, port, version = self.endpoint
        profile = ExecutionProfile(
            load_balancing_policy=RoundRobinPolicy(), row_factory=tuple_factory,
            consistency_level=ConsistencyLevel.ONE, request_timeout=30)
        cluster = Cluster([host], port=port, protocol_version=version,
                          execution_profiles={EXEC_PROFILE_DEFAULT: profile})
        return cluster, cluster.connect()

    def rows(self, result):
        return {"rows": [[shown(cell) for cell in row] for row in result]}

    def run(self, step):
        return self.rows(self.session.execute(SimpleStatement(step["run"])))

    def other_session(self, step):
        if self.other is None:
            self.other = self.connect()
        return self.rows(self.other[1].execute(step["other"]))

    def prepared(self, step):
        values = [None if value is None else next(iter(value.values())) for value in step["values"]]
        return self.rows(self.session.execute(self.session.prepare(step["prepared"]), values))

    def fill(self, step):
        insert = self.session.prepare(step["fill"])
        for key in range(step["count"]):
            self.session.execute(insert, (key, f"v{key}"))
        return {"rows": []}

    def pages(self, step):
        result = self.session.execute(SimpleStatement(step["pages"], fetch_size=step["size"]))
        pages, values = 1, set(row[0] for row in result.current_rows)
        while result.has_more_pages:
            result.fetch_next_page()
            pages += 1
            values.update(row[0] for row in result.current_rows)
        return {"pages": pages, "values": len(values)}

    def batch(self, step):
        batch = BatchStatement(BatchType.LOGGED if step["kind"] == "logged" else BatchType.UNLOGGED)
        for text in step["batch"]:
            batch.add(SimpleStatement(text))
        return self.rows(self.session.execute(batch))

    def copy(self, step):
        insert = self.session.prepare(step["into"])
        for row in self.session.execute(step["copy"]):
            self.session.execute(insert, row)
        return {"rows": []}

    def nodes(self, step):
        return {"nodes": eventually(step["nodes"], lambda: len(
            [host for host in self.cluster.metadata.all_hosts() if host.is_up]))}

    def tables(self, step):
        def known():
            keyspace = self.cluster.metadata.keyspaces.get(step["tables"])
            return sorted(keyspace.tables) if keyspace else []
        return {"tables": eventually(step["expect"]["tables"], known)}


def eventually(expected, look):
    """What `look` says, after so long as events may take."""
    for _ in range(150):
        if look() == expected:
            break
        time.sleep(0.1)
    return look()


def main():
    address, version, script = sys.argv[1:]
    runner = Runner(address, int(version))
    kinds = {"other": runner.other_session}
    with open(script, encoding="utf-8") as file:
        steps = json.load(file)
    for step in steps:
        kind = next(iter(step))
        try:
            outcome = kinds.get(kind, getattr(runner, kind, None))(step)
        except Exception as error:
            outcome = {"error": code(error)}
        print(json.dumps(outcome, ensure_ascii=False), flush=True)
    runner.cluster.shutdown()
    if runner.other:
        runner.other[0].shutdown()


main()
