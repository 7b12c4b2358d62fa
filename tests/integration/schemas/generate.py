#!/usr/bin/env python3
"""The schemas and the rows of the integration tests: two sets in the style of Chinook and Sakila.

    generate.py schema {chinook,sakila} {postgres,mysql,sqlite}            CREATE TABLE and so on
    generate.py data   {chinook,sakila} {postgres,mysql,sqlite} [--scale N] INSERTs, a few thousand rows
    generate.py tables {chinook,sakila}                                     the names, parents first
    generate.py check                     that the .sql files beside this one are what `schema` prints

Both are made from one description, so that the three engines hold the same values and a migration over any
pair of them can be compared. The rows are the same on every run and every machine: the generator of numbers
is written out below. All key kinds are there (integers with their extremes, zero and negative ones, text,
uuid, bytes, dates, decimals, composites of mixed types), foreign keys of every shape (composite, to the
table itself, in a circle), unique columns that may be NULL, and values that like to go wrong.
"""
import argparse
import datetime
import json
import pathlib
import sys

ENGINES = ("postgres", "mysql", "sqlite")

# kind: (postgres, mysql, sqlite); {} are the arguments.
TYPES = {
    "small": ("smallint", "smallint", "SMALLINT"),
    "int": ("integer", "int", "INT"),
    "bigint": ("bigint", "bigint", "BIGINT"),
    "decimal": ("numeric({})", "decimal({})", "DECIMAL({})"),
    "real": ("double precision", "double", "REAL"),
    "bool": ("boolean", "tinyint(1)", "BOOLEAN"),
    "text": ("varchar({})", "varchar({})", "VARCHAR({})"),
    "code": ("varchar({})", "varchar({}) COLLATE utf8mb4_bin", "VARCHAR({})"),
    "longtext": ("text", "longtext", "TEXT"),
    "uuid": ("uuid", "char(36) CHARACTER SET ascii", "UUID"),
    "bytes": ("bytea", "varbinary({})", "BLOB"),
    "date": ("date", "date", "DATE"),
    "time": ("time(6)", "time(6)", "TIME"),
    "moment": ("timestamp(6)", "datetime(6)", "DATETIME"),
    "instant": ("timestamptz(6)", "timestamp(6)", "TIMESTAMPTZ"),
    "json": ("jsonb", "json", "JSON"),
}


class Column:
    """"int", "decimal 10,2", "text 40?" (the question mark: NULL is allowed), "int identity"."""

    def __init__(self, name, words):
        self.name = name
        self.nullable = words.endswith("?")
        parts = words.rstrip("?").split(" ")
        self.identity = "identity" in parts
        self.kind = parts[0]
        self.arguments = next((part for part in parts[1:] if part[0].isdigit()), "")


class Table:
    def __init__(self, name, columns, key, foreign=(), unique=(), checks=(), indexes=(), late=()):
        self.name = name
        self.columns = [Column(*pair) for pair in columns.items()]
        self.key = key.split()
        # (columns, table, columns, actions); late: those of a circle, added when both tables are there
        self.foreign, self.late = foreign, late
        self.unique = [columns.split() for columns in unique]
        self.checks, self.indexes = checks, [columns.split() for columns in indexes]


CHINOOK = [
    Table("artists", {"artist_id": "int", "name": "text 120", "formed": "date?"}, "artist_id"),
    Table("genres", {"genre_code": "code 20", "title": "text 80", "sort_weight": "decimal 6,3"},
          "genre_code"),
    Table("media_types", {"media_type_id": "small", "name": "text 40"}, "media_type_id",
          unique=["name"]),
    Table("albums", {"album_id": "bigint", "artist_id": "int", "title": "text 160",
                     "released": "date?", "cover": "bytes 400?"}, "album_id",
          foreign=[("artist_id", "artists", "artist_id", "")], indexes=["artist_id", "released title"]),
    Table("tracks", {"track_id": "uuid", "album_id": "bigint?", "genre_code": "code 20?",
                     "media_type_id": "small", "name": "text 200", "composer": "text 220?",
                     "milliseconds": "int", "unit_price": "decimal 10,2", "loudness": "real?",
                     "explicit": "bool", "lyrics": "longtext?"}, "track_id",
          foreign=[("album_id", "albums", "album_id", "ON DELETE SET NULL"),
                   ("genre_code", "genres", "genre_code", ""),
                   ("media_type_id", "media_types", "media_type_id", "")],
          checks=[("tracks_price_check", "unit_price >= 0")], indexes=["album_id", "name"]),
    Table("album_positions", {"album_id": "bigint", "disc": "small", "position": "int",
                              "track_id": "uuid"}, "album_id disc position",
          foreign=[("album_id", "albums", "album_id", "ON DELETE CASCADE"),
                   ("track_id", "tracks", "track_id", "ON DELETE CASCADE")], unique=["track_id"]),
    Table("playlists", {"playlist_id": "int identity", "name": "text 120?", "shared": "bool",
                        "created": "moment"}, "playlist_id"),
    Table("playlist_tracks", {"playlist_id": "int", "track_id": "uuid"}, "playlist_id track_id",
          foreign=[("playlist_id", "playlists", "playlist_id", "ON DELETE CASCADE"),
                   ("track_id", "tracks", "track_id", "ON DELETE CASCADE")], indexes=["track_id"]),
    Table("employees", {"employee_id": "int", "reports_to": "int?", "last_name": "text 40",
                        "title": "text 60?", "hired": "date", "starts_at": "time?",
                        "salary": "decimal 12,2", "photo": "bytes 400?"}, "employee_id",
          foreign=[("reports_to", "employees", "employee_id", "")]),
    Table("customers", {"customer_id": "bigint identity", "email": "text 100?", "name": "text 120",
                        "country": "text 2", "support_rep_id": "int?", "balance": "decimal 15,4",
                        "created": "instant"}, "customer_id",
          foreign=[("support_rep_id", "employees", "employee_id", "ON DELETE SET NULL")],
          unique=["email"], indexes=["country name"]),
    Table("invoices", {"invoice_id": "bigint", "customer_id": "bigint", "placed": "moment",
                       "total": "decimal 10,2", "status": "text 12", "notes": "json?"}, "invoice_id",
          foreign=[("customer_id", "customers", "customer_id", "")],
          checks=[("invoices_status_check", "status IN ('open', 'paid', 'void')")],
          indexes=["customer_id placed"]),
    Table("invoice_lines", {"invoice_id": "bigint", "line_number": "small", "track_id": "uuid",
                            "quantity": "int", "unit_price": "decimal 10,2"},
          "invoice_id line_number",
          foreign=[("invoice_id", "invoices", "invoice_id", "ON DELETE CASCADE"),
                   ("track_id", "tracks", "track_id", "")],
          checks=[("invoice_lines_quantity_check", "quantity > 0")]),
    Table("play_counts", {"played_on": "date", "station": "int", "plays": "bigint"},
          "played_on station"),
    Table("device_tokens", {"token": "bytes 32", "customer_id": "bigint", "last_seen": "moment?"},
          "token", foreign=[("customer_id", "customers", "customer_id", "ON DELETE CASCADE")]),
    Table("price_lists", {"tier": "small", "genre_code": "code 20", "valid_from": "moment",
                          "price": "decimal 10,2"}, "genre_code valid_from tier",
          foreign=[("genre_code", "genres", "genre_code", "")]),
    Table("price_notes", {"note_id": "int", "genre_code": "code 20?", "valid_from": "moment?",
                          "tier": "small?", "note": "longtext"}, "note_id",
          foreign=[("genre_code valid_from tier", "price_lists", "genre_code valid_from tier", "")]),
    Table("settings", {"name": "code 60", "value": "longtext?", "extra": "json?"}, "name"),
    Table("quarantine", {"item_id": "int", "reason": "text 80?"}, "item_id"),
]

SAKILA = [
    Table("languages", {"language_id": "small", "name": "text 20"}, "language_id", unique=["name"]),
    Table("films", {"film_id": "int", "title": "text 255", "release_year": "small?",
                    "language_id": "small", "original_language_id": "small?",
                    "rental_rate": "decimal 4,2", "length": "small?", "rating": "text 5?",
                    "features": "json?", "updated": "moment"}, "film_id",
          foreign=[("language_id", "languages", "language_id", ""),
                   ("original_language_id", "languages", "language_id", "")],
          checks=[("films_rating_check", "rating IN ('G', 'PG', 'PG-13', 'R', 'NC-17')")],
          indexes=["title"]),
    Table("actors", {"actor_id": "bigint", "first_name": "text 45", "last_name": "text 45",
                     "born": "date?"}, "actor_id", indexes=["last_name first_name"]),
    Table("film_actors", {"film_id": "int", "actor_id": "bigint", "updated": "moment"},
          "actor_id film_id",
          foreign=[("film_id", "films", "film_id", "ON DELETE CASCADE"),
                   ("actor_id", "actors", "actor_id", "ON DELETE CASCADE")], indexes=["film_id"]),
    Table("categories", {"category": "code 25", "parent": "code 25?"}, "category",
          foreign=[("parent", "categories", "category", "")]),
    Table("film_categories", {"film_id": "int", "category": "code 25"}, "film_id category",
          foreign=[("film_id", "films", "film_id", "ON DELETE CASCADE"),
                   ("category", "categories", "category", "")]),
    Table("film_texts", {"film_id": "int", "description": "longtext"}, "film_id",
          foreign=[("film_id", "films", "film_id", "ON DELETE CASCADE")]),
    Table("film_versions", {"film_id": "int", "version": "decimal 5,2", "checksum": "bytes 20"},
          "film_id version", foreign=[("film_id", "films", "film_id", "")]),
    Table("countries", {"iso": "code 2", "name": "text 60"}, "iso"),
    Table("cities", {"city_id": "int", "iso": "code 2", "name": "text 60"}, "city_id",
          foreign=[("iso", "countries", "iso", "")]),
    Table("addresses", {"address_id": "uuid", "city_id": "int", "street": "text 120",
                        "latitude": "real?", "longitude": "real?", "phone": "text 20?"}, "address_id",
          foreign=[("city_id", "cities", "city_id", "")]),
    Table("stores", {"store_id": "small", "address_id": "uuid", "manager_id": "int?"}, "store_id",
          foreign=[("address_id", "addresses", "address_id", "")],
          late=[("manager_id", "staff", "staff_id", "")]),
    Table("staff", {"staff_id": "int", "store_id": "small", "name": "text 90", "active": "bool",
                    "picture": "bytes 400?", "shift": "time?"}, "staff_id",
          foreign=[("store_id", "stores", "store_id", "")]),
    Table("members", {"member_id": "bigint identity", "store_id": "small", "name": "text 90",
                      "email": "text 80?", "active": "bool", "joined": "instant"}, "member_id",
          foreign=[("store_id", "stores", "store_id", "")], unique=["email"]),
    Table("inventory", {"store_id": "small", "film_id": "int", "copy_number": "int",
                        "condition_grade": "real?"}, "film_id store_id copy_number",
          foreign=[("store_id", "stores", "store_id", ""), ("film_id", "films", "film_id", "")]),
    Table("rentals", {"rental_id": "bigint", "film_id": "int", "store_id": "small",
                      "copy_number": "int", "member_id": "bigint", "rented": "moment",
                      "returned": "moment?"}, "rental_id",
          foreign=[("film_id store_id copy_number", "inventory", "film_id store_id copy_number", ""),
                   ("member_id", "members", "member_id", "")],
          unique=["rented member_id film_id"], indexes=["member_id"]),
    Table("payments", {"payment_id": "uuid", "rental_id": "bigint?", "amount": "decimal 12,2",
                       "paid": "instant", "method": "text 10"}, "payment_id",
          foreign=[("rental_id", "rentals", "rental_id", "ON DELETE SET NULL")],
          checks=[("payments_method_check", "method IN ('cash', 'card', 'voucher')")]),
    Table("daily_takings", {"taken_on": "date", "store_id": "small", "amount": "decimal 15,2",
                            "closed": "bool"}, "taken_on store_id",
          foreign=[("store_id", "stores", "store_id", "")]),
    Table("barcodes", {"code": "bytes 16", "film_id": "int", "store_id": "small",
                       "copy_number": "int"}, "code",
          foreign=[("film_id store_id copy_number", "inventory", "film_id store_id copy_number", "")]),
    Table("audit_entries", {"entry_id": "bigint identity", "at": "moment", "who": "text 60?",
                            "body": "longtext?"}, "entry_id"),
]

SETS = {"chinook": CHINOOK, "sakila": SAKILA}


# --- schema

def quoted(name, engine):
    return f"`{name}`" if engine == "mysql" else f'"{name}"'


def listed(names, engine):
    return ", ".join(quoted(name, engine) for name in names)


def column_sql(table, column, engine):
    if column.identity and engine == "sqlite":
        # Only these very words make the column the rowid.
        return f"  {quoted(column.name, engine)} INTEGER PRIMARY KEY AUTOINCREMENT"
    text = "  " + quoted(column.name, engine) + " "
    text += TYPES[column.kind][ENGINES.index(engine)].format(column.arguments)
    if not column.nullable:
        text += " NOT NULL"
    elif engine == "mysql" and column.kind == "instant":
        text += " NULL"
    if column.identity:
        text += " AUTO_INCREMENT" if engine == "mysql" else " GENERATED BY DEFAULT AS IDENTITY"
    elif engine == "mysql" and column.kind == "instant" and not column.nullable:
        # Without a default, the first TIMESTAMP of a table would be set anew by every UPDATE.
        text += " DEFAULT '1970-01-01 00:00:01'"
    return text


def foreign_sql(table, foreign, engine):
    columns, parent, parent_columns, actions = foreign
    name = table.name + "_" + columns.split()[0] + "_fk"
    text = (f"CONSTRAINT {name} FOREIGN KEY ({listed(columns.split(), engine)}) REFERENCES "
            f"{quoted(parent, engine)} ({listed(parent_columns.split(), engine)})")
    return text + (" " + actions if actions else "")


def table_sql(table, engine):
    lines = [column_sql(table, column, engine) for column in table.columns]
    identity = any(column.identity for column in table.columns)
    if not (identity and engine == "sqlite"):
        lines.append(f"  PRIMARY KEY ({listed(table.key, engine)})")
    for columns in table.unique:
        name = table.name + "_" + columns[0] + "_unique"
        lines.append(f"  CONSTRAINT {name} UNIQUE ({listed(columns, engine)})")
    for name, condition in table.checks:
        lines.append(f"  CONSTRAINT {name} CHECK ({condition})")
    foreign = list(table.foreign) + (list(table.late) if engine == "sqlite" else [])
    lines += ["  " + foreign_sql(table, entry, engine) for entry in foreign]
    # A table without a rowid, for the key that is composite and starts with text.
    suffix = {"mysql": " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
              "sqlite": " WITHOUT ROWID" if table.name in ("price_lists", "inventory") else "",
              "postgres": ""}[engine]
    return (f"CREATE TABLE {quoted(table.name, engine)} (\n" + ",\n".join(lines) + "\n)" + suffix + ";\n")


def schema_sql(name, engine):
    text = f"-- The {name} style schema. Made by generate.py: change it there.\n"
    tables = SETS[name]
    text += "".join(table_sql(table, engine) for table in tables)
    for table in tables:
        for columns in table.indexes:
            index = table.name + "_" + "_".join(columns) + "_index"
            text += (f"CREATE INDEX {index} ON {quoted(table.name, engine)} "
                     f"({listed(columns, engine)});\n")
    if engine != "sqlite":
        for table in tables:
            for entry in table.late:
                text += (f"ALTER TABLE {quoted(table.name, engine)} ADD "
                         f"{foreign_sql(table, entry, engine)};\n")
    return text


# --- rows

class Numbers:
    """A linear congruential generator (Knuth's MMIX constants): the same everywhere, for ever."""

    def __init__(self, seed):
        self.state = seed

    def below(self, limit):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % limit

    def pick(self, choices):
        return choices[self.below(len(choices))]


WORDS = ["Lyon", "naïve", "Ærø", "日本語", "Ünïcödé", "🎉🎷", "plain", "it's", 'say "hi"', "back\\slash",
         "tab\there", "semi;colon", "per%cent", "под", "ελληνικά", "e\u0301clair", "null", "NULL", "--",
         "/*", "\\N", "\\.", "$1", "?", ":name", "new\nline", "back`tick", "comma,separated", "ﬁ"]


class Maker:
    def __init__(self, seed):
        self.numbers = Numbers(seed)

    def text(self, limit, at):
        edges = ["", " leading", "trailing ", "x" * limit, "🎉" * min(limit, 50)]
        if at < len(edges):
            return edges[at][:limit].strip() if limit < 20 else edges[at][:limit]
        words = [self.numbers.pick(WORDS) for _ in range(1 + self.numbers.below(5))]
        return " ".join(words)[:limit]

    def bytes(self, limit, at):
        edges = [b"", b"\0", b"\0" * 4, b"\xff" * min(limit, 32), b"a\0\0", bytes(range(256))[:limit],
                 b"\\x41", b"'\"\\\n\r\t\x1a"]
        if at < len(edges):
            return edges[at]
        return bytes(self.numbers.below(256) for _ in range(self.numbers.below(min(limit, 64))))

    def uuid(self, at):
        edges = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff",
                 "00000000-0000-0000-0000-000000000001", "80000000-0000-0000-0000-000000000000"]
        if at < len(edges):
            return edges[at]
        digits = "".join(f"{self.numbers.below(65536):04x}" for _ in range(8))
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def date(self, at):
        edges = [(1970, 1, 1), (1969, 12, 31), (9999, 12, 31), (1000, 1, 1), (2024, 2, 29), (1900, 2, 28)]
        if at < len(edges):
            return datetime.date(*edges[at])
        return datetime.date(1950, 1, 1) + datetime.timedelta(days=self.numbers.below(30000))

    def moment(self, at):
        day = self.date(at)
        micros = [0, 999999, 1, 500000, 100000][at % 5] if at < 25 else self.numbers.below(1_000_000)
        return datetime.datetime(day.year, day.month, day.day, self.numbers.below(24),
                                 self.numbers.below(60), self.numbers.below(60), micros)

    def instant(self, at):
        # Within what MySQL's TIMESTAMP holds: 1970-01-01 00:00:01 to 2038-01-19 03:14:07.999999.
        edges = [(1, 0), (2**31 - 1, 999999), (1710054000, 1), (1711846800, 999999)]
        seconds, micros = edges[at] if at < len(edges) else (
            1 + self.numbers.below(2**31 - 2), self.numbers.below(1_000_000))
        return datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds, microseconds=micros)

    def json(self, at):
        edges = [{}, [], [None], "text", {"a": 1, "b": [1, 2.5, None, True], "é": "日本 🎉"},
                 {"q": "it's \"x\" \\ y"}, 0, -1.5]
        if at < len(edges):
            return edges[at]
        return {self.numbers.pick("abc"): self.numbers.below(1000), "tags": [self.numbers.pick(WORDS)]}

    def decimal(self, arguments, at):
        precision, scale = (int(part) for part in arguments.split(","))
        most = 10**precision - 1
        edges = [0, most, 1, 10**scale, 150 if scale == 2 else 15]
        number = edges[at] if at < len(edges) else self.numbers.below(min(most, 10**9))
        digits = str(number).rjust(scale + 1, "0")
        return digits[:-scale] + "." + digits[-scale:] if scale else digits

    def value(self, column, at):
        """A value for a column that is neither key nor foreign key."""
        if column.nullable and self.numbers.below(6) == 0:
            return None
        kind = column.kind
        if kind in ("text", "code"):
            return self.text(int(column.arguments), at)
        if kind == "longtext":
            return self.text(4000, at) if at != 7 else "long " * 5000
        if kind == "bytes":
            return self.bytes(int(column.arguments), at)
        if kind == "decimal":
            return self.decimal(column.arguments, at)
        if kind == "real":
            edges = [0.0, 0.1, -1.5, 1e300, -1e-300, 1 / 3, 12345678.9]
            return edges[at] if at < len(edges) else (self.numbers.below(2_000_001) - 1_000_000) / 7
        if kind == "bool":
            return bool(self.numbers.below(2))
        if kind == "time":
            edges = [datetime.time(0), datetime.time(23, 59, 59, 999999), datetime.time(12, 0, 0, 1)]
            return edges[at] if at < len(edges) else datetime.time(
                self.numbers.below(24), self.numbers.below(60), self.numbers.below(60),
                self.numbers.below(1_000_000))
        if kind in ("small", "int", "bigint"):
            most = {"small": 2**15 - 1, "int": 2**31 - 1, "bigint": 2**63 - 1}[kind]
            edges = [0, most, -most - 1, 1, -1]
            return edges[at] if at < len(edges) else self.numbers.below(min(most, 10**6))
        return {"uuid": self.uuid, "date": self.date, "moment": self.moment, "instant": self.instant,
                "json": self.json}[kind](at)


INT_KEYS = {
    "small": [0, -1, 1, -32768, 32767, 2, 3],
    "int": [0, -1, 1, 2, -2147483648, 2147483647, 3, -7],
    "bigint": [0, -1, 1, 2, -9223372036854775808, 9223372036854775807, 9007199254740993,
               -9223372036854775807, 9223372036854775806, 3],
}
TEXT_KEYS = ["rock", "Rock", "ROCK", "a b", " a", "é", "e\u0301", "日本", "🎉", "it's", "a\\b", 'q"q', "Z", "z",
             "ß", "ss", "0", "00", ""]
BYTE_KEYS = [b"", b"\0", b"\0\0", b"\xff", b"\xff\0", b"'", b"\\", b"\x7f", b"\x80"]
COUNTS = {
    "artists": 120, "genres": 19, "media_types": 7, "albums": 200, "tracks": 700, "album_positions": 500,
    "playlists": 25, "playlist_tracks": 600, "employees": 30, "customers": 250, "invoices": 400,
    "invoice_lines": 900, "play_counts": 400, "device_tokens": 120, "price_lists": 150,
    "price_notes": 60, "settings": 19, "quarantine": 0,
    "languages": 7, "films": 250, "actors": 150, "film_actors": 600, "categories": 19,
    "film_categories": 350, "film_texts": 200, "film_versions": 300, "countries": 19, "cities": 80,
    "addresses": 150, "stores": 7, "staff": 25, "members": 250, "inventory": 500, "rentals": 700,
    "payments": 600, "daily_takings": 300, "barcodes": 200, "audit_entries": 150,
}
# Few by nature; the rest grows with --scale.
FIXED = {"genres", "media_types", "settings", "languages", "categories", "countries", "stores",
         "quarantine"}
# Where a check limits the values.
CHOICES = {("invoices", "status"): ["open", "paid", "void"],
           ("films", "rating"): ["G", "PG", "PG-13", "R", "NC-17"],
           ("payments", "method"): ["cash", "card", "voucher"],
           ("invoice_lines", "quantity"): [1, 2, 3, 2147483647]}


def key_value(maker, column, at):
    if column.kind in INT_KEYS:
        edges = INT_KEYS[column.kind]
        if column.identity:
            return at + 1  # as the database would number them
        if at < len(edges):
            return edges[at]
        # Every second number: gaps, and no gap at all elsewhere.
        return at + 10 if at % 3 else at * 2 + 10_000
    if column.kind in ("text", "code"):
        limit = int(column.arguments)
        if at < len(TEXT_KEYS) and limit > 2:
            return TEXT_KEYS[at]
        return chr(65 + at // 26 % 26) + chr(97 + at % 26) + ("" if limit == 2 else str(at))
    if column.kind == "bytes":
        if at < len(BYTE_KEYS):
            return BYTE_KEYS[at]
        return at.to_bytes(3, "big") + maker.bytes(12, 99)
    return maker.value(column, at)


class Rows:
    """The rows of all tables of a set, parents first, with keys to refer to."""

    def __init__(self, name, scale):
        self.maker = Maker(20240229 if name == "chinook" else 19700101)
        self.rows = {}
        self.scale = scale
        self.tables = {table.name: table for table in SETS[name]}
        for table in SETS[name]:
            self.rows[table.name] = self.make(table)

    def make(self, table):
        count = COUNTS[table.name] * (1 if table.name in FIXED else self.scale)
        rows, keys, uniques = [], set(), [set() for _ in table.unique]
        attempts = 0
        while len(rows) < count and attempts < count * 20 + 100:
            row = self.row(table, attempts, rows)
            attempts += 1
            key = tuple(row[name] for name in table.key)
            values = [tuple(row[name] for name in columns) for columns in table.unique]
            # Text that differs in nothing but case or spaces at the end is one value to some engines.
            folded = [tuple(part.casefold().rstrip() if isinstance(part, str) else part for part in value)
                      for value in values]
            if key in keys or any(value in seen and None not in value
                                  for value, seen in zip(folded, uniques)):
                continue
            keys.add(key)
            for value, seen in zip(folded, uniques):
                seen.add(value)
            rows.append(row)
        if len(rows) < count:
            raise SystemExit(f"{table.name}: only {len(rows)} of {count} rows could be made")
        return rows

    def row(self, table, at, before):
        row = {}
        for columns, parent, parent_columns, _ in table.foreign:
            self.refer(row, table, columns.split(), before if parent == table.name else self.rows[parent],
                       parent_columns.split())
        late = [name for columns, *_ in table.late for name in columns.split()]
        for column in table.columns:
            if column.name in row:
                continue
            if column.name in late:
                row[column.name] = None
            elif (table.name, column.name) in CHOICES:
                row[column.name] = self.maker.numbers.pick(CHOICES[table.name, column.name])
            elif column.name in table.key:
                # In a composite key the same first part comes again and again.
                place = at if len(table.key) == 1 else self.maker.numbers.below(4 * len(INT_KEYS["int"]))
                row[column.name] = key_value(self.maker, column, place)
            else:
                row[column.name] = self.maker.value(column, at)
        return row

    def refer(self, row, table, columns, parents, parent_columns):
        nullable = all(column.nullable for column in table.columns if column.name in columns)
        if not parents or (nullable and self.maker.numbers.below(5) == 0):
            for name in columns:
                row[name] = None
            return
        parent = self.maker.numbers.pick(parents)
        for name, theirs in zip(columns, parent_columns):
            row[name] = parent[theirs]

    def late_updates(self, engine):
        """The circle is closed when both sides are there."""
        for table in self.tables.values():
            for columns, parent, parent_columns, _ in table.late:
                for row in self.rows[table.name]:
                    chosen = self.maker.numbers.pick(self.rows[parent])
                    sets = ", ".join(f"{quoted(name, engine)} = {literal(chosen[theirs], engine)}"
                                     for name, theirs in zip(columns.split(), parent_columns.split()))
                    where = " AND ".join(f"{quoted(name, engine)} = {literal(row[name], engine)}"
                                         for name in table.key)
                    yield f"UPDATE {quoted(table.name, engine)} SET {sets} WHERE {where};\n"


def literal(value, engine, kind=""):
    if kind == "json" and value is not None:
        return text_literal(json.dumps(value, ensure_ascii=False), engine)
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return ("true" if value else "false") if engine == "postgres" else str(int(value))
    if isinstance(value, (int, float)):
        # A bare -2147483648 is no integer to every parser, as the minus comes later.
        return f"'{value}'" if engine == "postgres" else repr(value)
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'" if engine == "postgres" else f"X'{value.hex()}'"
    if isinstance(value, datetime.datetime):
        zone = "+00:00" if kind == "instant" and engine != "mysql" else ""
        return f"'{value:%Y-%m-%d %H:%M:%S.%f}{zone}'"
    if isinstance(value, datetime.date):
        return f"'{value.isoformat()}'"
    if isinstance(value, datetime.time):
        return f"'{value:%H:%M:%S.%f}'"
    if kind == "decimal":
        return value
    return text_literal(value, engine)


def text_literal(text, engine):
    text = text.replace("'", "''")
    if engine == "mysql":
        text = text.replace("\\", "\\\\")
    return f"'{text}'"


def data_sql(name, engine, scale):
    rows = Rows(name, scale)
    # One transaction: a SQLite file would be synchronised for every statement.
    yield {"postgres": "BEGIN;\n", "mysql": "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = "
           "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO';\nBEGIN;\n", "sqlite": "BEGIN;\n"}[engine]
    if engine == "postgres":
        yield "SET TIME ZONE 'UTC';\n"
    for table in SETS[name]:
        columns = listed((column.name for column in table.columns), engine)
        made = rows.rows[table.name]
        for start in range(0, len(made), 100):
            lines = []
            for row in made[start:start + 100]:
                values = []
                for column in table.columns:
                    value = row[column.name]
                    values.append(literal(value, engine, column.kind))
                lines.append("(" + ", ".join(values) + ")")
            yield (f"INSERT INTO {quoted(table.name, engine)} ({columns}) VALUES\n" + ",\n".join(lines) +
                   ";\n")
    yield from rows.late_updates(engine)
    yield "COMMIT;\n"


# --- command line

def schema_file(name, engine):
    return pathlib.Path(__file__).parent / f"{name}-{engine}.sql"


def check():
    stale = [schema_file(name, engine).name for name in SETS for engine in ENGINES
             if schema_file(name, engine).read_text() != schema_sql(name, engine)]
    if stale:
        sys.exit("not what generate.py makes: " + ", ".join(stale))


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("schema", "data", "tables", "check"))
    parser.add_argument("set", nargs="?", choices=sorted(SETS))
    parser.add_argument("engine", nargs="?", choices=ENGINES)
    parser.add_argument("--scale", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.what == "check":
        return check()
    if not arguments.set or (arguments.what != "tables" and not arguments.engine):
        parser.error("which set, and for which engine?")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if arguments.what == "tables":
        print("\n".join(table.name for table in SETS[arguments.set]))
    elif arguments.what == "schema":
        sys.stdout.write(schema_sql(arguments.set, arguments.engine))
    else:
        for piece in data_sql(arguments.set, arguments.engine, arguments.scale):
            sys.stdout.write(piece)
    return None


if __name__ == "__main__":
    main()
