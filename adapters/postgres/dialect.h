// How PostgreSQL spells things. Pure; see adapters/adapter.h for what each call promises.
#pragma once

#include "adapters/adapter.h"

namespace migrator::postgres {

class PgDialect : public Dialect {
 public:
  using Dialect::quote;
  Engine engine() const override { return Engine::postgres; }
  std::string quote(std::string_view identifier) const override;
  std::string placeholder(int position) const override { return "$" + std::to_string(position); }
  std::string_view row_lock() const override { return "FOR UPDATE"; }
  bool enforces_foreign_keys() const override { return true; }
  // Each COPY faults in a fresh ring of buffers (16 MB, GetAccessStrategy(BAS_BULKWRITE)): few and
  // large ones are faster, and a replica gets nothing until they commit, so not larger than that.
  BulkTransaction bulk_transaction() const override {
    return {std::chrono::seconds(2), std::uint64_t{256} << 20};
  }
  std::string_view now_ms() const override {
    return "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";
  }
  // An advisory lock writes nothing, where a row lock would have all writers write one row's
  // header. It does not hold off what a snapshot of before it shows: so only READ COMMITTED, in
  // which each statement takes its own.
  FenceLock shared_fence(std::string_view name, bool any_isolation) const override;
  FenceLock exclusive_fence(std::string_view name) const override;
  std::string_view own_key_type() const override { return "text COLLATE \"C\""; }
  std::string_view own_text_type() const override { return "text"; }
  std::string_view own_integer_type() const override { return "bigint"; }

  MappedColumn map_column(const Column& column, Engine from) const override;
  Column column_of_type(std::string_view name, std::string_view native_type) const override;

  // Enum types and sequences that the table needs come before it, each only if it is not there yet.
  std::vector<std::string> create_table(const TableSchema& table) const override;
  // An index that is not plain is made again from its definition, with the name of the table
  // replaced. Throws Error(permanent) if that is of another engine. The name of an index of another
  // engine gets the table's in front: here it must be unique in the schema.
  std::string create_index(const TableSchema& table, const Index& index) const override;
  std::string add_foreign_key(const TableSchema& table, const ForeignKey& key) const override;
  std::vector<std::string> after_load(const TableSchema& table) const override;
  // A collation that is not deterministic is not told by its name.
  Looseness looseness(const Column& column) const override {
    return column.native_type == "citext" ? Looseness::spellings : Looseness::none;
  }
  const CaptureDialect& capture() const override;
};

// Lives as long as the process.
const PgDialect& dialect();

// 'text' as a literal of a server with standard_conforming_strings on, for DDL, which has no
// connection at hand. Throws Error(usage) for a NUL byte.
std::string ddl_literal(std::string_view text);

// "id", "name": the names of the columns, quoted.
std::string column_list(const std::vector<Column>& columns);

}  // namespace migrator::postgres
