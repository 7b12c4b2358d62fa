"""Other tools of the field, each in the fastest form that does the same work: the rows of `orders` into a
table that is there with its key. All come from Debian's packages (`scripts/bench.sh --peers` installs them).
"""

import shutil

from measurement import run_program
from servers import HOST, USER, BenchError

PROGRAMS = {"pgcopydb": "pgcopydb", "pgloader": "pgloader", "mydumper": "mydumper", "myloader": "mydumper"}


def require():
    missing = sorted({package for program, package in PROGRAMS.items() if not shutil.which(program)})
    if missing:
        raise BenchError(f"--peers needs {', '.join(missing)}: apt-get install {' '.join(missing)}")


def pgcopydb(source, source_database, target, target_database, jobs, folder):
    """Table data only, by COPY; with more than one job the table is split by its key."""
    argv = ["pgcopydb", "copy", "table-data", "--source", source.url(source_database),
            "--target", target.url(target_database), "--dir", folder / "pgcopydb",
            "--table-jobs", str(jobs), "--not-consistent"]
    if jobs > 1:
        argv = ["env", f"PGCOPYDB_SPLIT_TABLES_LARGER_THAN={_half_of_table(source, source_database)}"] + argv
    return run_program(argv, folder)


def _half_of_table(source, database):
    size = int(source.sql(database, "SELECT pg_table_size('orders')"))
    return f"{size // 2 + (1 << 20)}"


def pgloader(source, source_database, target, target_database, folder):
    """Data only into the table as it stands. Its default prefetch of 100000 rows exhausts the heap that
    Debian's build is given, so that it dies now and then; a tenth of it does not."""
    script = folder / "orders.load"
    script.write_text(f"""LOAD DATABASE
  FROM mysql://{USER}@{HOST}:{source.port}/{source_database}
  INTO postgresql://{USER}@{HOST}:{target.port}/{target_database}
  WITH data only, no truncate, no foreign keys, reset no sequences, create no indexes,
       prefetch rows = 10000
  CAST type datetime to timestamp
  INCLUDING ONLY TABLE NAMES MATCHING 'orders'
  ALTER SCHEMA '{source_database}' RENAME TO 'public';
""")
    # Rows that the target refuses do not change its exit status: the check of the target finds them.
    return run_program(["pgloader", "--root-dir", folder / "pgloader", script], folder)


def mydumper_myloader(source, source_database, target, target_database, threads, folder):
    """Dump to files, then load them: one after the other, as its users run it."""
    dump = folder / "dump"
    shutil.rmtree(dump, ignore_errors=True)
    write = ["mydumper", "-h", HOST, "-P", str(source.port), "-u", USER, "-B", source_database,
             "-T", "orders", "-m", "-t", str(threads), "-o", dump]
    if threads > 1:
        write += ["-r", "100000"]  # pieces of a table, for the threads to share
    load = ["myloader", "-h", HOST, "-P", str(target.port), "-u", USER, "-B", target_database, "-t",
            str(threads), "-d", dump]
    written = run_program(write, folder)
    loaded = run_program(load, folder)
    shutil.rmtree(dump, ignore_errors=True)
    loaded.seconds += written.seconds
    loaded.peak_rss_mib = max(loaded.peak_rss_mib, written.peak_rss_mib)
    return loaded
