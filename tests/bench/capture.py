#!/usr/bin/env python3
"""What the triggers of capture cost the application's writes, on the three engines.

Two tables alike in one database, one of them captured. One client writes to the one and to the other in turn:
single rows, each a statement and a transaction of its own, and statements of 1000 rows. Rows a second with
capture, against those without. There is no bar: this is the price, to be known.
"""

import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from measurement import (RATE, Result, RunFailed, clean_environment, option_parser, processor_speed, report)
from servers import BenchError, MariaDbServer, PostgresServer

SINGLE = 2000  # statements of one row
MANY = 100     # statements of 1000 rows
TABLES = ("captured", "plain")


def column_types(engine):
    text = "varchar(100)" if engine == "mysql" else "text"
    suffix = " ENGINE=InnoDB" if engine == "mysql" else ""
    return f"(id bigint NOT NULL PRIMARY KEY, n int NOT NULL, note {text}){suffix}"


def statements(table, kind, begin):
    if kind == "single":
        return [f"INSERT INTO {table} VALUES ({begin + n}, {n}, 'some words of a note')" for n in range(SINGLE)]
    return [f"INSERT INTO {table} VALUES " + ",".join(
        f"({begin + 1000 * n + row}, {row}, 'some words of a note')" for row in range(1000)) for n in range(MANY)]


class OnServer:
    def __init__(self, server, client):
        self.server = server
        self.client = client

    def url(self):
        return self.server.url("bench")

    def prepare(self, sql):
        self.server.new_database("bench")
        self.server.sql("bench", *sql)

    def run(self, sql):
        """Seconds that the statements take, one after the other, each a transaction."""
        text = ";\n".join(sql) + ";\n"
        begin = time.monotonic()
        done = subprocess.run(self.client, input=text, text=True, capture_output=True, env=clean_environment())
        if done.returncode != 0:
            raise RunFailed(done.stderr[-1000:])
        return time.monotonic() - begin


class OnSqlite:
    def __init__(self, folder):
        self.path = folder / "source.db"

    def url(self):
        return f"sqlite:{self.path}"

    def prepare(self, sql):
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        for statement in sql:
            connection.execute(statement)
        connection.close()

    def run(self, sql):
        connection = sqlite3.connect(self.path, isolation_level=None)
        begin = time.monotonic()
        for statement in sql:
            connection.execute(statement)
        seconds = time.monotonic() - begin
        connection.close()
        return seconds


def measure(engine, source, folder, options, say, speeds):
    source.prepare([f"CREATE TABLE {table} {column_types(engine)}" for table in TABLES])
    home = folder / engine
    home.mkdir()
    (home / "plan.yaml").write_text(
        f"version: 1\nname: bench\nsource: {source.url()}\ntarget: sqlite:target.db\n"
        "checkpoint: bench.db\ncapture: trigger\ntables:\n  - name: captured\n")
    done = subprocess.run([options.migrate, "start", "plan.yaml"], cwd=home, capture_output=True, text=True)
    if done.returncode != 0:
        raise RunFailed(done.stderr[-1000:])
    results = []
    begin = 0
    for kind, rows in (("single", SINGLE), ("thousand", 1000 * MANY)):
        rates = {table: [] for table in TABLES}
        for run in range(options.runs):
            speeds.append(processor_speed())
            begin += rows
            for table in reversed(TABLES):
                rates[table].append(rows / source.run(statements(table, kind, begin)))
            say(f"  {engine} {kind} run {run + 1}: {rates['captured'][-1]:,.0f} of {rates['plain'][-1]:,.0f}")
        results.append(Result(f"{engine}/{kind}", RATE, rows, rates["captured"], "not captured", rates["plain"], None))
    return results


def main():
    options = option_parser("capture", __doc__).parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="migrator-bench-"))
    folder.chmod(0o755)
    results, speeds, servers = [], [], []

    def say(text):
        print(text, file=sys.stderr, flush=True)
    try:
        for engine in ("postgres", "mysql", "sqlite"):
            if engine == "sqlite":
                source = OnSqlite(folder)
            else:
                server = (PostgresServer if engine == "postgres" else MariaDbServer)(f"source-{engine}", folder)
                servers.append(server)
                server.start(SINGLE)
                client = server.psql("bench") if engine == "postgres" else server.client("bench")
                source = OnServer(server, client)
            try:
                results += measure(engine, source, folder, options, say, speeds)
            except (RunFailed, BenchError) as failure:
                results.append(Result(engine, RATE, 0, [], "not captured", [], None, str(failure)))
    finally:
        for server in servers:
            server.stop()
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
    return report("capture", SINGLE + 1000 * MANY, results, speeds, {}, {}, options.json)


if __name__ == "__main__":
    sys.exit(main())
