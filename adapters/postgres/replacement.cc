#include "adapters/postgres/replacement.h"

#include <algorithm>

#include <fmt/format.h>
#include <xxhash.h>

#include "adapters/postgres/dialect.h"
#include "adapters/postgres/stage.h"

namespace migrator::postgres {
namespace {

constexpr const char* kSavepoint = "migrator_replace";

// In pg_temp, where no other session sees it; one a table, however often it is written to.
std::string temporary(const char* what, const WriteSpec& spec) {
  const std::string name = spec.table.text() + '\0' + column_list(spec.columns);
  return fmt::format("pg_temp.\"_migrator_{}_{:016x}\"", what,
                     static_cast<std::uint64_t>(XXH3_64bits(name.data(), name.size())));
}

bool is_key(const WriteSpec& spec, const Column& column) {
  return std::any_of(spec.key.begin(), spec.key.end(),
                     [&](const Column& part) { return part.name == column.name; });
}

}  // namespace

Replacement::Replacement(PgSession& session, WriteSpec spec, const RowBatch& keys,
                         const RowLayout& key_layout, const RowLayout& layout)
    : session_(session),
      spec_(std::move(spec)),
      table_(dialect().quote(spec_.table)),
      keys_(temporary("keys", spec_)),
      rows_(temporary("rows", spec_)) {
  named([&] {
    make_tables();
    CopyIn copy(session_.connection(), keys_, spec_.key, key_layout);
    copy.write(keys);
    copy.finish();
    copy_.emplace(session_.connection(), rows_, spec_.columns, layout);
  });
}

void Replacement::make_tables() {
  const auto make = [&](const std::string& name, const std::vector<Column>& columns) {
    return fmt::format(
        "CREATE TEMPORARY TABLE IF NOT EXISTS {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH "
        "NO DATA; ",
        name, column_list(columns), table_);
  };
  session_.connection().run(make(keys_, spec_.key) + make(rows_, spec_.columns));
}

template <typename Work>
void Replacement::named(const Work& work) {
  try {
    work();
  } catch (Error& error) {
    error.table(spec_.table.text());
    throw;
  }
}

void Replacement::write(const RowBatch& batch) {
  named([&] { copy_->write(batch); });
}

std::string Replacement::same_key(const char* left, const char* right) const {
  std::string sql;
  for (const Column& column : spec_.key) {
    const std::string name = dialect().quote(column.name);
    sql += fmt::format("{}{}.{} = {}.{}", sql.empty() ? "" : " AND ", left, name, right, name);
  }
  return sql;
}

std::string Replacement::insert(const std::string& on_conflict) const {
  const std::string columns = column_list(spec_.columns);
  return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} ORDER BY {}{}",
                     table_, columns, columns, rows_, column_list(spec_.key), on_conflict);
}

std::string Replacement::update_clause() const {
  const KeyIndex index = key_index(session_, spec_);
  if (index == KeyIndex::none) refuse_without_key(spec_.table);
  if (index == KeyIndex::deferrable) return "";
  std::string set;
  for (const Column& column : spec_.columns) {
    if (column.identity_always) {
      // It can be inserted and never updated. As the key it is the same anyway.
      if (!is_key(spec_, column)) return "";
      continue;
    }
    const std::string name = dialect().quote(column.name);
    set += fmt::format("{}{} = EXCLUDED.{}", set.empty() ? "" : ", ", name, name);
  }
  return fmt::format(" ON CONFLICT ({}) DO {}", column_list(spec_.key),
                     set.empty() ? "NOTHING" : "UPDATE SET " + set);
}

void Replacement::check_inserted(std::uint64_t inserted) const {
  if (inserted == copy_->rows()) return;
  throw Error(ErrorKind::data,
              fmt::format("of {} rows {} arrived in the table", copy_->rows(), inserted))
      .remedy("a trigger or rule of the target throws rows away: disable it for the migration");
}

LoadCount Replacement::finish() {
  LoadCount count;
  named([&] {
    copy_->finish();
    // What has a row is not deleted. Of the two temporary tables the planner knows nothing, and
    // might read all of a large table to join it; only the second statement joins that.
    const std::string only_by_index =
        "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL "
        "enable_seqscan = off; ";
    const std::string as_usual =
        "; SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL "
        "enable_seqscan TO DEFAULT; ";
    Connection& connection = session_.connection();
    connection.run(
        fmt::format("DELETE FROM {} k USING {} r WHERE {}; {}DELETE FROM {} t USING {} "
                    "k WHERE {}{}SAVEPOINT {}",
                    keys_, rows_, same_key("k", "r"), only_by_index, table_, keys_,
                    same_key("t", "k"), as_usual, kSavepoint));
    const std::string update = update_clause();
    if (update.empty()) {
      delete_and_insert(Error(ErrorKind::invariant, ""));
    } else {
      try {
        const std::uint64_t affected = session_.query(insert(update)).affected;
        if (!update.ends_with("NOTHING")) check_inserted(affected);
      } catch (const Error& error) {
        if (!error.duplicate_key() || error.scope() == ErrorScope::session) throw;
        connection.run(fmt::format("ROLLBACK TO SAVEPOINT {}", kSavepoint));
        delete_and_insert(error);
      }
    }
    connection.run(fmt::format("RELEASE SAVEPOINT {}; DELETE FROM {}; DELETE FROM {}", kSavepoint,
                               keys_, rows_));
    count.inserted = copy_->rows();
  });
  return count;
}

void Replacement::delete_and_insert(const Error& why) {
  const std::vector<Value> name{table_};
  const Result cascades = session_.query(
      "SELECT conname FROM pg_constraint WHERE contype = 'f' AND confrelid = "
      "to_regclass($1::text) AND confdeltype IN ('c', 'n', 'd') ORDER BY conname LIMIT 1",
      name);
  if (!cascades.empty()) {
    throw Error(
        ErrorKind::data,
        fmt::format("rows have to be deleted and inserted anew{}{}, and foreign key {} "
                    "would change the rows that refer to them",
                    *why.what() == '\0' ? "" : ", as ", why.what(), as_text(cascades.rows[0][0])))
        .code(why.code())
        .remedy("drop this foreign key on the target until the migration is over");
  }
  session_.connection().run(fmt::format(
      "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan "
      "= off; DELETE FROM {} t USING {} r WHERE {}; SET LOCAL enable_hashjoin TO DEFAULT; SET "
      "LOCAL enable_mergejoin TO DEFAULT; SET LOCAL enable_seqscan TO DEFAULT",
      table_, rows_, same_key("t", "r")));
  check_inserted(session_.query(insert("")).affected);
}

}  // namespace migrator::postgres
