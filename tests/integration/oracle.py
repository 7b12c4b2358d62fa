#!/usr/bin/env python3
"""Compares two databases, row by row, by means of its own.

    oracle.py SOURCE_URL TARGET_URL [table[:target_table] ...]

Reads both sides completely (psql, mariadb, or Python's sqlite3 module), brings every value into one
canonical form, and compares the rows as multisets keyed by the source's primary key. It shares no code
with the product, so that an error in the product's codecs or verifier cannot hide itself.

Without tables, all of the source's are compared (but for those named _migrator_*).

    --limit N            differences printed a table (20)
    --common-columns     columns that only one side has are no difference

Exit status: 0 equal, 3 different, 2 usage, 1 anything else (a server that is not there, a missing table).
"""
import argparse
import collections
import datetime
import decimal
import json
import os
import re
import sqlite3
import subprocess
import sys
import urllib.parse
import uuid

# What a column's values are. "text" is what any other may be stored as.
TEXT, CHAR, NUMBER, BOOLEAN, REAL, BYTES, DATE, TIME, MOMENT, JSON, UUID = (
    "text", "char", "number", "boolean", "real", "bytes", "date", "time", "moment", "json", "uuid")

Column = collections.namedtuple("Column", "name kind")
Table = collections.namedtuple("Table", "columns key")
# What of one table is compared: the columns of both sides, in one order; and what differs in them already.
Pair = collections.namedtuple("Pair", "name target_name columns target_columns key differences")


class Unreadable(Exception):
    """The comparison cannot be made."""


def run_client(argv, environment, queries, marker):
    """What each of the queries prints, as lists of lines. They go through one client, as starting one takes
    longer than most of them: `marker` is a line that none of them prints."""
    sql = "".join(f"{query};\nSELECT '{marker}';\n" for query in queries)
    result = subprocess.run(argv, input=sql.encode(), capture_output=True,
                            env={**os.environ, **environment})
    if result.returncode != 0:
        raise Unreadable(f"{argv[0]}: {result.stderr.decode(errors='replace').strip()}")
    answers, lines = [], []
    for line in result.stdout.split(b"\n")[:-1]:
        if line == marker.encode():
            answers.append(lines)
            lines = []
        else:
            lines.append(line)
    return answers


class Postgres:
    KINDS = {"boolean": BOOLEAN, "smallint": NUMBER, "integer": NUMBER, "bigint": NUMBER,
             "numeric": NUMBER, "real": REAL, "double precision": REAL, "bytea": BYTES, "date": DATE,
             "time without time zone": TIME, "timestamp without time zone": MOMENT,
             "timestamp with time zone": MOMENT, "json": JSON, "jsonb": JSON, "uuid": UUID,
             "character": CHAR}

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.environment = {"PGTZ": "UTC", "PGDATESTYLE": "ISO, YMD", "PGCLIENTENCODING": "UTF8",
                            "PGOPTIONS": "-c extra_float_digits=3 -c bytea_output=hex"}
        if parts.password is not None:
            self.environment["PGPASSWORD"] = urllib.parse.unquote(parts.password)
        place = parts.netloc.rsplit("@", 1)
        account = place[0].split(":")[0] + "@" if len(place) == 2 else ""
        bare = urllib.parse.urlunsplit(parts._replace(netloc=account + place[-1]))
        self.argv = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-", bare]
        self.schemas = {}

    def rows_of(self, *queries):
        """For each query its rows of bytes and None, from the text form of COPY, which has no \\e."""
        for lines in run_client(self.argv, self.environment,
                                [f"COPY ({query}) TO STDOUT" for query in queries], "\\end"):
            yield [[None if field == b"\\N" else unescape_copy(field) for field in line.split(b"\t")]
                   for line in lines]

    @staticmethod
    def split(name):
        schema, dot, table = name.rpartition(".")
        return (schema if dot else None), table

    def tables(self):
        rows, = self.rows_of(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() "
            "AND table_type = 'BASE TABLE'")
        return [row[0].decode() for row in rows]

    def table(self, name):
        schema, table = self.split(name)
        if schema not in self.schemas:
            self.schemas[schema] = self.tables_of(schema)
        return self.schemas[schema].get(table, Table([], []))

    def tables_of(self, schema):
        place = quote_text(schema) if schema else "current_schema()"
        columns, keys = self.rows_of(
            "SELECT table_name, column_name, data_type FROM information_schema.columns "
            f"WHERE table_schema = {place} ORDER BY table_name, ordinal_position",
            "SELECT c.table_name, k.column_name FROM information_schema.table_constraints c JOIN "
            "information_schema.key_column_usage k ON k.constraint_name = c.constraint_name AND "
            "k.table_schema = c.table_schema AND k.table_name = c.table_name WHERE "
            f"c.constraint_type = 'PRIMARY KEY' AND c.table_schema = {place} "
            "ORDER BY c.table_name, k.ordinal_position")
        found = collections.defaultdict(lambda: Table([], []))
        for table, column, data_type in columns:
            kind = self.KINDS.get(data_type.decode(), TEXT)
            found[table.decode()].columns.append(Column(column.decode(), kind))
        for table, column in keys:
            found[table.decode()].key.append(column.decode())
        return found

    def read(self, tables):
        """For each (name, columns) its rows."""
        queries = [self.query(name, columns) for name, columns in tables]
        for (_, columns), rows in zip(tables, self.rows_of(*queries)):
            yield [[canonical(value, column.kind, postgres_bytes) for value, column in zip(row, columns)]
                   for row in rows]

    def query(self, name, columns):
        schema, table = self.split(name)
        quoted = (quote_name(schema) + "." if schema else "") + quote_name(table)
        selected = []
        for column in columns:
            text = quote_name(column.name)
            if column.kind == REAL:
                text += "::float8"  # a float4 prints fewer digits than the double of the same value
            selected.append(text + "::text")
        return f"SELECT {', '.join(selected)} FROM {quoted}"


def postgres_bytes(value):
    return bytes.fromhex(value[2:].decode())


def unescape_copy(field):
    simple = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}
    return re.sub(rb"\\(.)", lambda found: simple.get(found[1], found[1]), field, flags=re.S)


class Mysql:
    KINDS = {"tinyint": NUMBER, "smallint": NUMBER, "mediumint": NUMBER, "int": NUMBER,
             "bigint": NUMBER, "decimal": NUMBER, "year": NUMBER, "bit": NUMBER, "float": REAL,
             "double": REAL, "binary": BYTES, "varbinary": BYTES, "tinyblob": BYTES, "blob": BYTES,
             "mediumblob": BYTES, "longblob": BYTES, "date": DATE, "time": TIME, "datetime": MOMENT,
             "timestamp": MOMENT, "json": JSON, "uuid": UUID, "char": CHAR}

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        parameters = dict(urllib.parse.parse_qsl(parts.query))
        self.environment = {}
        if parts.password is not None:
            self.environment["MYSQL_PWD"] = urllib.parse.unquote(parts.password)
        self.argv = ["mariadb", "--no-defaults", "--batch", "--skip-column-names", "--quick",
                     "--default-character-set=utf8mb4", "--init-command=SET time_zone='+00:00'"]
        if parts.hostname:
            self.argv.append("-h" + parts.hostname)
        if parts.port:
            self.argv.append(f"-P{parts.port}")
        if parts.username:
            self.argv.append("-u" + urllib.parse.unquote(parts.username))
        if "socket" in parameters:
            self.argv.append("-S" + parameters["socket"])
        self.argv.append(urllib.parse.unquote(parts.path.lstrip("/")))
        self.schemas = {}

    def rows_of(self, *queries):
        """For each query, a list of expressions and the rest, its rows of bytes and None: every value as N
        or V and hexadecimal digits, as the client's own output does not tell NULL from 'NULL'."""
        scripts = []
        for expressions, rest in queries:
            shown = [f"IF(({text}) IS NULL, 'N', CONCAT('V', HEX({text})))" for text in expressions]
            scripts.append(f"SELECT {', '.join(shown)} {rest}")
        for lines in run_client(self.argv, self.environment, scripts, "end"):
            yield [[None if field == b"N" else bytes.fromhex(field[1:].decode())
                    for field in line.split(b"\t")] for line in lines]

    def tables(self):
        rows, = self.rows_of((["TABLE_NAME"], "FROM information_schema.TABLES WHERE TABLE_SCHEMA = "
                              "DATABASE() AND TABLE_TYPE = 'BASE TABLE'"))
        return [row[0].decode() for row in rows]

    def table(self, name):
        schema, _, table = name.rpartition(".")
        if schema not in self.schemas:
            self.schemas[schema] = self.tables_of(schema)
        return self.schemas[schema].get(table, Table([], []))

    def tables_of(self, schema):
        where = f"WHERE TABLE_SCHEMA = {quote_text(schema) if schema else 'DATABASE()'}"
        columns, keys = self.rows_of(
            (["TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "COLUMN_TYPE"],
             f"FROM information_schema.COLUMNS {where} ORDER BY TABLE_NAME, ORDINAL_POSITION"),
            (["TABLE_NAME", "COLUMN_NAME"],
             f"FROM information_schema.STATISTICS {where} AND INDEX_NAME = 'PRIMARY' "
             "ORDER BY TABLE_NAME, SEQ_IN_INDEX"))
        found = collections.defaultdict(lambda: Table([], []))
        for table, column, data_type, full_type in columns:
            kind = self.KINDS.get(data_type.decode(), TEXT)
            found[table.decode()].columns.append(
                Column(column.decode(), BOOLEAN if full_type == b"tinyint(1)" else kind))
        for table, column in keys:
            found[table.decode()].key.append(column.decode())
        return found

    def read(self, tables):
        queries = [self.query(name, columns) for name, columns in tables]
        for (_, columns), rows in zip(tables, self.rows_of(*queries)):
            yield [[canonical(value, column.kind, bytes) for value, column in zip(row, columns)]
                   for row in rows]

    @staticmethod
    def query(name, columns):
        quoted = ".".join("`" + part.replace("`", "``") + "`" for part in name.split("."))
        expressions = []
        for column in columns:
            text = "`" + column.name.replace("`", "``") + "`"
            if column.kind == NUMBER or column.kind == BOOLEAN:
                text = f"CAST({text} + 0 AS CHAR)"
            elif column.kind == REAL:
                text = f"CAST({text} + 0e0 AS CHAR)"  # a FLOAT alone prints six digits
            elif column.kind != BYTES:
                text = f"CONVERT(CAST({text} AS CHAR) USING utf8mb4)"
            expressions.append(text)
        return expressions, f"FROM {quoted}"


class StoredText(bytes):
    """TEXT as it lies in a SQLite file, told from a BLOB."""


class Sqlite:
    def __init__(self, url):
        path = url.split(":", 1)[1].split("?")[0]
        if not os.path.exists(path):
            raise Unreadable(f"no file {path}")
        quoted = urllib.parse.quote(os.path.abspath(path))
        self.connection = sqlite3.connect(f"file:{quoted}?mode=ro", uri=True)
        self.connection.text_factory = StoredText

    @staticmethod
    def kind_of(declared):
        declared = declared.upper()
        for words, kind in ((("BOOL",), BOOLEAN), (("TIMESTAMP", "DATETIME"), MOMENT),
                            (("DATE",), DATE), (("TIME",), TIME), (("UUID",), UUID), (("JSON",), JSON),
                            (("INT", "DEC", "NUM"), NUMBER), (("REAL", "FLOA", "DOUB"), REAL),
                            (("BLOB", "BINARY", "BYTEA"), BYTES)):
            if any(word in declared for word in words):
                return kind
        return TEXT

    def tables(self):
        return [row[0].decode() for row in self.connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' "
            "ESCAPE '\\'")]

    def table(self, name):
        columns, key = [], []
        for row in self.connection.execute(f"PRAGMA table_xinfo({quote_name(name)})"):
            _, column, declared, _, _, place, hidden = row
            if hidden == 1:
                continue
            columns.append(Column(column.decode(), self.kind_of(declared.decode())))
            if place:
                key.append((place, column.decode()))
        return Table(columns, [column for _, column in sorted(key)])

    def read(self, tables):
        for name, columns in tables:
            selected = ", ".join(quote_name(column.name) for column in columns)
            yield [[self.value_of(value, column.kind) for value, column in zip(row, columns)]
                   for row in self.connection.execute(f"SELECT {selected} FROM {quote_name(name)}")]

    @staticmethod
    def value_of(value, kind):
        if isinstance(value, (int, float)) and kind == JSON:
            return of_kind(repr(value), JSON)  # a JSON column turns text that is a number into one
        if isinstance(value, int) and kind not in (TEXT, BYTES):
            if kind == REAL:
                return float(value)
            return bool(value) if kind == BOOLEAN and value in (0, 1) else decimal.Decimal(value)
        if isinstance(value, float):
            return decimal.Decimal(repr(value)) if kind == NUMBER else value
        if isinstance(value, StoredText):
            # Text in a BLOB column is not the bytes that it is made of.
            return canonical(value, TEXT if kind == BYTES else kind, bytes)
        return value


def quote_name(name):
    return '"' + name.replace('"', '""') + '"'


def quote_text(text):
    return "'" + text.replace("'", "''") + "'"


def canonical(value, kind, read_bytes):
    """The value of an engine's text. What does not read as its kind stays the text it is, and so differs
    from every value that does."""
    if value is None:
        return None
    if kind == BYTES:
        return read_bytes(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return value
    try:
        return of_kind(text, kind)
    except (ValueError, ArithmeticError):
        return text


def of_kind(text, kind):
    if kind == NUMBER:
        return decimal.Decimal(text)
    if kind == BOOLEAN:
        return {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}.get(
            text.lower(), text)
    if kind == REAL:
        return float(text)
    if kind == CHAR:
        return text.rstrip(" ")
    if kind == DATE:
        return datetime.date.fromisoformat(text)
    if kind == TIME:
        return micros_of_time(text)
    if kind == MOMENT:
        return moment_of(text)
    if kind == JSON:
        document = json.loads(text, parse_int=decimal.Decimal, parse_float=decimal.Decimal)
        # 1, 1.0 and 10e-1 are one number; 0.1 has no nearest double here.
        return json.dumps(document, sort_keys=True, ensure_ascii=False,
                          default=lambda number: {"number": comparable(number)[1]})
    if kind == UUID:
        return str(uuid.UUID(text))
    return text


def micros_of_time(text):
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?", text)
    if not found:
        raise ValueError(text)
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 + int(found[3])
    return ("time", seconds * 1_000_000 + int((found[4] or "").ljust(6, "0")))


def moment_of(text):
    """Microseconds of UTC; without a zone it is taken to be UTC."""
    found = re.fullmatch(r"(\d{4,})-(\d\d)-(\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)"
                         r"(Z|[+-]\d\d(?::?\d\d)?)?", text)
    if not found:
        raise ValueError(text)
    days = datetime.date(int(found[1]), int(found[2]), int(found[3])).toordinal()
    micros = days * 86_400_000_000 + micros_of_time(found[4])[1]
    zone = found[5]
    if zone and zone != "Z":
        digits = zone[1:].replace(":", "").ljust(4, "0")
        offset = int(digits[:2]) * 60 + int(digits[2:])
        micros -= (offset if zone[0] == "+" else -offset) * 60_000_000
    return ("moment", micros)


def meet(value, kind, other_kind):
    """A value of one side in the form that both sides' kinds can be compared in."""
    if value is None or kind == other_kind:
        return comparable(value)
    kinds = {kind, other_kind}
    if isinstance(value, bool) and kinds <= {BOOLEAN, NUMBER, REAL}:
        return comparable(decimal.Decimal(int(value)))
    if isinstance(value, float) and NUMBER in kinds:
        return comparable(decimal.Decimal(repr(value)))
    if isinstance(value, bytes) and UUID in kinds and len(value) == 16:
        return str(uuid.UUID(bytes=value))
    if isinstance(value, str) and CHAR in kinds:
        return value.rstrip(" ")
    if isinstance(value, str) and kind == TEXT:
        try:
            return comparable(of_kind(value, other_kind))
        except (ValueError, ArithmeticError):
            return value
    return comparable(value)


def comparable(value):
    """Hashable, and equal exactly where the values are: 1 is not true is not 1.0, -0.0 is not 0.0."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, decimal.Decimal):
        if not value.is_finite():
            return ("number", str(value))
        with decimal.localcontext(decimal.Context(prec=1000)):
            text = format(value.normalize(), "f")
        return ("number", "0" if text in ("-0", "0") else text)
    if isinstance(value, float):
        return ("real", repr(value))
    if isinstance(value, datetime.date):
        return ("date", value.toordinal())
    if isinstance(value, bytes):
        return ("bytes", value.hex())
    return value


def open_database(url):
    scheme = url.split(":", 1)[0]
    engines = {"postgresql": Postgres, "postgres": Postgres, "mysql": Mysql, "mariadb": Mysql,
               "sqlite": Sqlite}
    if scheme not in engines:
        raise Unreadable(f"unknown kind of URL {scheme}:")
    return engines[scheme](url)


def by_key(raw_rows, columns, other_columns, key):
    """{key: [rows]}; with the rows' values in comparable form."""
    others = {column.name: column.kind for column in other_columns}
    places = [[column.name for column in columns].index(part) for part in key]
    rows = collections.defaultdict(list)
    for raw in raw_rows:
        row = tuple(meet(value, column.kind, others[column.name])
                    for value, column in zip(raw, columns))
        rows[tuple(row[place] for place in places) if places else row].append(row)
    return rows


def compare_columns(source, target, common_only):
    theirs = {column.name for column in target.columns}
    ours = {column.name for column in source.columns}
    problems = []
    if not common_only:
        problems += [f"column {name} is missing" for name in sorted(ours - theirs)]
        problems += [f"column {name} is extra" for name in sorted(theirs - ours)]
    return ours & theirs, problems


def pair_of(source, target, name, target_name, common_only):
    ours, theirs = source.table(name), target.table(target_name)
    for side, found, label in ((source, ours, name), (target, theirs, target_name)):
        if not found.columns:
            raise Unreadable(f"no table {label} in the {'source' if side is source else 'target'}")
    shared, differences = compare_columns(ours, theirs, common_only)
    our_columns = [column for column in ours.columns if column.name in shared]
    by_name = {column.name: column for column in theirs.columns}
    their_columns = [by_name[column.name] for column in our_columns]
    key = ours.key if all(part in shared for part in ours.key) else []
    return Pair(name, target_name, our_columns, their_columns, key, differences)


def compare_table(pair, source_rows, target_rows):
    """The differences of one table, each a line."""
    left = by_key(source_rows, pair.columns, pair.target_columns, pair.key)
    right = by_key(target_rows, pair.target_columns, pair.columns, pair.key)
    lines = list(pair.differences)
    for at in left.keys() | right.keys():
        lines += compare_rows(at, left.get(at, []), right.get(at, []), pair.columns, bool(pair.key))
    return lines


def compare_rows(at, left, right, columns, keyed):
    if len(left) == len(right) == 1 and keyed:
        return [f"key {show(at)}: {column.name} is {show(a)} in the source and {show(b)} in the target"
                for column, a, b in zip(columns, left[0], right[0]) if a != b]
    lines = []
    for row, count in (collections.Counter(left) - collections.Counter(right)).items():
        lines += [f"missing: {show(at if keyed else row)}"] * count
    for row, count in (collections.Counter(right) - collections.Counter(left)).items():
        lines += [f"extra: {show(at if keyed else row)}"] * count
    return lines


def show(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("tables", nargs="*")
    parser.add_argument("--limit", type=int, default=20)
    parser.add_argument("--common-columns", action="store_true")
    arguments = parser.parse_args()
    source, target = open_database(arguments.source), open_database(arguments.target)
    names = [(pair + ":" + pair).split(":")[:2] for pair in arguments.tables]
    if not names:
        names = [(name, name) for name in sorted(source.tables())
                 if not name.startswith("_migrator_")]
    if not names:
        raise Unreadable("the source has no tables")
    pairs = [pair_of(source, target, *both, arguments.common_columns) for both in names]
    different = False
    for pair, left, right in zip(pairs, source.read([(pair.name, pair.columns) for pair in pairs]),
                                 target.read([(pair.target_name, pair.target_columns) for pair in pairs])):
        lines = compare_table(pair, left, right)
        verdict = "equal" if not lines else f"{len(lines)} differences"
        print(f"{pair.name}: {len(left)} rows in the source, {len(right)} in the target, {verdict}")
        for line in sorted(lines)[:arguments.limit]:
            print(f"  {line}")
        different = different or bool(lines)
    return 3 if different else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Unreadable as problem:
        print(f"oracle: {problem}", file=sys.stderr)
        sys.exit(1)
