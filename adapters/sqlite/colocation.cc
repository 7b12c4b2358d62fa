#include "adapters/sqlite/colocation.h"

#include <filesystem>

#include <fmt/format.h>

#include "adapters/sqlite/dialect.h"
#include "adapters/sqlite/key_walk.h"
#include "adapters/sqlite/source.h"
#include "adapters/sqlite/target.h"
#include "adapters/sqlite/tokens.h"

namespace migrator::sqlite {
namespace {

constexpr const char* kAlias = "_migrator_source";

class AttachedCopy final : public Colocation {
 public:
  // `alias`: "main" if both tables are in one file.
  AttachedCopy(Session& session, std::string alias) : session_(session), alias_(std::move(alias)) {}
  ~AttachedCopy() override {
    if (alias_ == "main") return;
    // Fails inside a transaction; the session's end then detaches it.
    sqlite3_exec(session_.handle(), fmt::format("DETACH {}", alias_).c_str(), nullptr, nullptr,
                 nullptr);
  }

  LoadCount copy(const ReadSpec& from, const WriteSpec& to, const KeyRange& range,
                 LoadMode mode) override {
    require_sense(from, to);
    const Session::Activity activity(session_);
    const TriggersOff triggers(session_);
    const KeyWalk walk = KeyWalk::find(session_, alias_, from.table.name, from.key);
    const std::string table = fmt::format("{}.{} {}", dialect().quote(alias_),
                                          dialect().quote(from.table.name), walk.hint());
    const std::string where = where_clause(walk, range, from.where);
    // In the key's order SQLite appends to the target's tree. A SELECT before ON CONFLICT must have
    // a WHERE.
    const std::string sql = fmt::format(
        "{} SELECT {} FROM {}{}{}{}", insert_head(to), column_list(from.columns), table,
        where.empty() ? " WHERE true" : where, walk.order(), conflict_clause(session_, to, mode));
    LoadCount count;
    {
      const Statement statement = session_.prepare(sql, to.table.name);
      walk.bind(statement.get(), range);
      session_.step(statement.get(), to.table.name);
      count.inserted = static_cast<std::uint64_t>(sqlite3_changes64(session_.handle()));
    }
    if (mode == LoadMode::merge) {
      // The transaction reads one moment of the source, so the rows are those of the copy.
      const Statement statement =
          session_.prepare(fmt::format("SELECT count(*) FROM {}{}", table, where), from.table.name);
      walk.bind(statement.get(), range);
      session_.step(statement.get(), from.table.name);
      const auto rows = static_cast<std::uint64_t>(sqlite3_column_int64(statement.get(), 0));
      if (rows < count.inserted) {
        throw Error(ErrorKind::data, "more rows were copied than there are").table(to.table.name);
      }
      count.present = rows - count.inserted;
    }
    return count;
  }

  std::string description() const override { return alias_ == "main" ? "one file" : "ATTACH"; }

 private:
  void require_sense(const ReadSpec& from, const WriteSpec& to) {
    session_.require_free();
    if (!session_.in_transaction()) {
      throw Error(ErrorKind::invariant, "a load outside of a transaction");
    }
    if (from.columns.size() != to.columns.size()) {
      throw Error(ErrorKind::invariant, "source and target have another number of columns");
    }
    if (alias_ == "main" && same_name(from.table.name, to.table.name)) {
      throw Error(ErrorKind::permanent,
                  fmt::format("table {} would be copied into itself", to.table.name))
          .table(to.table.name)
          .remedy("give the target another file, or the table another name there (to:)");
    }
    if (native_layout(session_, alias_, from.table, from.columns) !=
        native_layout(session_, "main", to.table, to.columns)) {
      throw Error(ErrorKind::invariant, "columns of different types in a colocated copy")
          .table(to.table.name);
    }
  }

  Session& session_;
  const std::string alias_;
};

bool is_attached(Session& session) {
  const std::vector<Value> parameters{std::string(kAlias)};
  return !session.ask("SELECT 1 FROM pragma_database_list WHERE name = ?1", parameters).empty();
}

}  // namespace

std::unique_ptr<Colocation> attach(Session& target, Session& source) {
  target.require_free();
  const std::string source_file = source.file(), target_file = target.file();
  if (source_file.empty() || target_file.empty()) return nullptr;
  std::error_code error;
  if (std::filesystem::equivalent(source_file, target_file, error) && !error) {
    return std::make_unique<AttachedCopy>(target, "main");
  }
  if (target.in_transaction()) {
    throw Error(ErrorKind::invariant, "a colocation is set up outside of transactions");
  }
  if (is_attached(target)) return nullptr;
  // Read-only: BEGIN IMMEDIATE then takes no write lock on the source, and a wrong statement cannot
  // harm it.
  const std::vector<Value> parameters{
      file_uri(source_file, source.immutable() ? "mode=ro&immutable=1" : "mode=ro")};
  try {
    target.ask(fmt::format("ATTACH ?1 AS {}", kAlias), parameters);
    // Says whether it can really be read: a WAL file needs its -shm file beside it.
    target.ask(fmt::format("SELECT count(*) FROM {}.sqlite_schema", kAlias));
  } catch (const Error& refused) {
    if (is_attached(target)) {
      sqlite3_exec(target.handle(), fmt::format("DETACH {}", kAlias).c_str(), nullptr, nullptr,
                   nullptr);
    }
    if (refused.kind() == ErrorKind::cancelled) throw;
    return nullptr;
  }
  return std::make_unique<AttachedCopy>(target, kAlias);
}

}  // namespace migrator::sqlite
