#include "adapters/mysql/colocation.h"

#include <algorithm>
#include <random>

#include <fmt/format.h>

#include "adapters/mysql/key_range.h"
#include "adapters/mysql/row_loader.h"
#include "adapters/mysql/source.h"
#include "adapters/mysql/target.h"

namespace migrator::mysql {
namespace {

// The source's key as the target's column compares it: two collations cannot be mixed.
std::string as_compared_there(const std::string& sql, const Column& from, const Column& to) {
  if (to.collation.empty() || from.collation == to.collation) return sql;
  return "CONVERT(" + sql + " USING " + to.charset + ") COLLATE " + to.collation;
}

class ServerColocation final : public Colocation {
 public:
  ServerColocation(MysqlSession& target, TableKeys& keys, std::string source_database)
      : session_(target), keys_(keys), source_database_(std::move(source_database)) {}

  LoadCount copy(const ReadSpec& from, const WriteSpec& to, const KeyRange& range,
                 LoadMode mode) override;
  std::string description() const override { return "one server"; }

 private:
  void check_pair(const TableName& source, const ReadSpec& from, const WriteSpec& to) const;

  MysqlSession& session_;
  TableKeys& keys_;
  const std::string source_database_;
};

void ServerColocation::check_pair(const TableName& source, const ReadSpec& from,
                                  const WriteSpec& to) const {
  if (from.columns.size() != to.columns.size() || from.columns.empty()) {
    throw Error(ErrorKind::invariant, "source and target have not as many columns as each other");
  }
  const std::string& target_schema =
      to.table.schema.empty() ? session_.server().database : to.table.schema;
  if (source.schema == target_schema && source.name == to.table.name) {
    throw Error(ErrorKind::permanent, "source and target are the same table " + source.text())
        .remedy("name another database or table as the target");
  }
}

LoadCount ServerColocation::copy(const ReadSpec& from, const WriteSpec& to, const KeyRange& range,
                                 LoadMode mode) {
  use_client_library_in_this_thread();
  if (!session_.in_transaction())
    throw Error(ErrorKind::invariant, "rows are loaded outside of a transaction");
  TableName source = from.table;
  if (source.schema.empty()) source.schema = source_database_;
  check_pair(source, from, to);
  // No alias: `where` may name the table.
  const std::string qualifier = quote_name(source);
  const std::vector<KeyColumn> key = key_columns(from.key, qualifier);
  std::string columns, values;
  for (std::size_t i = 0; i < to.columns.size(); ++i) {
    columns += (i == 0 ? "" : ", ") + quote_name(to.columns[i].name);
    values += (i == 0 ? "" : ", ") + qualifier + "." + quote_name(from.columns[i].name);
  }
  std::string order;
  for (const KeyColumn& column : key) order += (order.empty() ? " ORDER BY " : ", ") + column.sql;
  const std::string index = key.empty() ? "" : keys_.index_for(source, from.key);
  const std::string hint = index.empty() ? "" : " FORCE INDEX (" + quote_name(index) + ")";
  const std::string rows = " FROM " + qualifier + hint;
  std::string where = where_clause(range_condition(key, range), from.where);

  LoadCount count;
  std::uint64_t all = 0;
  if (mode == LoadMode::merge) {
    check_merge_key(keys_, to);
    if (from.key.size() != to.key.size())
      throw Error(ErrorKind::invariant, "the keys of source and target differ");
    all = static_cast<std::uint64_t>(
        as_integer(session_.query("SELECT COUNT(*)" + rows + where).rows.at(0).at(0)));
    std::string same;
    for (std::size_t i = 0; i < to.key.size(); ++i) {
      same += fmt::format("{}t.{} = {}", i == 0 ? "" : " AND ", quote_name(to.key[i].name),
                          as_compared_there(qualifier + "." + quote_name(from.key[i].name),
                                            from.key[i], to.key[i]));
    }
    where += fmt::format("{} NOT EXISTS (SELECT 1 FROM {} t WHERE {})",
                         where.empty() ? " WHERE" : " AND", quote_name(to.table), same);
  }
  session_.prepare_for_load();
  const std::string doing = "copying " + to.table.text();
  count.inserted = session_.run("INSERT INTO " + quote_name(to.table) + " (" + columns +
                                    ") SELECT " + values + rows + where + order,
                                doing);
  session_.refuse_warnings(mysql_warning_count(session_.handle()), doing);
  count.present = all > count.inserted ? all - count.inserted : 0;
  return count;
}

// Whether both sessions are on one server: a name that one has locked is seen by the other as
// locked by just that connection. Host names, ports and server ids can be equal on two servers;
// this cannot.
bool on_one_server(MysqlSession& target, MysqlSession& source) {
  std::random_device random;
  const Value name = fmt::format("migrator-{:08x}{:08x}{:08x}", random(), random(), random());
  const Result taken = source.query("SELECT GET_LOCK(?, 0), CONNECTION_ID()", std::span(&name, 1));
  if (is_null(taken.rows.at(0)[0]) || as_integer(taken.rows[0][0]) != 1) return false;
  const Result seen = target.query("SELECT IS_USED_LOCK(?)", std::span(&name, 1));
  const bool same =
      !is_null(seen.rows.at(0)[0]) && as_integer(seen.rows[0][0]) == as_integer(taken.rows[0][1]);
  source.query("SELECT RELEASE_LOCK(?)", std::span(&name, 1));
  return same;
}

// Every table that the source's user can read, the target's must be able to read too.
bool may_read_all(MysqlSession& target, MysqlSession& source) {
  const Result tables = source.query(
      "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND "
      "TABLE_TYPE <> 'VIEW'");
  for (const auto& row : tables.rows) {
    target.query("SELECT 1 FROM " +
                 quote_name(TableName{source.server().database, as_text(row[0])}) + " LIMIT 0");
  }
  return true;
}

}  // namespace

std::unique_ptr<Colocation> make_colocation(MysqlSession& target, TableKeys& keys, Source& source) {
  auto* mysql = dynamic_cast<MysqlSource*>(&source);
  if (mysql == nullptr || target.in_transaction()) return nullptr;
  // Under REPEATABLE READ, which such a binary log asks for, INSERT ... SELECT locks what it reads.
  if (target.facts().statement_binlog) return nullptr;
  MysqlSession& from = mysql->session();
  if (from.facts().mariadb != target.facts().mariadb ||
      from.facts().version != target.facts().version)
    return nullptr;
  try {
    if (!on_one_server(target, from) || !may_read_all(target, from)) return nullptr;
  } catch (const Error& error) {
    // No privilege, or a cluster without named locks: the rows then travel through this process.
    if (error.kind() == ErrorKind::permanent && error.scope() == ErrorScope::statement)
      return nullptr;
    throw;
  }
  return std::make_unique<ServerColocation>(target, keys, from.server().database);
}

}  // namespace migrator::mysql
