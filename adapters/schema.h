// What a database says about its tables, in words that the three engines share.
//
// A column carries two types: `native_type`, exactly as its engine writes it in DDL, and `type`,
// the neutral type that rows of this column have while they travel as cells (row_batch.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapters/url.h"

namespace migrator {

enum class TypeKind {
  boolean,      // cell: integer 0 or 1
  int16,        // cell: integer
  int32,        // cell: integer
  int64,        // cell: integer
  uint64,       // cell: unsigned_integer (always, also for small values)
  decimal,      // cell: text, plain digits: -123.4500, no exponent, NaN/Infinity spelled like that
  float32,      // cell: real
  float64,      // cell: real
  text,         // cell: text, UTF-8
  bytes,        // cell: bytes
  date,         // cell: integer, days since 1970-01-01, proleptic Gregorian
  time,         // cell: integer, microseconds since midnight, 0 .. 86'400'000'000
  timestamp,    // cell: integer, microseconds since 1970-01-01 00:00:00, no time zone
  timestamptz,  // cell: integer, microseconds since 1970-01-01 00:00:00 UTC
  json,         // cell: text
  uuid,         // cell: bytes, 16 of them in network order
  opaque,  // cell: text or bytes as the engine prints it; only copied to the very same native type
};
std::string_view name(TypeKind kind);

struct Type {
  TypeKind kind = TypeKind::opaque;
  std::uint64_t length = 0;  // text: characters, bytes: bytes; 0 is unbounded
  std::uint32_t precision =
      0;  // decimal: digits in all, 0 unbounded; time and timestamps: digits of the second
  std::uint32_t scale = 0;  // decimal: digits after the point
  bool fixed = false;       // char(n), binary(n): padded to length
  bool operator==(const Type&) const = default;
};
std::string describe(const Type& type);  // "decimal(12,2)", "text(40)"

struct Column {
  std::string name;
  std::string native_type;  // e.g. "numeric(12,2)", "int(10) unsigned", "character varying(40)"
  Type type;
  bool nullable = true;
  bool generated = false;     // computed by the database: compared, never written
  std::string generated_sql;  // the expression, where generated
  bool generated_stored = true;
  bool identity = false;         // AUTO_INCREMENT, serial, identity, INTEGER PRIMARY KEY
  bool identity_always = false;  // GENERATED ALWAYS: explicit values need OVERRIDING SYSTEM VALUE
  std::optional<std::string> default_sql;  // expression in its engine's SQL; absent: no default
  std::string charset;                     // MySQL
  std::string collation;                   // as its engine names it; "" is the engine's default
  std::vector<std::string> enum_values;    // MySQL enum/set, PostgreSQL enum
};

// schema: PostgreSQL schema or MySQL database; "" is the session's own. Always "" for SQLite.
struct TableName {
  std::string schema;
  std::string name;
  auto operator<=>(const TableName&) const = default;
  std::string text() const { return schema.empty() ? name : schema + "." + name; }
};

struct Index {
  std::string name;
  std::vector<std::string> columns;
  bool unique = false;
  // False when it is partial, on expressions, on column prefixes, or otherwise more than columns
  // says: it is then no key to walk by, and can be made again only by `definition` on the same
  // engine.
  bool plain = true;
  std::vector<bool> descending;  // per column; empty: all ascending
  std::string method;            // "btree", "fulltext", ...; "" is the engine's default
  std::string definition;        // the engine's own CREATE INDEX text where it has one
};

struct ForeignKey {
  std::string name;
  std::vector<std::string> columns;
  TableName referenced_table;
  std::vector<std::string> referenced_columns;
  std::string on_delete = "NO ACTION";
  std::string on_update = "NO ACTION";
  bool deferrable = false;
};

struct Check {
  std::string name;
  std::string sql;  // the boolean expression, in its engine's SQL
};

struct Trigger {
  std::string name;
  std::string description;  // "AFTER INSERT"
  bool fires = true;        // for an ordinary session: not disabled, not for replicas alone
};

struct TableSchema {
  TableName name;
  std::vector<Column> columns;
  std::vector<std::string> primary_key;  // column names in key order; empty: none
  std::vector<Index> indexes;            // without the one of the primary key
  // A unique index that create_table has to make in the same statement: rows are told apart by it
  // from the first one on. Empty in what a catalog says.
  std::optional<Index> unique_from_start;
  std::vector<ForeignKey> foreign_keys;
  std::vector<Check> checks;
  std::vector<Trigger> triggers;
  bool partitioned = false;           // the parent of partitions; it reads and writes as one table
  std::vector<TableName> partitions;  // PostgreSQL: at every level, in which one may write directly
  bool without_rowid = false;         // SQLite
  bool strict = false;                // SQLite
  bool autoincrement = false;         // SQLite: the INTEGER PRIMARY KEY is AUTOINCREMENT
  std::string storage_engine;         // MySQL: "InnoDB"
  std::uint64_t rows_estimate = 0;
  std::uint64_t bytes_estimate = 0;
  // What this table has and the catalog cannot carry to another database (row security,
  // inheritance, exclusion constraints, ...), each a short phrase for the plan's report.
  std::vector<std::string> not_carried;

  const Column* find_column(std::string_view column) const;  // nullptr if there is none
};

struct Catalog {
  std::vector<TableSchema> tables;  // ordered by name
  // Beside tables: views, functions, events, enum types, ... each "view order_totals".
  std::vector<std::string> not_carried;

  const TableSchema* find_table(const TableName& table) const;  // nullptr if there is none
};

}  // namespace migrator
