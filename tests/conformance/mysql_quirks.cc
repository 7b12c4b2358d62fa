#include "tests/conformance/quirks.h"

namespace migrator::test {
namespace {

constexpr const char* kCatalogScript = R"sql(
CREATE TABLE catalog_customers (
  id int NOT NULL AUTO_INCREMENT PRIMARY KEY,
  email varchar(60) NOT NULL,
  name varchar(40) DEFAULT 'nobody''s',
  amount decimal(12,2) NOT NULL DEFAULT 0,
  {generated}
  tax_number int,
  {check}
  UNIQUE KEY customers_email_unique (email),
  UNIQUE KEY customers_tax_unique (tax_number)) ENGINE=InnoDB;
CREATE TABLE catalog_orders (
  number int NOT NULL,
  region varchar(8) NOT NULL,
  customer_id int NOT NULL,
  follows_number int,
  follows_region varchar(8),
  placed datetime(6),
  PRIMARY KEY (region, number),
  KEY orders_customer_index (customer_id),
  KEY orders_placed_index (placed {desc}, number),
  KEY orders_odd_index (region(3)),
  KEY orders_follows_index (follows_region, follows_number),
  CONSTRAINT orders_customer_fk FOREIGN KEY (customer_id) REFERENCES catalog_customers (id)
    ON DELETE CASCADE ON UPDATE RESTRICT,
  CONSTRAINT orders_follows_fk FOREIGN KEY (follows_region, follows_number)
    REFERENCES catalog_orders (region, number)) ENGINE=InnoDB;
CREATE TABLE catalog_lines (
  order_region varchar(8) NOT NULL,
  order_number int NOT NULL,
  line int NOT NULL,
  note text,
  PRIMARY KEY (order_region, order_number, line),
  CONSTRAINT lines_order_fk FOREIGN KEY (order_region, order_number)
    REFERENCES catalog_orders (region, number) ON DELETE CASCADE) ENGINE=InnoDB;
CREATE TRIGGER orders_touch BEFORE INSERT ON catalog_orders FOR EACH ROW SET NEW.number = NEW.number;
CREATE VIEW catalog_view AS SELECT id FROM catalog_customers;
CREATE TABLE _migrator_own (id int PRIMARY KEY) ENGINE=InnoDB;
)sql";

constexpr const char* kAllTypesScript = R"sql(
CREATE TABLE all_types (
  id bigint PRIMARY KEY, c_tiny tinyint, c_utiny tinyint unsigned, c_small smallint,
  c_medium mediumint, c_umedium mediumint unsigned, c_int int, c_uint int unsigned, c_big bigint,
  c_ubig bigint unsigned, c_num decimal(20,5), c_wide decimal(65,30), c_float float, c_double double,
  c_varchar varchar(20), c_char char(5), c_text longtext, c_latin varchar(20) CHARACTER SET latin1,
  c_binary binary(4), c_varbinary varbinary(20), c_blob longblob, c_date date, c_time time(6),
  c_datetime datetime(6), c_plain datetime, c_ts timestamp(6) NULL, c_year year, c_bit bit(10),
  c_enum enum('sad','ok','it''s'), c_set set('a','b','c')) ENGINE=InnoDB;
INSERT INTO all_types VALUES
 (1, -128, 0, -32768, -8388608, 0, -2147483648, 0, -9223372036854775808, 0, -999999999999999.99999,
  -99999999999999999999999999999999999.999999999999999999999999999999, -3.40282e38,
  -1.7976931348623157e308, '', '', '', '', X'00000000', X'', X'', '1000-01-01', '00:00:00',
  '1000-01-01 00:00:00', '1000-01-01 00:00:00', '1970-01-01 00:00:01', 1901, b'0', 'sad', ''),
 (2, 127, 255, 32767, 8388607, 16777215, 2147483647, 4294967295, 9223372036854775807,
  18446744073709551615, 999999999999999.99999,
  99999999999999999999999999999999999.999999999999999999999999999999, 1.17549e-38,
  2.2250738585072014e-308, 'Ünïcödé 日本語 🎉', 'ab',
  'tab\t newline\n return\r back\\slash \\N \\. ''quote'' "double" %s {} , ;', 'café',
  X'ff00ff00', X'00ff00275c0a0d09', X'00ff00275c0a0d091a', '9999-12-31', '23:59:59.999999',
  '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59', '2038-01-19 03:14:07.999999', 2155,
  b'1111111111', 'it''s', 'a,c'),
 (3, 0, 128, 0, 0, 0, 0, 2147483648, 0, 9223372036854775808, 0, 0, 0.1, 0.1, 'trailing   ', 'abcde',
  '  both sides  ', 'x', X'20200000', X'2020', X'202000', '2024-02-29', '12:34:56.000001',
  '2024-03-10 02:30:00.000001', '2024-03-10 02:30:00', '2024-03-10 06:30:00.000001', 2024,
  b'1000000001', 'ok', 'a,b,c'),
 (4, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
)sql";

// FLOAT as text is rounded to six digits by the server: printed as a double it shows all it holds.
constexpr const char* kAllTypesDump =
    "SELECT id, c_tiny, c_utiny, c_small, c_medium, c_umedium, c_int, c_uint, c_big, c_ubig, "
    "c_num, "
    "c_wide, c_float + 0e0, c_double, HEX(c_varchar), HEX(c_char), HEX(c_text), HEX(c_latin), "
    "HEX(c_binary), HEX(c_varbinary), HEX(c_blob), c_date, c_time, c_datetime, c_plain, c_ts, "
    "c_year, "
    "c_bit + 0, c_enum, c_set FROM all_types ORDER BY id";

std::vector<KeySet> key_sets() {
  return {
      {"int",
       {{"k", "int"}},
       {{"-2147483648"}, {"-7"}, {"-1"}, {"0"}, {"1"}, {"2"}, {"4"}, {"2147483647"}}},
      {"bigint",
       {{"k", "bigint"}},
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
      {"bigint_unsigned",
       {{"k", "bigint unsigned"}},
       {{"0"},
        {"1"},
        {"2"},
        {"9223372036854775807"},
        {"9223372036854775808"},
        {"18446744073709551614"},
        {"18446744073709551615"}}},
      {"decimal",
       {{"k", "decimal(30,4)"}},
       {{"-99999999999999999999.9999"},
        {"-0.0001"},
        {"0"},
        {"0.0001"},
        {"1.5"},
        {"18446744073709551615"},
        {"9.9"},
        {"10"}}},
      {"text",
       {{"k", "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"}},
       {{"''"},
        {"'a'"},
        {"'A'"},
        {"'B'"},
        {"'b'"},
        {"'é'"},
        {"'z'"},
        {"'日本'"},
        {"'🎉'"},
        {"'it''s \\\\ \"x\"'"},
        {"'a b '"}}},
      {"text_case_insensitive",
       {{"k", "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"}},
       {{"''"}, {"'a'"}, {"'B'"}, {"'c'"}, {"'D'"}, {"'z'"}, {"'ae'"}, {"'日本'"}, {"'e '"}}},
      {"text_latin1",
       {{"k", "varchar(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci"}},
       {{"''"}, {"'a'"}, {"'b'"}, {"'å'"}, {"'ø'"}, {"'z'"}}},
      {"bytes",
       {{"k", "varbinary(20)"}},
       {{"X''"},
        {"X'00'"},
        {"X'0000'"},
        {"X'27'"},
        {"X'5c'"},
        {"X'7f'"},
        {"X'80'"},
        {"X'ff'"},
        {"X'ff00'"}}},
      {"binary",
       {{"k", "binary(3)"}},
       {{"X'000000'"}, {"X'000001'"}, {"X'ff0000'"}, {"X'ffffff'"}, {"X'200000'"}}},
      {"date",
       {{"k", "date"}},
       {{"'1000-01-01'"}, {"'1969-12-31'"}, {"'1970-01-01'"}, {"'2024-02-29'"}, {"'9999-12-31'"}}},
      {"datetime",
       {{"k", "datetime(6)"}},
       {{"'2024-03-10 06:59:59.999999'"},
        {"'2024-03-10 07:00:00'"},
        {"'2024-03-10 07:00:00.000001'"},
        {"'1969-12-31 23:59:59.999999'"}}},
      {"timestamp",
       {{"k", "timestamp(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)"}},
       {{"'2024-03-10 06:59:59.999999'"},
        {"'2024-03-10 07:00:00'"},
        {"'1970-01-01 00:00:01'"},
        {"'2038-01-19 03:14:07.999999'"}}},
      {"enum", {{"k", "enum('z','a','m')"}}, {{"'a'"}, {"'m'"}, {"'z'"}}},
      {"composite",
       {{"a", "varchar(20)"}, {"b", "int"}, {"c", "date"}},
       {{"'x'", "-1", "'2024-01-01'"},
        {"'x'", "-1", "'2024-01-02'"},
        {"'x'", "0", "'2023-12-31'"},
        {"'x'", "5", "'1000-01-01'"},
        {"''", "5", "'2024-01-01'"},
        {"'y'", "-9", "'9999-12-31'"},
        {"'X'", "7", "'2024-01-01'"},
        {"'y'", "-8", "'1970-01-01'"}}}};
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at)) {
    text.replace(at, what.size(), by);
  }
  return text;
}

}  // namespace

Quirks mysql_quirks(ServerKind kind) {
  const bool oracle = kind == ServerKind::oracle_mysql;  // 5.6
  Quirks quirks{};
  quirks.kind = kind;
  quirks.engine = Engine::mysql;
  quirks.product = oracle ? "MySQL 5.6" : "MariaDB ";
  quirks.has_generated = !oracle;     // MySQL has them since 5.7
  quirks.has_checks = !oracle;        // MySQL parses and ignores them until 8.0.16
  quirks.has_descending = !oracle;    // MySQL parses and ignores DESC until 8.0
  quirks.has_negative_zero = oracle;  // MariaDB stores -0 as 0
  quirks.text_holds_nul = true;
  quirks.int_type = "int";
  quirks.bigint_type = "bigint";
  quirks.double_type = "double";
  quirks.text_type = "longtext";
  quirks.short_text_type = "varchar(5)";
  quirks.bytes_type = "longblob";
  quirks.small_type = "smallint";
  quirks.identity_type = "bigint NOT NULL AUTO_INCREMENT PRIMARY KEY";
  quirks.table_suffix = " ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
  // SLEEP alone answers 1 when it is interrupted, by its documentation; as a part of more it fails.
  quirks.odd_session =
      "SET time_zone = '+05:30', sql_mode = '', character_set_results = 'latin1'; ";
  quirks.endless_query =
      "SELECT SUM(SLEEP(0.05)) FROM information_schema.collations a, information_schema.collations "
      "b";
  quirks.slow_condition = "SLEEP(0.02) = 0";
  quirks.own_session_query = "SELECT CONNECTION_ID()";
  quirks.kill_statement = "KILL {}";
  quirks.session_settings = {{"SELECT @@session.time_zone", "+00:00"},
                             {"SELECT @@session.character_set_client", "utf8mb4"},
                             {"SELECT @@session.character_set_connection", "utf8mb4"},
                             {"SELECT FROM_UNIXTIME(0)", "1970-01-01 00:00:00"},
                             {"SELECT @@session.sql_mode LIKE '%STRICT%'", "1"}};
  std::string script = kCatalogScript;
  script = replaced(script, "{generated}",
                    oracle ? "" : "doubled decimal(14,2) GENERATED ALWAYS AS (amount * 2) STORED,");
  script = replaced(script, "{check}",
                    oracle ? "" : "CONSTRAINT customers_amount_check CHECK (amount >= 0),");
  quirks.catalog_script = replaced(script, "{desc}", "DESC");
  quirks.all_types_script = kAllTypesScript;
  quirks.all_types_dump = kAllTypesDump;
  quirks.mappable_types = {"tinyint(4)",    "tinyint(3) unsigned",
                           "smallint(6)",   "smallint(5) unsigned",
                           "mediumint(9)",  "mediumint(8) unsigned",
                           "int(11)",       "int(10) unsigned",
                           "bigint(20)",    "bigint(20) unsigned",
                           "decimal(12,2)", "decimal(38,10)",
                           "float",         "double",
                           "varchar(40)",   "char(5)",
                           "text",          "longtext",
                           "binary(4)",     "varbinary(40)",
                           "blob",          "longblob",
                           "date",          "time(6)",
                           "datetime",      "datetime(6)",
                           "timestamp(6)"};
  quirks.keys = key_sets();
  return quirks;
}

}  // namespace migrator::test
