#!/usr/bin/env python3
"""migrate relay against the rate at which pgbench changes rows of the source.

Two PostgreSQL servers. The source's table is captured and copied; pgbench, with as many clients as there are
cores, then updates rows at random.

  full load   pgbench runs as fast as it can, first alone, which leaves a backlog, and then with `migrate relay
              --follow` beside it on the same machine. Changes drained a second, against those that pgbench made
              in the same seconds: above 1 the relay catches up with a source under full load.
  half load   pgbench at half the rate of the full load with the relay beside it. The lag of each change, from its
              commit's entry to its row's commit on the target; the 99th percentile, against the bar of 250 ms.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from measurement import (CHANGES, LAG, Result, RunFailed, clean_environment, option_parser,
                         processor_speed, report)
from servers import BenchError, PostgresServer

CLIENTS = os.cpu_count() or 2
SECONDS = 15
LAG_LIMIT_MS = 250
UPDATE = """\\set id random(1, {rows})
UPDATE accounts SET balance = balance + 1 WHERE id = :id;
"""


class Bench:
    def __init__(self, options):
        self.options = options
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="migrator-bench-"))
        self.folder.chmod(0o755)
        self.servers = []
        self.rows = options.rows

    def start(self):
        self.source, self.target = (PostgresServer(name, self.folder) for name in ("source", "target"))
        for server in (self.source, self.target):
            self.servers.append(server)
            server.start(self.rows)
            server.new_database("bench")
        self.source.sql("bench", "CREATE TABLE accounts (id bigint PRIMARY KEY, balance bigint NOT NULL, "
                        "filler char(84) NOT NULL)",
                        f"INSERT INTO accounts SELECT n, 0, '' FROM generate_series(1, {self.rows}) n",
                        "VACUUM ANALYZE accounts")
        (self.folder / "plan.yaml").write_text(
            f"version: 1\nname: bench\nsource: {self.source.url('bench')}\n"
            f"target: {self.target.url('bench')}\ncheckpoint: bench.db\ncapture: trigger\n"
            "tables:\n  - name: accounts\n")
        (self.folder / "update.sql").write_text(UPDATE.format(rows=self.rows))
        self.migrate("backfill", "plan.yaml")

    def migrate(self, *arguments):
        done = subprocess.run([self.options.migrate, *arguments], cwd=self.folder, capture_output=True,
                              text=True, env=clean_environment())
        if done.returncode != 0:
            raise RunFailed(f"migrate {arguments[0]} ended with {done.returncode}: {done.stderr[-1500:]}")
        return done.stdout

    def pgbench(self, rate=None):
        """Transactions a second, of SECONDS."""
        argv = ["pgbench", "-n", "-M", "prepared", "-c", str(CLIENTS), "-j", "1", "-T", str(SECONDS),
                "-f", "update.sql", "-h", "127.0.0.1", "-p", str(self.source.port), "-U", "bench"]
        if rate:
            argv += ["--rate", f"{rate:.0f}"]
        done = subprocess.run(argv + ["bench"], cwd=self.folder, capture_output=True, text=True,
                              env=clean_environment())
        found = re.search(r"^tps = ([0-9.]+)", done.stdout, re.M)
        if done.returncode != 0 or not found:
            raise RunFailed(f"pgbench: {done.stderr[-1500:]}")
        return float(found.group(1))

    def follow(self, work):
        """Runs `work` with the relay beside it; what the relay then says of itself, and how long it ran."""
        process = subprocess.Popen([self.options.migrate, "relay", "plan.yaml", "--follow", "--json"],
                                   cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=clean_environment())
        try:
            first = process.stderr.readline()  # it has begun
            begin = time.monotonic()
            result = work()
            seconds = time.monotonic() - begin
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
        if process.returncode != 130:
            raise RunFailed(f"migrate relay ended with {process.returncode}: {first}{err[-1500:]}")
        return result, json.loads(out), seconds

    def full_load(self):
        self.pgbench()
        made, relayed, seconds = self.follow(self.pgbench)
        self.migrate("relay", "plan.yaml")
        return relayed["entries"] / seconds, made

    def half_load(self, full):
        _, relayed, _ = self.follow(lambda: self.pgbench(full / 2))
        self.migrate("relay", "plan.yaml")
        return 1000 * relayed["lag_seconds_p99"]

    def close(self):
        for server in self.servers:
            server.stop()
        if self.options.keep:
            print(f"kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)


def main():
    parser = option_parser("relay", __doc__)
    parser.set_defaults(rows=100_000)
    options = parser.parse_args()
    if options.limits:
        parser.error("this bench measures migrate alone")
    bench = Bench(options)
    speeds, drained, made, lags, error = [], [], [], [], ""
    try:
        bench.start()
        for run in range(options.runs):
            speeds.append(processor_speed())
            rate, produced = bench.full_load()
            drained.append(rate)
            made.append(produced)
            lags.append(bench.half_load(produced))
            print(f"  run {run + 1}  pgbench {produced:,.0f}/s  relay {rate:,.0f}/s  p99 at half load "
                  f"{lags[-1]:.0f} ms", file=sys.stderr, flush=True)
    except (RunFailed, BenchError) as failure:
        error = str(failure)
    finally:
        bench.close()
    results = [Result("pg-pg/full-load", CHANGES, options.rows, drained, "pgbench at the same time", made, 1.0, error),
               Result("pg-pg/half-load", LAG, options.rows, lags, "limit", [LAG_LIMIT_MS], 1.0, error)]
    return report("relay", options.rows, results, speeds, {}, {}, options.json)


if __name__ == "__main__":
    sys.exit(main())
