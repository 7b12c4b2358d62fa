#!/usr/bin/env python3
"""Fills an empty database with one of the sets: load.py {chinook,sakila} URL [--scale N] [--schema-only]

The schema is the .sql file beside this one, the rows are generate.py's.
"""
import argparse
import os
import pathlib
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import generate  # noqa: E402


def engine_of(url):
    scheme = url.split(":", 1)[0]
    return {"postgresql": "postgres", "postgres": "postgres", "mariadb": "mysql"}.get(scheme, scheme)


def run(url, sql):
    """Runs a script with the engine's own client; a failing statement ends it."""
    engine, parts = engine_of(url), urllib.parse.urlsplit(url)
    secret = {}
    if engine == "sqlite":
        argv = ["sqlite3", "-bail", "-cmd", "PRAGMA foreign_keys = ON", url.split(":", 1)[1].split("?")[0]]
    elif engine == "postgres":
        argv = ["psql", "-Xqt", "-v", "ON_ERROR_STOP=1", "-h", parts.hostname, "-p", str(parts.port), "-U",
                parts.username, parts.path[1:]]
        secret = {"PGPASSWORD": urllib.parse.unquote(parts.password or ""), "PGCLIENTENCODING": "UTF8"}
    else:
        argv = ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-h" + parts.hostname,
                f"-P{parts.port}", "-u" + parts.username, parts.path[1:]]
        secret = {"MYSQL_PWD": urllib.parse.unquote(parts.password or "")}
    subprocess.run(argv, input=sql.encode(), check=True, env={**os.environ, **secret},
                   stdout=subprocess.DEVNULL)


def load(name, url, scale=1, schema_only=False):
    engine = engine_of(url)
    run(url, generate.schema_file(name, engine).read_text())
    if not schema_only:
        run(url, "".join(generate.data_sql(name, engine, scale)))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", choices=sorted(generate.SETS))
    parser.add_argument("url")
    parser.add_argument("--scale", type=int, default=1)
    parser.add_argument("--schema-only", action="store_true")
    arguments = parser.parse_args()
    load(arguments.set, arguments.url, arguments.scale, arguments.schema_only)


if __name__ == "__main__":
    main()
