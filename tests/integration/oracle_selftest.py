#!/usr/bin/env python3
"""Proves that oracle.py finds what it is there to find.

Over every ordered pair of engines: two equal databases are equal, whatever way each engine writes its
values; and after each one change on the target (a row missing, a row more, a value, NULL for an empty text, a
space at the end, a microsecond, ...) the oracle says which and exits 3.

Each change is made in a table of its own, so that one comparison of a pair shows them all: a comparison for
each took minutes. That each by itself makes the exit status 3 is seen with SQLite.

    oracle_selftest.py          SQLite, and the servers of MIGRATOR_TEST_POSTGRES_URL and _MYSQL_URL
"""
import concurrent.futures
import contextlib
import os
import pathlib
import re
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


# The tables that stay as they are, and one for each change.
UNTOUCHED = ("things", "loose")


def table_of(number):
    return f"{'loose' if 'loose' in CHANGES[number][1] else 'things'}_{number}"


def in_table(sql, name):
    """A script about things or loose, as one about `name`."""
    return re.sub(rf"\b{name.split('_')[0]}\b", name, sql)


def script_of(engine):
    """All tables, with the rows that they have at first."""
    settings, *statements = re.split(r"^(?=CREATE|INSERT)", TABLES[engine], flags=re.M)
    script = settings
    for name in UNTOUCHED + tuple(map(table_of, range(len(CHANGES)))):
        base = name.split("_")[0]
        for statement in statements:
            if re.match(rf"(CREATE TABLE|INSERT INTO) {base}\b", statement):
                script += in_table(statement, name)
    return script


def changes_of(engine):
    """All changes, each in its own table."""
    script = ""
    for number, (_, sql, _) in enumerate(CHANGES):
        sql = sql.replace("{false}", "false" if engine == "postgres" else "0")
        sql = sql.replace("{{", "{").replace("}}", "}")
        sql = sql.replace("{bytes:00ff}", "'\\x00ff'" if engine == "postgres" else "X'00ff'")
        script += in_table(sql, table_of(number)) + ";\n"
    return script


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
        run(engine, self.url, script_of(engine))

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


def ask(source, target, *tables):
    answer = subprocess.run([sys.executable, ORACLE, source.url, target.url, *tables],
                            capture_output=True, text=True)
    return answer.returncode, answer.stdout + answer.stderr


def differences_in(text):
    """{table: [lines]}, of every table that the oracle has compared."""
    found = {}
    for line in text.splitlines():
        if line.startswith("  ") and found:
            found[name].append(line)
        else:
            name = line.split(":")[0]
            found[name] = []
    return found


def check_pair(source, target):
    failures = []
    status, text = ask(source, target, *UNTOUCHED)
    if status != 0:
        return [f"equal databases: status {status}\n{text}"]
    run(target.engine, target.url, changes_of(target.engine))
    status, text = ask(source, target)
    found = differences_in(text)
    if status != 3 or set(found) != set(UNTOUCHED) | set(map(table_of, range(len(CHANGES)))):
        return [f"after the changes: status {status}, expected 3 and all tables\n{text}"]
    failures += [f"{name} is as it was, and found to be different\n" + "\n".join(found[name])
                 for name in UNTOUCHED if found[name]]
    for number, (what, _, word) in enumerate(CHANGES):
        lines = found[table_of(number)]
        if len(lines) != 1 or word not in lines[0]:
            failures.append(f"{what}: expected one line with {word!r}\n" + "\n".join(lines))
        if source.engine == target.engine == "sqlite":
            status, text = ask(source, target, table_of(number))
            if status != 3:
                failures.append(f"{what}, alone: status {status}, expected 3\n{text}")
    return failures


def main():
    servers = {"sqlite": ""}
    for engine, variable in (("postgres", "MIGRATOR_TEST_POSTGRES_URL"),
                             ("mysql", "MIGRATOR_TEST_MYSQL_URL")):
        if variable not in os.environ:
            sys.exit(f"{variable} is not set")
        servers[engine] = os.environ[variable]
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(2) as workers:
        def fresh(engine):
            return stack.enter_context(contextlib.closing(Database(engine, servers[engine])))

        sources = [fresh(engine) for engine in servers]
        pairs = [(source, fresh(engine)) for source in sources for engine in servers]
        failed = False
        for (source, target), failures in zip(pairs, workers.map(lambda pair: check_pair(*pair), pairs)):
            print(f"{source.engine} to {target.engine}: {len(CHANGES)} changes, {len(failures)} not found")
            for failure in failures:
                print("  " + failure.replace("\n", "\n  "))
            failed = failed or bool(failures)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
