#!/usr/bin/env python3
"""migrate verify against bare programs that compare the same rows, and against the checksums of other tools.

Both sides hold the same rows. The subject's time is the wall time of the whole command `migrate verify PLAN`;
it must say that the table is equal, and of how many rows. Two workers, except where it says otherwise.

  stream    whole ranges as rows, byte by byte, against a C program that does only that, with as many threads
  digest    by the servers, against the plain checksum query of other tools on both sides at once
  auto      what a user gets without --mode
  one       one row of the target differs: it must be named, at no more than 1.2 of the time of the clean run
  cross     between two engines, against the slower side's plain stream of its rows
"""

import json
import os
import re
import shlex
import shutil
import signal
import sys

import orders
from backfill import SOURCE, TARGET, Workbench, say
from measurement import (MEMORY, RATE, Case, Contender, RunFailed, Sample, measure, option_parser,
                         report, run_program)
from servers import BenchError

WORKERS = 2
MEMORY_LIMIT_MIB = 200

PG_CHECKSUM = "SELECT count(*), sum(hashtextextended(t::text, 0)) FROM orders t"
# As pt-table-checksum has it: columns that may be NULL are told apart by a row of flags.
MYSQL_CHECKSUM = ("SELECT COUNT(*), COALESCE(LOWER(CONV(BIT_XOR(CAST(CRC32(CONCAT_WS('#', id, customer_id, status, "
                  "amount, created_at, updated_at, note, payload, flag, uuid, CONCAT(ISNULL(updated_at), "
                  "ISNULL(note)))) AS UNSIGNED)), 10, 16)), 0) FROM orders")


class Equal:
    """Two sides with the same rows, and the plan between them."""

    def __init__(self, bench, source_engine, target_engine, rows):
        self.bench = bench
        self.engines = (source_engine, target_engine)
        self.rows = rows
        self.changed = False

    def source(self):
        if self.engines[0] == "sqlite":
            return f"sqlite:{self.bench.sqlite_source(self.rows)}"
        server, database = self.bench.source(self.engines[0], self.rows)
        return server.url(database)

    def target(self):
        engine = self.engines[1]
        if engine == "sqlite":
            path = self.bench.folder / "target.db"
            if not path.exists():
                shutil.copy(self.bench.sqlite_source(self.rows), path)
            return f"sqlite:{path}"
        server = self.bench.server(TARGET, engine, self.rows)
        key = ("target", engine, self.rows)
        if key not in self.bench.digests:
            say(f"making {self.rows:,} rows in the target {engine}")
            orders.fill(server, TARGET, self.rows)
            if self.engines[0] == "mysql" and engine == "postgres":
                server.sql(TARGET, "ALTER TABLE orders ALTER COLUMN uuid TYPE char(36) USING uuid::text",
                           "VACUUM (FREEZE, ANALYZE) orders")
                server.settle()
            self.bench.digests[key] = True
        return server.url(TARGET)

    def change(self, changed):
        """One row in the middle, by one letter."""
        if self.changed == changed:
            return
        self.changed = changed
        text = "'x' || substr(payload, 2)" if changed else "'{' || substr(payload, 2)"
        engine = self.engines[1]
        if engine == "mysql":
            text = text.replace("'x' || ", "CONCAT('x', ").replace("'{' || ", "CONCAT('{', ") + ")"
        sql = f"UPDATE orders SET payload = {text} WHERE id = {self.rows * 5 // 8}"
        if engine == "sqlite":
            orders.sqlite3.connect(self.bench.folder / "target.db").execute(sql).connection.commit()
        else:
            server = self.bench.server(TARGET, engine, self.rows)
            server.sql(TARGET, sql)
            server.settle()

    def prepare(self):
        self.source(), self.target()
        os.sync()

    def contender(self, name, run, bar=None, changed=False):
        def prepare():
            self.prepare()
            self.change(changed)
        return Contender(name, self.rows, prepare, run, lambda: None, bar)

    def migrate(self, mode="auto", changed=False, jobs=WORKERS, name="migrate"):
        def run():
            folder = self.bench.folder / "migrate"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            (folder / "plan.yaml").write_text(
                f"version: 1\nname: bench\nsource: {self.source()}\ntarget: {self.target()}\n"
                f"checkpoint: bench.migrate.db\ntables:\n  - name: orders\nbackfill: {{jobs: {jobs}}}\n")
            command = shlex.join([str(self.bench.options.migrate), "verify", "plan.yaml", "--json", "--mode", mode])
            wanted = 3 if changed else 0
            sample = run_program(["bash", "-c", f"{command} > verify.json; (( $? == {wanted} ))"], folder)
            table = json.loads((folder / "verify.json").read_text())["tables"][0]
            named = [one["key"] for one in table["differences"]]
            if table["rows_source"] != self.rows or table["equal"] == changed or \
                    (changed and (len(named) != 1 or str(self.rows * 5 // 8) not in json.dumps(named))):
                raise RunFailed(f"verify says {json.dumps(table)[:600]}")
            say(f"    {table['bytes'] / 2**20:,.1f} MiB moved, {table['rows_by_digest']:,} rows by digest")
            return sample
        return self.contender(name, run, None, changed)

    def program(self, name, program, bar, streams=WORKERS):
        def run():
            if self.engines[0] == "sqlite":
                return self.bench.reference(program, self.bench.sqlite_source(self.rows),
                                            self.bench.folder / "target.db", str(streams), str(self.rows))
            server, database = self.bench.source(self.engines[0], self.rows)
            target = self.bench.server(TARGET, self.engines[1], self.rows)
            return self.bench.reference(program, str(server.port), database, str(target.port), TARGET,
                                        str(streams), str(self.rows))
        return self.contender(name, run, bar)

    def _client(self, server, database, sql):
        if server.engine == "postgres":
            return server.psql(database) + ["-c", sql]
        return server.client(database) + ["--quick", "-e", sql]

    def checksums(self, name, sql, bar):
        """The same query on both sides at once."""
        def run():
            server, database = self.bench.source(self.engines[0], self.rows)
            target = self.bench.server(TARGET, self.engines[1], self.rows)
            both = [shlex.join(self._client(server, database, sql)),
                    shlex.join(self._client(target, TARGET, sql))]
            return run_program(["bash", "-c", f"{both[0]} > a & first=$!; {both[1]} > b && wait $first && cmp a b"],
                               self.bench.folder)
        return self.contender(name, run, bar)

    def slower_stream(self, bar):
        """Each side's rows to /dev/null, by its own client; the slower one counts."""
        def run():
            server, database = self.bench.source(self.engines[0], self.rows)
            target = self.bench.server(TARGET, self.engines[1], self.rows)
            slower = None
            for one, name in ((server, database), (target, TARGET)):
                sql = "COPY orders TO STDOUT" if one.engine == "postgres" else "SELECT * FROM orders"
                command = shlex.join(self._client(one, name, sql))
                sample = run_program(["bash", "-c", f"{command} > /dev/null"], self.bench.folder)
                if slower is None or sample.seconds > slower.seconds:
                    slower = sample
            return slower
        return self.contender("slower-side-stream", run, bar)


def all_cases(bench, rows):
    pg = Equal(bench, "postgres", "postgres", rows)
    mysql = Equal(bench, "mysql", "mysql", rows)
    sqlite = Equal(bench, "sqlite", "sqlite", rows)
    cross = Equal(bench, "mysql", "postgres", rows)
    cases = []
    for name, sides, program, checksum in (("pg-pg", pg, "pg_copy_compare", PG_CHECKSUM),
                                           ("mysql-mysql", mysql, "mysql_select_compare", MYSQL_CHECKSUM),
                                           ("sqlite-sqlite", sqlite, "sqlite_compare", None)):
        cases.append(Case(f"{name}/stream", RATE, sides.migrate("stream"), [sides.program("c-compare", program, 0.9)]))
        if checksum:
            cases.append(Case(f"{name}/digest", RATE, sides.migrate("digest"),
                              [sides.checksums("plain-checksum", checksum, 0.8)]))
        cases.append(Case(f"{name}/auto", RATE, sides.migrate("auto"), [sides.program("c-compare", program, None)]))
        one = sides.migrate("auto", changed=True)
        clean = sides.migrate("auto", name="clean")
        clean.bar = 1 / 1.2
        cases.append(Case(f"{name}/one", RATE, one, [clean]))
    cases.append(Case("mysql-pg/cross", RATE, cross.migrate("auto"), [cross.slower_stream(0.8)]))
    for name, sides in (("pg-pg", pg), ("mysql-pg", cross)):
        cases.append(Case(f"{name}/workers=4/memory", MEMORY, sides.migrate("stream", jobs=4), [],
                          limit=MEMORY_LIMIT_MIB, runs=1))
    return cases


def main():
    options = option_parser("verify", __doc__).parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    bench = Workbench(options)
    results = []
    target_of = None
    try:
        for case in all_cases(bench, options.rows):
            if options.only and not re.search(options.only, case.name):
                continue
            pair = case.name.split("/")[0]
            if target_of not in (None, pair):
                bench.stop_servers()  # the target's table may be of another form
            target_of = pair
            say(f"{case.name}")
            case.subject.prepare()
            results += measure(case, options.runs, not options.limits, say, bench.speeds)
        if not results:
            raise BenchError(f"no case matches {options.only}")
        return report("verify", options.rows, results, bench.speeds, bench.versions, bench.settings,
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
