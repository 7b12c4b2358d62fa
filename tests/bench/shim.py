#!/usr/bin/env python3
"""The shim's single-row writes against the same writes by hand, on the three engines.

One program, shim_writer, inserts rows one by one, each a transaction, in blocks of 200 writes of each variant in
turn; the latency of a write is that of all its calls, from a row in hand to the answer of the commit.

  bare   a prepared INSERT on the source, through the engine's own C client
  hand   the same on the source, then on the target: two connections
  async  the shim, table mode async, which writes a journal entry in the same transaction
  sync   the shim, table mode sync, which writes the target as well
  dead   the shim, table mode sync, after the target has gone: the server was stopped (PostgreSQL, MariaDB) or
         somebody keeps the file locked (SQLite). Against async of the same rounds

--rows is the number of writes of each variant in a run (4000). Bars are PostgreSQL's; the other engines' figures are
for information.
"""

import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile

import measurement
from measurement import Result, RunFailed, clean_environment, option_parser, processor_speed, report
from servers import BenchError, MariaDbServer, PostgresServer

LATENCY = "write_us"
measurement.UNITS[LATENCY] = "µs"
measurement.LOWER_IS_BETTER.add(LATENCY)

BLOCK = 200
ENGINES = ("postgres", "mysql", "sqlite")
REFERENCES = {"async": "bare", "sync": "hand", "dead": "async"}
BARS = {"postgres": {"async": 1.20, "sync": 1.05, "dead": 1.05}}
# A write of the target that took longer than the shim's budget is dropped, and left to the relay. Where many are,
# the figure of sync is not that of writing twice.
FRESH_LEAST = 0.99
COUNTERS = ("inline_written", "inline_failed", "inline_skipped")

COLUMNS = ("(id bigint NOT NULL PRIMARY KEY, customer_id bigint NOT NULL, quantity bigint NOT NULL,"
           " status varchar(20) NOT NULL, note varchar(100) NOT NULL)")
DIGEST = "SELECT count(*), sum(id), sum(customer_id), sum(quantity), sum(length(status)), sum(length(note)) FROM "


class Restartable:
    """A server that may be stopped and started again with what it holds."""

    def _launch(self, argv):
        self.argv = argv
        super()._launch(argv)

    def start_again(self):
        self._launch(self.argv)


class Postgres(Restartable, PostgresServer):
    suffix = ""


class MariaDb(Restartable, MariaDbServer):
    suffix = " ENGINE=InnoDB"


class ServerSide:
    """One of the two databases."""

    def __init__(self, kind, name, folder):
        self.server = kind(f"{name}-{kind.engine}", folder)
        self.suffix = kind.suffix

    def start(self, rows):
        self.server.start(rows)
        self.server.new_database("bench")

    def url(self):
        return self.server.url("bench")

    def sql(self, *statements):
        return self.server.sql("bench", *statements)

    def settle(self):
        self.server.settle()

    def take_down(self):
        self.server.stop()

    def bring_up(self):
        self.server.start_again()

    def stop(self):
        self.server.stop()

    def about(self):
        return self.server.version(), self.server.settings()


class FileSide:
    suffix = ""

    def __init__(self, name, folder):
        self.path = folder / f"{name}.db"
        self.blocker = None

    def start(self, rows):
        del rows
        self.sql("PRAGMA journal_mode = WAL")

    def url(self):
        return f"sqlite:{self.path}"

    def sql(self, *statements):
        connection = sqlite3.connect(self.path, isolation_level=None)
        try:
            for statement in statements:
                rows = connection.execute(statement).fetchall()
        finally:
            connection.close()
        return "\n".join("|".join(map(str, row)) for row in rows)

    def settle(self):
        self.sql("PRAGMA wal_checkpoint(TRUNCATE)")

    def take_down(self):
        self.blocker = sqlite3.connect(self.path, isolation_level=None)
        self.blocker.execute("BEGIN IMMEDIATE")

    def bring_up(self):
        self.blocker.rollback()
        self.blocker.close()
        self.blocker = None

    def stop(self):
        if self.blocker:
            self.bring_up()

    def about(self):
        return "SQLite " + self.sql("SELECT sqlite_version()"), {"journal_mode": "WAL"}


class ShimWriter:
    """The program that makes and times the writes of one engine."""

    def __init__(self, program, engine, source, target, folder):
        self.errors = folder / "shim_writer.log"
        with open(self.errors, "wb") as log:
            self.process = subprocess.Popen(
                [program, engine, source.url(), target.url()], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=log, text=True, cwd=folder, env=clean_environment())

    def measure(self, rounds, variants):
        try:
            print(rounds, BLOCK, *variants, file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        answer = self.process.stdout.readline()
        if not answer:
            self.process.wait()
            raise RunFailed(f"shim_writer ended with {self.process.returncode}: "
                            + self.errors.read_text(errors="replace").strip()[-1500:])
        return json.loads(answer)

    def finish(self):
        """Lets the shims go, as an application does that ends."""
        self.process.stdin.close()
        if self.process.wait(60) != 0:
            raise RunFailed(f"shim_writer ended with {self.process.returncode}: "
                            + self.errors.read_text(errors="replace").strip()[-1500:])

    def kill(self):
        self.process.kill()
        self.process.wait()


class EngineBench:
    def __init__(self, engine, variants, folder, options, say, speeds):
        self.engine = engine
        self.live = [name for name in ("bare", "hand", "async", "sync") if name in variants]
        self.dead = "dead" in variants
        self.options = options
        self.say = say
        self.speeds = speeds
        self.home = folder / engine
        self.home.mkdir()
        self.rounds = max(1, options.rows // BLOCK)
        self.latencies = {}  # by variant, as shim_writer gave them run by run; "async" of the dead runs apart
        self.written = {}
        if engine == "sqlite":
            self.source, self.target = (FileSide(name, self.home) for name in ("source", "target"))
        else:
            kind = Postgres if engine == "postgres" else MariaDb
            self.source, self.target = (ServerSide(kind, name, folder) for name in ("source", "target"))
        self.writer = None

    def shim_variants(self):
        wanted = [name for name in self.live if name in ("async", "sync")]
        return wanted + [name for name in ("async", "sync") if self.dead and name not in wanted]

    def migrate(self, *arguments):
        done = subprocess.run([self.options.migrate, *arguments], cwd=self.home, capture_output=True, text=True,
                              env=clean_environment())
        if done.returncode != 0:
            raise RunFailed(f"migrate {' '.join(arguments)} ended with {done.returncode}: {done.stderr[-1500:]}")

    def start(self):
        tables = [f"CREATE TABLE orders_{variant} {COLUMNS}{self.source.suffix}"
                  for variant in ("bare", "hand", "async", "sync")]
        for side in (self.source, self.target):
            side.start(self.options.rows)
            side.sql(*tables)
        # Two migrations: only the one whose tables the shim writes itself keeps guards on the target.
        for variant in self.shim_variants():
            (self.home / f"{variant}.yaml").write_text(
                f"version: 1\nname: bench-{variant}\nsource: {self.source.url()}\ntarget: {self.target.url()}\n"
                f"checkpoint: {variant}.migrate.db\ncapture: shim\n"
                + ("inline_writes: true\n" if variant == "sync" else "")
                + f"tables:\n  - name: orders_{variant}\n")
            self.migrate("start", f"{variant}.yaml")
        self.writer = ShimWriter(pathlib.Path(self.options.references) / "shim_writer", self.engine, self.source,
                                 self.target, self.home)

    def measure(self, rounds, variants):
        taken = self.writer.measure(rounds, variants)
        for variant in variants:
            # Fewer than asked for where they were so slow that one round had to do.
            self.written[variant] = self.written.get(variant, 0) + taken[variant]["count"]
        return taken

    def keep(self, run, taken, names):
        for variant, name in names.items():
            self.latencies.setdefault(name, []).append(taken[variant])
        self.say(f"  {self.engine}  run {run}  " + "  ".join(
            f"{name} {taken[variant]['p50']:,.0f} (p99 {taken[variant]['p99']:,.0f}, max {taken[variant]['max']:,.0f})"
            for variant, name in names.items()) + " µs")

    def count(self, side, variant):
        return int(side.sql(f"SELECT count(*) FROM orders_{variant}"))

    def check_fresh(self, taken):
        """That the writes of sync have been written to the target: a shim that swallows their failures is fast."""
        if "sync" not in self.live:
            return
        fresh = self.count(self.target, "sync") / self.written["sync"]
        if fresh == 1:
            return
        counters = ", ".join(f"{taken['sync'][name]:,} {name}" for name in COUNTERS)
        self.say(f"  {self.engine}: {100 * (1 - fresh):.3f} % of the writes of sync were left to the relay: {counters}")
        if fresh < FRESH_LEAST:
            raise RunFailed(f"only {100 * fresh:.1f} % of the writes of sync have reached the target: {counters}")

    def drain(self):
        """Brings over what the journal holds, and proves by it that each write was captured.

        Between the runs and not between their rounds: an entry costs the same however many there are, and rounds
        that are to be compared should follow one another.
        """
        for variant in self.shim_variants():
            self.migrate("relay", f"{variant}.yaml")
            there, here = (side.sql(DIGEST + f"orders_{variant}") for side in (self.source, self.target))
            if there != here or self.count(self.source, variant) != self.written.get(variant, 0):
                raise RunFailed(f"orders_{variant} has {there} on the source and {here} on the target, of "
                                f"{self.written.get(variant, 0)} writes")

    def live_runs(self):
        self.measure(1, self.live)  # plans, caches and files are those of a server that has been at work
        self.drain()
        for run in range(1, self.options.runs + 1):
            for side in (self.source, self.target):
                side.settle()
            self.speeds.append(processor_speed())
            taken = self.measure(self.rounds, self.live)
            self.keep(run, taken, {name: name for name in self.live})
            self.check_fresh(taken)
            self.drain()

    def dead_runs(self):
        if self.live != ["bare", "hand", "async", "sync"]:
            self.measure(1, ["async", "sync"])
            self.drain()
        # The first writes of the first run meet the end of the target: they are in its p99 and its max.
        before = self.count(self.target, "sync")
        self.target.take_down()
        for run in range(1, self.options.runs + 1):
            self.source.settle()
            self.speeds.append(processor_speed())
            self.keep(run, self.measure(self.rounds, ["async", "sync"]), {"async": "async beside dead", "sync": "dead"})
        self.target.bring_up()
        if self.count(self.target, "sync") != before:
            raise RunFailed("the target was written to while it was dead")
        self.drain()

    def run(self):
        self.start()
        if self.live:
            self.live_runs()
        if self.dead:
            self.dead_runs()
        self.writer.finish()

    def stop(self):
        if self.writer:
            self.writer.kill()
        for side in (self.source, self.target):
            side.stop()

    def figures(self, name, quantile):
        return [taken[quantile] for taken in self.latencies.get(name, [])]

    def results(self, case, error):
        reference = REFERENCES[case]
        beside = "async beside dead" if case == "dead" else reference
        for quantile, name, bar in (("p50", f"{self.engine}/{case}", BARS.get(self.engine, {}).get(case)),
                                    ("p99", f"{self.engine}/{case}/p99", None)):
            yield Result(name, LATENCY, self.rounds * BLOCK, self.figures(case, quantile), reference,
                         self.figures(beside, quantile), bar, error)


def add_to_document(file, latencies):
    """What the table has no place for: the quantiles of each run and block."""
    path = pathlib.Path(file)
    document = json.loads(path.read_text())
    document["latencies_us"] = latencies
    path.write_text(json.dumps(document, indent=1) + "\n")


def main():
    parser = option_parser("shim", __doc__)
    parser.set_defaults(rows=4000)
    parser.add_argument("--one-processor", action="store_true",
                        help="keep the servers and the writer on one processor: waking one another then costs less, "
                        "and the same each time")
    options = parser.parse_args()
    if options.peers:
        parser.error("there is no other tool to measure")
    cases = {engine: [case for case in REFERENCES if re.search(options.only or "", f"{engine}/{case}")
                      and not (options.limits and case == "dead")] for engine in ENGINES}
    if not any(cases.values()):
        parser.error(f"no case matches {options.only}")
    if options.one_processor:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # of what is started from here, too
    folder = pathlib.Path(tempfile.mkdtemp(prefix="migrator-bench-"))
    folder.chmod(0o755)
    results, speeds, versions, settings, latencies = [], [], {}, {}, {}

    def say(text):
        print(text, file=sys.stderr, flush=True)
    try:
        for engine in ENGINES:
            if not cases[engine]:
                continue
            # "dead" brings its own reference along.
            variants = {REFERENCES[case] for case in cases[engine] if case != "dead"}
            if not options.limits:
                variants |= set(cases[engine])
            bench = EngineBench(engine, variants, folder, options, say, speeds)
            error = ""
            try:
                bench.run()
                versions[engine], settings[engine] = bench.source.about()
            except (RunFailed, BenchError, OSError, subprocess.TimeoutExpired, sqlite3.Error) as failure:
                error = str(failure)
                say(f"  {engine}: FAILED: {error}")
            finally:
                bench.stop()
            latencies[engine] = bench.latencies
            for case in cases[engine]:
                results += bench.results(case, error)
    finally:
        if options.keep:
            say(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    status = report("shim", max(1, options.rows // BLOCK) * BLOCK, results, speeds, versions, settings, options.json)
    if options.json:
        add_to_document(options.json, latencies)
    return status


if __name__ == "__main__":
    sys.exit(main())
