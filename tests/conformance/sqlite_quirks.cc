#include "tests/conformance/quirks.h"

namespace migrator::test {
namespace {

constexpr const char* kCatalogScript = R"sql(
CREATE TABLE catalog_customers (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  email VARCHAR(60) NOT NULL,
  name VARCHAR(40) DEFAULT 'nobody''s',
  amount NUMERIC NOT NULL DEFAULT 0,
  doubled NUMERIC GENERATED ALWAYS AS (amount * 2) STORED,
  tax_number INTEGER,
  CONSTRAINT customers_amount_check CHECK (amount >= 0),
  CONSTRAINT customers_email_unique UNIQUE (email),
  CONSTRAINT customers_tax_unique UNIQUE (tax_number));
CREATE TABLE catalog_orders (
  number INTEGER NOT NULL,
  region VARCHAR(8) NOT NULL,
  customer_id INTEGER NOT NULL,
  follows_number INTEGER,
  follows_region VARCHAR(8),
  placed TEXT,
  PRIMARY KEY (region, number),
  CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES catalog_customers (id)
    ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT orders_follows_fk FOREIGN KEY (follows_region, follows_number)
    REFERENCES catalog_orders (region, number));
CREATE INDEX orders_customer_index ON catalog_orders (customer_id);
CREATE INDEX orders_placed_index ON catalog_orders (placed DESC, number);
CREATE INDEX orders_odd_index ON catalog_orders (number) WHERE number > 5;
CREATE TABLE catalog_lines (
  order_region VARCHAR(8) NOT NULL,
  order_number INTEGER NOT NULL,
  line INTEGER NOT NULL,
  note TEXT,
  PRIMARY KEY (order_region, order_number, line),
  CONSTRAINT lines_order_fk FOREIGN KEY (order_region, order_number)
    REFERENCES catalog_orders (region, number) ON DELETE CASCADE) WITHOUT ROWID;
CREATE TRIGGER orders_touch BEFORE INSERT ON catalog_orders BEGIN SELECT 1; END;
CREATE VIEW catalog_view AS SELECT id FROM catalog_customers;
CREATE TABLE _migrator_own (id INTEGER PRIMARY KEY);
)sql";

constexpr const char* kAllTypesScript = R"sql(
CREATE TABLE all_types (
  id INTEGER PRIMARY KEY, c_integer INTEGER, c_bigint BIGINT, c_real REAL, c_text TEXT,
  c_varchar VARCHAR(20), c_blob BLOB, c_bool BOOLEAN, c_dec DECIMAL(12,2), c_date DATE,
  c_ts DATETIME, c_time TIME, c_json JSON, c_uuid UUID, c_raw VARBINARY(20));
INSERT INTO all_types VALUES
 (-9223372036854775808, -9223372036854775808, -1, -1.7976931348623157e308, '', '', X'', 0,
  -9999999999.99, '0001-01-01', '0001-01-01 00:00:00', '00:00:00', '{"b":1,"a":[1,2.5]}',
  '00000000-0000-0000-0000-000000000000', X''),
 (0, 0, 0, 0.1, 'tab' || char(9) || ' newline' || char(10) || ' back\slash \N ''quote'' "double"',
  'Ünïcödé 日本語 🎉', X'00ff00275c0a0d09', 1, 0.01, '9999-12-31', '9999-12-31 23:59:59.999999',
  '23:59:59.999999', '"text"', 'ffffffff-ffff-ffff-ffff-ffffffffffff', X'00ff00'),
 (1, 9007199254740993, 1, 5e-324, '  both sides  ', 'trailing   ', X'202000', 0, 12, '2024-02-29',
  '2024-03-10 02:30:00.000001', '12:34:56.000001', '[]', '550e8400-e29b-41d4-a716-446655440000',
  X'202000'),
 (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
 (9223372036854775807, 9223372036854775807, 9223372036854775807, 1.7976931348623157e308,
  'é é', 'x', X'00', 1, 1.5, '1970-01-01', '1969-12-31 23:59:59.999999', '00:00:00.000001', 'null',
  '00000000-0000-0000-0000-000000000001', X'01');
)sql";

std::vector<KeySet> key_sets() {
  return {
      {"rowid",
       {{"k", "INTEGER"}},
       {{"-9223372036854775808"},
        {"-9223372036854775807"},
        {"-1"},
        {"0"},
        {"1"},
        {"2"},
        {"3"},
        {"9007199254740993"},
        {"9223372036854775806"},
        {"9223372036854775807"}}},
      {"bigint",
       {{"k", "BIGINT"}},
       {{"-2147483648"}, {"-7"}, {"-1"}, {"0"}, {"1"}, {"2"}, {"4"}, {"9223372036854775807"}}},
      {"text",
       {{"k", "TEXT"}},
       {{"''"},
        {"' '"},
        {"'a'"},
        {"'a '"},
        {"'A'"},
        {"'B'"},
        {"'b'"},
        {"'é'"},
        {"'z'"},
        {"'日本'"},
        {"'🎉'"},
        {"'it''s \\ \"x\"'"}}},
      {"text_case_insensitive",
       {{"k", "TEXT COLLATE NOCASE"}},
       {{"''"}, {"'a'"}, {"'B'"}, {"'c'"}, {"'D'"}, {"'é'"}, {"'z'"}, {"'日本'"}}},
      {"text_right_trimmed",
       {{"k", "TEXT COLLATE RTRIM"}},
       {{"''"}, {"'a '"}, {"'b'"}, {"'c   '"}}},
      {"bytes",
       {{"k", "BLOB"}},
       {{"X''"}, {"X'00'"}, {"X'0000'"}, {"X'27'"}, {"X'7f'"}, {"X'80'"}, {"X'ff'"}, {"X'ff00'"}}},
      {"real",
       {{"k", "REAL"}},
       {{"-1.5e300"}, {"-0.1"}, {"0.0"}, {"0.1"}, {"0.30000000000000004"}, {"0.3"}, {"1e300"}}},
      {"composite",
       {{"a", "TEXT"}, {"b", "INTEGER"}, {"c", "TEXT"}},
       {{"'x'", "-1", "'2024-01-01'"},
        {"'x'", "-1", "'2024-01-02'"},
        {"'x'", "0", "'2023-12-31'"},
        {"'x'", "5", "'0001-01-01'"},
        {"''", "5", "'2024-01-01'"},
        {"'y'", "-9", "'9999-12-31'"},
        {"'X'", "7", "'2024-01-01'"},
        {"'y'", "-8", "'1970-01-01'"}}}};
}

}  // namespace

Quirks sqlite_quirks() {
  Quirks quirks{};
  quirks.kind = ServerKind::sqlite;
  quirks.engine = Engine::sqlite;
  quirks.product = "SQLite 3.";
  quirks.has_server = false;
  quirks.has_lengths = false;
  quirks.has_negative_zero = false;  // a REAL that is whole is stored as an integer
  quirks.has_row_locks = false;
  quirks.read_committed = false;
  quirks.text_holds_nul = true;
  quirks.checks_utf8 = false;  // it stores what it is given
  quirks.int_type = "INTEGER";
  quirks.bigint_type = "BIGINT";
  quirks.double_type = "REAL";
  quirks.text_type = "TEXT";
  quirks.short_text_type = "VARCHAR(5)";
  quirks.bytes_type = "BLOB";
  quirks.small_type = "SMALLINT";
  quirks.identity_type = "INTEGER PRIMARY KEY AUTOINCREMENT";
  quirks.endless_query =
      "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n";
  quirks.slow_condition =
      "(WITH RECURSIVE n(x) AS (SELECT id UNION ALL SELECT x + 1 FROM n WHERE x < id + 200000) "
      "SELECT count(*) FROM n) > 0";
  quirks.session_settings = {{"PRAGMA encoding", "UTF-8"}};
  quirks.catalog_script = kCatalogScript;
  quirks.all_types_script = kAllTypesScript;
  quirks.all_types_dump =
      "SELECT id, typeof(c_integer), c_integer, typeof(c_bigint), c_bigint, typeof(c_real), "
      "printf('%!.17g', c_real), typeof(c_text), hex(c_text), hex(c_varchar), typeof(c_blob), "
      "hex(c_blob), typeof(c_bool), c_bool, c_dec, c_date, c_ts, c_time, c_json, c_uuid, "
      "typeof(c_raw), hex(c_raw) FROM all_types ORDER BY id";
  quirks.mappable_types = {"INTEGER",     "BIGINT",  "REAL",          "TEXT", "VARCHAR(40)",
                           "BLOB",        "BOOLEAN", "DECIMAL(12,2)", "DATE", "DATETIME",
                           "TIMESTAMPTZ", "TIME",    "JSON",          "UUID", "VARBINARY(40)"};
  quirks.keys = key_sets();
  return quirks;
}

}  // namespace migrator::test
