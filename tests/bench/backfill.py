#!/usr/bin/env python3
"""migrate backfill against the servers' own bulk paths.

The subject's time is the wall time of the whole command `migrate backfill PLAN`, connecting, checkpoint and all,
less the statistics (ANALYZE) that it makes on the target in the end: the references make none. Each run starts from a target that was made anew, with the table and its key in place, no other index,
and servers at rest; after each run the target is compared with the source.

References commit once per stream, as the plain tools do; `migrate` commits every chunk.
"""

import os
import pathlib
import re
import shlex
import shutil
import signal
import sys
import tempfile

import orders
import peers
from measurement import (MEMORY, RATE, Case, Contender, RunFailed, Sample, measure,
                         option_parser, report, run_program)
from servers import BenchError, MariaDbServer, PostgresServer, server_user

SOURCE = "source"
TARGET = "target"
MEMORY_LIMIT_MIB = 200
SERVERS = {"postgres": PostgresServer, "mysql": MariaDbServer}


def say(text):
    print(text, file=sys.stderr, flush=True)


class Workbench:
    """The temporary folder, and the pairs of servers that have been needed so far."""

    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="migrator-bench-"))
        self.folder.chmod(0o755)  # the servers' account must pass through it
        self.servers = {}
        self.digests = {}
        self.versions = {}
        self.settings = {}
        self.speeds = []  # of the processors, before each run

    def server(self, role, engine, rows_max):
        """The running server, started and filled on first use; a source has `rows_max` rows."""
        key = (role, engine)
        if key not in self.servers:
            say(f"starting the {role} {engine}")
            server = SERVERS[engine](f"{role}-{engine}", self.folder)
            self.servers[key] = server
            server.start(rows_max)
            self.versions[engine] = server.version()
            self.settings[engine] = server.settings()
        return self.servers[key]

    def source(self, engine, rows, rows_max=0):
        """(server, database) of a source with so many rows."""
        server = self.server(SOURCE, engine, max(rows, rows_max))
        database = f"{SOURCE}{rows}"
        if (engine, rows) not in self.digests:
            say(f"making {rows:,} rows in {engine}")
            orders.fill(server, database, rows)
            self.digests[engine, rows] = orders.digest(server, database)
        return server, database

    def sqlite_source(self, rows):
        path = self.folder / f"source{rows}.db"
        if ("sqlite", rows) not in self.digests:
            say(f"making {rows:,} rows in SQLite")
            orders.fill_sqlite(path, rows)
            self.digests["sqlite", rows] = orders.digest_sqlite(path)
        return path

    def stop_servers(self):
        for (_, engine), server in self.servers.items():
            server.stop()
            if not self.options.keep:
                shutil.rmtree(server.folder, ignore_errors=True)
            self.digests = {key: value for key, value in self.digests.items() if engine not in key}
        self.servers.clear()

    def close(self):
        self.stop_servers()
        if self.options.keep:
            say(f"kept {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def run_migrate(self, source_url, target_url, jobs):
        """`migrate backfill` of a plan of its own, with a checkpoint of its own."""
        folder = self.folder / "migrate"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "plan.yaml").write_text(f"version: 1\nname: bench\nsource: {source_url}\n"
                                          f"target: {target_url}\ncheckpoint: bench.migrate.db\n"
                                          f"tables:\n  - name: orders\nbackfill: {{jobs: {jobs}}}\n")
        sample = run_program([self.options.migrate, "backfill", "plan.yaml", "--json"], folder)
        # ANALYZE of the target, which no reference does, is no part of the copy.
        finish = re.search(r'"finish_seconds": ([0-9.e-]+)', (folder / "output.log").read_text())
        return Sample(sample.seconds - float(finish.group(1)), sample.peak_rss_mib)

    def reference(self, program, *arguments):
        return run_program([pathlib.Path(self.options.references) / program, *arguments], self.folder)


class ServerPair:
    """Moves of `rows` rows between two servers: what its contenders have in common."""

    def __init__(self, bench, source_engine, target_engine, rows, rows_max=0):
        self.bench = bench
        self.rows = rows
        self.engines = (source_engine, target_engine)
        self.rows_max = rows_max

    @property
    def source(self):
        return self.bench.source(self.engines[0], self.rows, self.rows_max)

    @property
    def target(self):
        return self.bench.server(TARGET, self.engines[1], max(self.rows, self.rows_max))

    def prepare(self):
        self.source  # made before the target is emptied, so that the rest is at rest
        # From MySQL the key of 36 characters arrives as what it is there.
        uuid_type = "uuid" if self.engines[0] == "postgres" else "char(36)"
        self.target.new_database(TARGET)
        self.target.sql(TARGET, orders.table_for(self.engines[1], uuid_type))
        self.target.settle()
        os.sync()

    def check(self):
        expected = self.bench.digests[self.engines[0], self.rows]
        found = orders.digest(self.target, TARGET)
        if found != expected:
            raise RunFailed(f"the target is not equal to the source:\n  {expected}\n  {found}")

    def contender(self, name, run, bar=None):
        return Contender(name, self.rows, self.prepare, run, self.check, bar)

    def migrate(self, jobs, parameters=""):
        def run():
            server, database = self.source
            return self.bench.run_migrate(server.url(database), self.target.url(TARGET) + parameters, jobs)
        return self.contender("migrate", run)

    def program(self, name, program, streams, bar):
        """One of the C programs, called as key_streams.h says."""
        def run():
            server, database = self.source
            return self.bench.reference(program, str(server.port), database, str(self.target.port), TARGET,
                                        str(streams), str(self.rows))
        return self.contender(name, run, bar)

    def psql_pipe(self, streams, bar):
        """COPY (FORMAT binary) between two psql, a pair for each part of the key range."""
        def run():
            server, database = self.source
            pipes = []
            for i in range(streams):
                lower, upper = self.rows * i // streams, self.rows * (i + 1) // streams
                what = "orders" if streams == 1 else (
                    f"(SELECT * FROM orders WHERE id > {lower} AND id <= {upper})")
                out = server.psql(database) + ["-c", f"COPY {what} TO STDOUT (FORMAT binary)"]
                into = self.target.psql(TARGET) + ["-c", "COPY orders FROM STDIN (FORMAT binary)"]
                pipes.append(f"( {shlex.join(out)} | {shlex.join(into)} ) & streams+=($!)")
            script = ["set -o pipefail", *pipes, 'for one in "${streams[@]}"; do wait "$one" || exit 1; done']
            return run_program(["bash", "-c", "\n".join(script)], self.bench.folder)
        return self.contender("copy-binary-pipe", run, bar)

    def peer(self, name, function, *arguments, bar=1.0):
        def run():
            server, database = self.source
            folder = self.bench.folder / "peer"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            return function(server, database, self.target, TARGET, *arguments, folder)
        return self.contender(name, run, bar)


class SqliteFiles:
    """Moves between two SQLite files."""

    def __init__(self, bench, rows):
        self.bench = bench
        self.rows = rows
        self.path = bench.folder / "target.db"

    def prepare(self):
        self.bench.sqlite_source(self.rows)
        for suffix in ("", "-wal", "-shm", "-journal"):
            pathlib.Path(str(self.path) + suffix).unlink(missing_ok=True)
        orders.new_sqlite_file(self.path)
        os.sync()

    def check(self):
        expected = self.bench.digests["sqlite", self.rows]
        found = orders.digest_sqlite(self.path)
        if found != expected:
            raise RunFailed(f"the target is not equal to the source:\n  {expected}\n  {found}")

    def contender(self, name, run, bar=None):
        return Contender(name, self.rows, self.prepare, run, self.check, bar)

    def migrate(self, jobs):
        return self.contender("migrate", lambda: self.bench.run_migrate(
            f"sqlite:{self.bench.sqlite_source(self.rows)}", f"sqlite:{self.path}", jobs))

    def attach(self, bar):
        return self.contender("attach-insert-select", lambda: self.bench.reference(
            "sqlite_attach", self.bench.sqlite_source(self.rows), self.path), bar)


def rate_cases(bench, rows, with_peers):
    """The bars of rows/s."""
    cases = []
    pg_pg = ServerPair(bench, "postgres", "postgres", rows)
    mysql_mysql = ServerPair(bench, "mysql", "mysql", rows)
    for workers in (1, 2):
        against = [pg_pg.psql_pipe(workers, bar=0.95)]
        if bench.options.limits:  # shows that two psql and a pipe are no weak reference
            against.append(pg_pg.program("c-copy-binary-pipe", "pg_copy_pipe", workers, bar=None))
        if with_peers:
            against.append(pg_pg.peer("pgcopydb", peers.pgcopydb, workers))
        cases.append(Case(f"pg-pg/workers={workers}", RATE, pg_pg.migrate(workers), against))
    for workers in (1, 2):
        against = [mysql_mysql.program("c-bulk-insert-pipe", "mysql_bulk_pipe", workers, bar=0.95)]
        if with_peers:
            against.append(mysql_mysql.peer("mydumper+myloader", peers.mydumper_myloader, workers))
        cases.append(Case(f"mysql-mysql/workers={workers}", RATE, mysql_mysql.migrate(workers), against))
    cases.append(Case("mysql-mysql-load-data/workers=1", RATE, mysql_mysql.migrate(1, "?load=load-data"),
                      [mysql_mysql.program("c-load-data-pipe", "mysql_load_data_pipe", 1, bar=0.95)]))
    sqlite = SqliteFiles(bench, rows)
    cases.append(Case("sqlite-sqlite/workers=1", RATE, sqlite.migrate(1), [sqlite.attach(bar=0.85)]))
    mysql_pg = ServerPair(bench, "mysql", "postgres", rows)
    against = [mysql_pg.program("c-copy-text-pipe", "mysql_to_pg_copy", 1, bar=0.95)]
    if with_peers:
        against.append(mysql_pg.peer("pgloader", peers.pgloader, bar=3.0))
    cases.append(Case("mysql-pg/workers=1", RATE, mysql_pg.migrate(1), against))
    return cases


def memory_cases(bench, rows):
    """Peak memory with four workers. One run: it is a limit, and hardly varies."""
    cases = []
    for name, source, target in (("pg-pg", "postgres", "postgres"), ("mysql-mysql", "mysql", "mysql"),
                                 ("mysql-pg", "mysql", "postgres")):
        subject = ServerPair(bench, source, target, rows).migrate(4)
        cases.append(Case(f"{name}/workers=4/memory", MEMORY, subject, [], limit=MEMORY_LIMIT_MIB, runs=1))
    return cases


def scale_families(bench, small, large):
    """rows/s of a large table against those of a small one: nothing may grow with the table. The reference
    program's own fall is measured beside it, without a bar: it is what the servers themselves lose."""
    def family(name, migrate, reference):
        cases = []
        for case_name, make, bar in ((f"scale/{name}", migrate, 0.90),
                                     (f"scale/{name}/reference", reference, None)):
            many, few = make(large), make(small)
            many.name, few.name, few.bar = f"{many.rows:,} rows", f"{few.rows:,} rows", bar
            cases.append(Case(case_name, RATE, many, [few]))
        return cases

    def pg(rows):
        return ServerPair(bench, "postgres", "postgres", rows, rows_max=large)

    def mysql(rows):
        return ServerPair(bench, "mysql", "mysql", rows, rows_max=large)

    return [family("pg-pg", lambda rows: pg(rows).migrate(2), lambda rows: pg(rows).psql_pipe(2, None)),
            family("mysql-mysql", lambda rows: mysql(rows).migrate(2),
                   lambda rows: mysql(rows).program("", "mysql_bulk_pipe", 2, None)),
            family("sqlite-sqlite", lambda rows: SqliteFiles(bench, rows).migrate(1),
                   lambda rows: SqliteFiles(bench, rows).attach(None))]


def run_plain_cases(bench, options):
    cases = rate_cases(bench, options.rows, options.peers)
    if not options.limits:
        cases += memory_cases(bench, options.rows)
    results = []
    warm = set()
    for case in cases:
        if options.only and not re.search(options.only, case.name):
            continue
        direction = case.name.split("/")[0].replace("-load-data", "")
        if direction not in warm and case.references:
            say(f"{case.name}: a run that does not count, to lay out logs and fill caches")
            case.references[0].sample()
            warm.add(direction)
        results += measure(case, options.runs, not options.limits, say, bench.speeds)
    return results


def run_scale_cases(bench, options):
    results = []
    for family in scale_families(bench, options.rows // 2, options.rows * 4):
        bench.stop_servers()  # the next ones are sized for the large table
        for case in family:
            if options.only and not re.search(options.only, case.name):
                continue
            if options.limits and not case.name.endswith("/reference"):
                continue
            results += measure(case, options.runs, True, say, bench.speeds)
    return results


def main():
    parser = option_parser("backfill", __doc__)
    parser.add_argument("--scale", action="store_true",
                        help="also compare rows/s at 4 times --rows with those at half of it (takes long)")
    options = parser.parse_args()
    if options.peers:
        peers.require()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    bench = Workbench(options)
    try:
        results = run_plain_cases(bench, options)
        if options.scale:
            results += run_scale_cases(bench, options)
        if not results:
            raise BenchError(f"no case matches {options.only}")
        return report("backfill", options.rows, results, bench.speeds, bench.versions, bench.settings,
                      options.json)
    except (BenchError, RunFailed) as failure:
        say(f"bench: {failure}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        bench.close()


if __name__ == "__main__":
    sys.exit(main())
