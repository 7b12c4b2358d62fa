#!/usr/bin/env python3
"""Proves that oracle.py finds what it is there to find.

Over every ordered pair of engines: two equal databases are equal, whatever way each engine writes its
values; and after each one change on the target (a row missing, a row more, a value, NULL for an empty text, a
space at the end, a microsecond, ...) the oracle says which and exits 3.

    oracle_selftest.py          SQLite, and the servers of MIGRATOR_TEST_POSTGRES_URL and _MYSQL_URL
"""
import concurrent.futures
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import urllib.parse

ORACLE = pathlib.Path(__file__).with_name("oracle.py")

TABLES = {
    "postgres": """
CREATE TABLE things (id bigint, part varchar(20), name varchar(60), note text, price numeric(12,3),
  weight double precision, small real, active boolean, raw bytea, day date, at timestamp(6), seen timestamptz(6),
  clock time(6), doc jsonb, tag uuid, PRIMARY KEY (id, part));
CREATE TABLE loose (a integer, b text);
INSERT INTO things VALUES
 (1, 'a', 'text', '', 1.50, 0.1, 0.1, true, '\\x00ff00', '2024-02-29', '2024-03-10 02:30:00.000001',
  '2024-03-10 07:30:00.000001+05', '12:34:56.000001', '{"b": 1.0, "a": [1, null]}',
  '550E8400-E29B-41D4-A716-446655440000'),
 (-9223372036854775808, '', 'Ünï 日本 🎉', NULL, -0.001, 1e300, -1.5, false, '\\x', '1000-01-01',
  '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999+00', '00:00:00', '"x"', NULL),
 (0, 'A', 'it''s \\ "q"', 'tab\tnewline
end', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
""",
    "mysql": """
SET NAMES utf8mb4, time_zone = '+00:00';
CREATE TABLE things (id bigint, part varchar(20) COLLATE utf8mb4_bin, name varchar(60), note longtext,
  price decimal(12,3), weight double, small float, active tinyint(1), raw varbinary(20), day date,
  at datetime(6), seen timestamp(6) NULL, clock time(6), doc json, tag char(36), PRIMARY KEY (id, part))
  ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
CREATE TABLE loose (a int, b text) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO things VALUES
 (1, 'a', 'text', '', 1.5, 0.1, 0.1, 1, X'00ff00', '2024-02-29', '2024-03-10 02:30:00.000001',
  '2024-03-10 02:30:00.000001', '12:34:56.000001', '{"a": [1, null], "b": 1}',
  '550e8400-e29b-41d4-a716-446655440000'),
 (-9223372036854775808, '', 'Ünï 日本 🎉', NULL, -0.001, 1e300, -1.5, 0, X'', '1000-01-01',
  '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999', '00:00:00', '"x"', NULL),
 (0, 'A', 'it''s \\\\ "q"', 'tab\\tnewline\\nend', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL);
INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
""",
    "sqlite": """
CREATE TABLE things (id BIGINT NOT NULL, part VARCHAR(20) NOT NULL, name VARCHAR(60), note TEXT,
  price DECIMAL(12,3), weight REAL, small REAL, active BOOLEAN, raw BLOB, day DATE, at DATETIME,
  seen TIMESTAMPTZ, clock TIME, doc JSON, tag TEXT, PRIMARY KEY (id, part));
CREATE TABLE loose (a INTEGER, b TEXT);
INSERT INTO things VALUES
 (1, 'a', 'text', '', 1.5, 0.1, 0.100000001490116119384765625, 1, X'00ff00', '2024-02-29',
  '2024-03-10T02:30:00.000001', '2024-03-10 02:30:00.000001+00:00', '12:34:56.000001',
  '{"b":1,"a":[1,null]}', '550e8400-e29b-41d4-a716-446655440000'),
 (-9223372036854775808, '', 'Ünï 日本 🎉', NULL, -0.001, 1e300, -1.5, 0, X'', '1000-01-01',
  '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999999Z', '00:00:00', '"x"', NULL),
 (0, 'A', 'it''s \\ "q"', 'tab\tnewline
end', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
INSERT INTO loose VALUES (1, 'x'), (1, 'x'), (NULL, NULL);
""",
}

# What is done to the target, and a word that the oracle's answer must have.
CHANGES = [
    ("a row is missing", "DELETE FROM things WHERE id = 0", "missing"),
    ("there is a row more", "INSERT INTO things (id, part) VALUES (0, 'a')", "extra"),
    ("a value is another", "UPDATE things SET price = 1.501 WHERE id = 1", "price"),
    ("NULL for an empty text", "UPDATE things SET note = NULL WHERE id = 1", "note"),
    ("an empty text for NULL", "UPDATE things SET note = '' WHERE id < 0", "note"),
    ("a space at the end", "UPDATE things SET name = 'text ' WHERE id = 1", "name"),
    ("a letter's case", "UPDATE things SET name = 'Text' WHERE id = 1", "name"),
    ("one microsecond", "UPDATE things SET at = '2024-03-10 02:30:00.000002' WHERE id = 1", "at is"),
    ("one microsecond of a time", "UPDATE things SET clock = '12:34:56' WHERE id = 1", "clock"),
    ("a day", "UPDATE things SET day = '2024-02-28' WHERE id = 1", "day"),
    ("the last digit of a double", "UPDATE things SET weight = 0.10000000000000002 WHERE id = 1",
     "weight"),
    ("a boolean", "UPDATE things SET active = {false} WHERE id = 1", "active"),
    ("a trailing zero byte", "UPDATE things SET raw = {bytes:00ff} WHERE id = 1", "raw"),
    ("an order in an array", """UPDATE things SET doc = '{{"b": 1, "a": [null, 1]}}' WHERE id = 1""",
     "doc"),
    ("a row of a table without a key, once instead of twice",
     "DELETE FROM loose; INSERT INTO loose VALUES (1, 'x'), (NULL, NULL)", "missing"),
    ("a row of a table without a key, once more", "INSERT INTO loose VALUES (1, 'x')", "extra"),
]


class Database:
    """A fresh database of one engine."""

    def __init__(self, engine, server):
        self.engine, self.server = engine, server
        self.name = "o_" + secrets.token_hex(6)
        if engine == "sqlite":
            self.folder = tempfile.TemporaryDirectory()
            self.url = f"sqlite:{self.folder.name}/{self.name}.db"
        else:
            suffix = " CHARACTER SET utf8mb4" if engine == "mysql" else ""
            run(engine, server, f"CREATE DATABASE {self.name}{suffix};")
            self.url = server.rsplit("/", 1)[0] + "/" + self.name
        run(engine, self.url, TABLES[engine])

    def change(self, sql):
        false = "false" if self.engine == "postgres" else "0"
        sql = sql.replace("{false}", false).replace("{{", "{").replace("}}", "}")
        sql = sql.replace("{bytes:00ff}", "'\\x00ff'" if self.engine == "postgres" else "X'00ff'")
        run(self.engine, self.url, sql + ";")

    def close(self):
        if self.engine == "sqlite":
            self.folder.cleanup()
        else:
            run(self.engine, self.server, f"DROP DATABASE {self.name};")


def run(engine, url, sql):
    parts = urllib.parse.urlsplit(url)
    if engine == "sqlite":
        argv, secret = ["sqlite3", "-bail", url.split(":", 1)[1]], {}
    elif engine == "postgres":
        argv = ["psql", "-Xq", "-v", "ON_ERROR_STOP=1", "-h", parts.hostname, "-p", str(parts.port), "-U",
                parts.username, parts.path[1:]]
        secret = {"PGPASSWORD": parts.password}
    else:
        argv = ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", "-h" + parts.hostname,
                f"-P{parts.port}", "-u" + parts.username, parts.path[1:]]
        secret = {"MYSQL_PWD": parts.password}
    subprocess.run(argv, input=sql.encode(), check=True, env={**os.environ, **secret},
                   stdout=subprocess.DEVNULL)


def ask(source, target):
    answer = subprocess.run([sys.executable, ORACLE, source.url, target.url], capture_output=True,
                            text=True)
    return answer.returncode, answer.stdout + answer.stderr


def check_pair(source_engine, target_engine, servers):
    failures = []
    source = Database(source_engine, servers[source_engine])
    try:
        target = Database(target_engine, servers[target_engine])
        status, text = ask(source, target)
        target.close()
        if status != 0:
            return [f"equal databases: status {status}\n{text}"]
        for what, sql, word in CHANGES:
            target = Database(target_engine, servers[target_engine])
            target.change(sql)
            status, text = ask(source, target)
            target.close()
            if status != 3 or word not in text or text.count("\n  ") != 1:
                failures.append(f"{what}: status {status}, expected 3 and one line with {word!r}\n{text}")
    finally:
        source.close()
    return failures


def main():
    servers = {"sqlite": ""}
    for engine, variable in (("postgres", "MIGRATOR_TEST_POSTGRES_URL"),
                             ("mysql", "MIGRATOR_TEST_MYSQL_URL")):
        if variable not in os.environ:
            sys.exit(f"{variable} is not set")
        servers[engine] = os.environ[variable]
    failed = False
    pairs = [(source, target) for source in servers for target in servers]
    with concurrent.futures.ThreadPoolExecutor(max_workers=4) as workers:
        outcomes = workers.map(lambda pair: check_pair(*pair, servers), pairs)
        for (source, target), failures in zip(pairs, outcomes):
            print(f"{source} to {target}: {len(CHANGES)} changes, {len(failures)} not found")
            for failure in failures:
                print("  " + failure.replace("\n", "\n  "))
            failed = failed or bool(failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
