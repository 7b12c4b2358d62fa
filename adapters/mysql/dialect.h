// How MySQL and MariaDB spell things. One instance for each family of versions, all immutable.
#pragma once

#include "adapters/adapter.h"

namespace migrator::mysql {

class MysqlDialect final : public Dialect {
 public:
  struct Traits {
    bool mariadb = false;
    bool json = true;            // the type exists (MySQL from 5.7.8, MariaDB from 10.2.7)
    bool text_defaults = false;  // a literal may be the default of a TEXT (MariaDB from 10.2.1)
    // Compares text by its bytes. Without a NO PAD collation 'a' and 'a ' are equal, and unique
    // keys collide.
    std::string_view collation = "utf8mb4_bin";
    bool pads = true;
  };
  explicit constexpr MysqlDialect(const Traits& traits) : traits_(traits) {}

  Engine engine() const override { return Engine::mysql; }
  using Dialect::quote;
  std::string quote(std::string_view identifier) const override;
  std::string placeholder(int) const override { return "?"; }
  std::string_view row_lock() const override { return "FOR UPDATE"; }
  std::string_view now_ms() const override {
    return "CAST(UNIX_TIMESTAMP(SYSDATE(3)) * 1000 AS SIGNED)";
  }
  FenceLock shared_fence(std::string_view, bool) const override {
    return {"", "LOCK IN SHARE MODE"};
  }
  // Two statements: ON DUPLICATE KEY UPDATE would change the row of another unique key, too.
  std::vector<BoundSql> upsert(const TableName& table, const std::vector<std::string>& columns,
                               const std::vector<std::size_t>& key) const override;
  std::string own_raise(std::string_view table, const std::vector<std::string>& columns,
                        std::size_t key_columns) const override;
  std::string_view own_key_type() const override {
    // Bytes, as the servers' binary collations of text take trailing spaces for nothing. 255 of
    // them fit the 767 of a key in MySQL 5.6.
    return "varbinary(255)";
  }
  std::string_view own_text_type() const override {
    return "longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
  }
  std::string_view own_integer_type() const override { return "bigint"; }
  std::string_view own_table_options() const override { return " ENGINE=InnoDB"; }
  bool transactional(const TableSchema& table) const override;

  // From another engine: text without a length becomes longtext, or, where create_table() finds it
  // in a key, varchar(255) (191 where keys are short); strict mode refuses longer values, and never
  // cuts them.
  MappedColumn map_column(const Column& column, Engine from) const override;
  Column column_of_type(std::string_view name, std::string_view native_type) const override;
  std::vector<std::string> create_table(const TableSchema& table) const override;
  std::string create_index(const TableSchema& table, const Index& index) const override;
  std::string add_foreign_key(const TableSchema& table, const ForeignKey& key) const override;
  // ANALYZE only: InnoDB moves AUTO_INCREMENT past every explicit value by itself.
  std::vector<std::string> after_load(const TableSchema& table) const override;
  Looseness looseness(const Column& column) const override;
  const CaptureDialect& capture() const override;

 private:
  void map_type(const Column& from, MappedColumn& to) const;
  void map_text(const Column& from, MappedColumn& to) const;
  void map_default(const Column& from, MappedColumn& to) const;
  std::string column_clause(const TableSchema& table, const Column& column) const;

  Traits traits_;
};

// For a server of this kind and version; lives as long as the process.
const MysqlDialect& dialect_for(bool mariadb, int version);
// Without a server: what every one since MySQL 5.7.8 and MariaDB 10.2.7 understands.
const MysqlDialect& common_dialect();

// A default of another engine as a literal here, or absent if it is not one: 'x'::text, -1, (0),
// true.
std::optional<std::string> literal_default(std::string_view sql, const Type& type);

}  // namespace migrator::mysql
