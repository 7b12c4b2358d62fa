"""The table that every bench moves: `orders`, ten columns, about 400 bytes a row, keys 1 .. N.

Rows are made by the engine itself from the key alone, so they are the same on every machine and in every
run. They are like real ones in what costs time: NULLs, text beyond ASCII, and now and then a newline, a
tab and a backslash, which text formats must escape. The key is there, and no other index.
"""

import sqlite3

POSTGRES_TABLE = """CREATE TABLE orders (
  id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  status varchar(16) NOT NULL,
  amount numeric(12,2) NOT NULL,
  created_at timestamp NOT NULL,
  updated_at timestamp,
  note varchar(200),
  payload text NOT NULL,
  flag boolean NOT NULL,
  uuid {uuid} NOT NULL)"""

MYSQL_TABLE = """CREATE TABLE orders (
  id bigint NOT NULL PRIMARY KEY,
  customer_id bigint NOT NULL,
  status varchar(16) NOT NULL,
  amount decimal(12,2) NOT NULL,
  created_at datetime(6) NOT NULL,
  updated_at datetime(6),
  note varchar(200),
  payload text NOT NULL,
  flag tinyint(1) NOT NULL,
  uuid char(36) NOT NULL) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"""

SQLITE_TABLE = """CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL,
  status VARCHAR(16) NOT NULL,
  amount DECIMAL(12,2) NOT NULL,
  created_at DATETIME NOT NULL,
  updated_at DATETIME,
  note VARCHAR(200),
  payload TEXT NOT NULL,
  flag BOOLEAN NOT NULL,
  uuid CHAR(36) NOT NULL)"""

# From here on each engine says the same in its own words.
POSTGRES_ROWS = r"""INSERT INTO orders SELECT
  i, i * 7919 % 1000003, (ARRAY['new','paid','packed','shipped','returned'])[1 + i % 5],
  (i * 104729 % 100000000) / 100.0,
  timestamp '2021-01-01' + i * interval '37.000123 second',
  CASE WHEN i % 7 = 0 THEN NULL ELSE timestamp '2022-01-01' + i * interval '31.000321 second' END,
  CASE WHEN i % 50 = 0 THEN NULL ELSE 'Deliver after six to the café on the corner, reference ' || md5(i::text)
    || CASE WHEN i % 16 = 0 THEN E'.\nLeave with\tthe \\ neighbour ' ELSE '. Leave it with the neighbour ' END
    || i % 97 END,
  '{"channel": "web", "items": [{"sku": "' || md5((i * 31)::text) || '", "quantity": ' || i % 9 + 1
    || '}, {"sku": "' || md5((i * 17)::text) || '", "quantity": ' || i % 5 + 1
    || '}], "coupon": null, "gift": false, "weight": ' || i % 5000 || '}',
  i % 3 = 0, md5((i * 13)::text)::uuid
  FROM generate_series(1, {rows}::bigint) AS i"""

MYSQL_ROWS = r"""INSERT INTO orders SELECT
  seq, seq * 7919 % 1000003, ELT(1 + seq % 5, 'new','paid','packed','shipped','returned'),
  (seq * 104729 % 100000000) / 100,
  timestamp '2021-01-01 00:00:00' + INTERVAL seq * 37000123 MICROSECOND,
  IF(seq % 7 = 0, NULL, timestamp '2022-01-01 00:00:00' + INTERVAL seq * 31000321 MICROSECOND),
  IF(seq % 50 = 0, NULL, CONCAT('Deliver after six to the café on the corner, reference ', MD5(seq),
    IF(seq % 16 = 0, '.\nLeave with\tthe \\ neighbour ', '. Leave it with the neighbour '), seq % 97)),
  CONCAT('{"channel": "web", "items": [{"sku": "', MD5(seq * 31), '", "quantity": ', seq % 9 + 1,
    '}, {"sku": "', MD5(seq * 17), '", "quantity": ', seq % 5 + 1,
    '}], "coupon": null, "gift": false, "weight": ', seq % 5000, '}'),
  seq % 3 = 0,
  INSERT(INSERT(INSERT(INSERT(MD5(seq * 13), 9, 0, '-'), 14, 0, '-'), 19, 0, '-'), 24, 0, '-')
  FROM seq_1_to_{rows}"""

# SQLite has no md5; four multiplications make digits that look as random and cost as little.
SQLITE_ROWS = r"""WITH RECURSIVE s(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM s WHERE i < {rows}),
  h(i, a) AS (SELECT i, printf('%08x%08x%08x%08x', i * 2654435761 & 0xffffffff, i * 2246822519 & 0xffffffff,
    i * 3266489917 & 0xffffffff, i * 668265263 & 0xffffffff) FROM s)
INSERT INTO orders SELECT
  i, i * 7919 % 1000003,
  CASE i % 5 WHEN 0 THEN 'new' WHEN 1 THEN 'paid' WHEN 2 THEN 'packed' WHEN 3 THEN 'shipped' ELSE 'returned' END,
  (i * 104729 % 100000000) / 100.0,
  strftime('%Y-%m-%d %H:%M:%S', 1609459200 + i * 37, 'unixepoch'),
  CASE WHEN i % 7 = 0 THEN NULL ELSE strftime('%Y-%m-%d %H:%M:%S', 1640995200 + i * 31, 'unixepoch') END,
  CASE WHEN i % 50 = 0 THEN NULL ELSE 'Deliver after six to the café on the corner, reference ' || a
    || CASE WHEN i % 16 = 0 THEN '.' || char(10) || 'Leave with' || char(9) || 'the \ neighbour '
       ELSE '. Leave it with the neighbour ' END || (i % 97) END,
  '{"channel": "web", "items": [{"sku": "' || a || '", "quantity": ' || (i % 9 + 1)
    || '}, {"sku": "' || substr(a, 9) || substr(a, 1, 8) || '", "quantity": ' || (i % 5 + 1)
    || '}], "coupon": null, "gift": false, "weight": ' || (i % 5000) || '}',
  i % 3 = 0,
  substr(a, 1, 8) || '-' || substr(a, 9, 4) || '-' || substr(a, 13, 4) || '-' || substr(a, 17, 4) || '-'
    || substr(a, 21)
  FROM h"""

# What a copy must bring over unchanged, in one line: every column takes part. It is there to catch a
# contender that was fast because it did less; `migrate verify` and the integration tests prove equality.
POSTGRES_DIGEST = """SELECT concat_ws(' ', count(*), sum(id), sum(customer_id), count(DISTINCT status),
  sum(amount), to_char(max(created_at), 'YYYY-MM-DD HH24:MI:SS.US'), count(updated_at),
  to_char(max(updated_at), 'YYYY-MM-DD HH24:MI:SS.US'), count(note), sum(length(note)),
  sum(octet_length(note)), sum(length(payload)), sum(flag::int), min(uuid::text COLLATE "C"),
  max(uuid::text COLLATE "C")) FROM orders"""

MYSQL_DIGEST = """SELECT concat_ws(' ', count(*), sum(id), sum(customer_id), count(DISTINCT status),
  sum(amount), date_format(max(created_at), '%Y-%m-%d %H:%i:%s.%f'), count(updated_at),
  date_format(max(updated_at), '%Y-%m-%d %H:%i:%s.%f'), count(note), sum(char_length(note)),
  sum(length(note)), sum(char_length(payload)), sum(flag), min(uuid), max(uuid)) FROM orders"""

SQLITE_DIGEST = """SELECT count(*), sum(id), sum(customer_id), count(DISTINCT status), total(amount),
  sum(typeof(amount) = 'integer'), max(created_at), count(updated_at), max(updated_at), count(note),
  sum(length(note)), sum(length(payload)), sum(flag), min(uuid), max(uuid) FROM orders"""


def table_for(engine, uuid_type="uuid"):
    if engine == "postgres":
        return POSTGRES_TABLE.format(uuid=uuid_type)
    return MYSQL_TABLE if engine == "mysql" else SQLITE_TABLE


def fill(server, database, rows):
    """Makes the source's database and its rows; statistics are fresh and hint bits set afterwards."""
    server.new_database(database)
    if server.engine == "postgres":
        server.sql(database, table_for("postgres"), POSTGRES_ROWS.replace("{rows}", str(rows)),
                   "VACUUM (FREEZE, ANALYZE) orders")
    else:
        server.sql(database, table_for("mysql"), MYSQL_ROWS.replace("{rows}", str(rows)))
        server.sql(database, "ANALYZE TABLE orders")
    server.settle()


def digest(server, database):
    return server.sql(database, POSTGRES_DIGEST if server.engine == "postgres" else MYSQL_DIGEST)


def new_sqlite_file(path):
    """An empty `orders` in WAL mode, which is what migrator's own target sessions use."""
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute(SQLITE_TABLE)
    database.close()


def fill_sqlite(path, rows):
    new_sqlite_file(path)
    with sqlite3.connect(path) as database:
        database.execute(SQLITE_ROWS.replace("{rows}", str(rows)))
    database.close()


def digest_sqlite(path):
    database = sqlite3.connect(path)
    try:
        return " ".join(map(str, database.execute(SQLITE_DIGEST).fetchone()))
    finally:
        database.close()
