#include "adapters/postgres/replacement.h"

#include <algorithm>

#include <fmt/format.h>
#define XXH_INLINE_ALL
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

bool has_loose_key(PgSession& session, const WriteSpec& spec) {
  std::string names;
  for (const Column& column : spec.key) {
    names += (names.empty() ? "" : ", ") + session.connection().literal(column.name);
  }
  const std::vector<Value> table{dialect().quote(spec.table)};
  return !session
              .query(
                  "SELECT 1 FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN "
                  "pg_collation c ON c.oid = a.attcollation WHERE a.attrelid = "
                  "to_regclass($1::text) AND a.attname IN (" +
                      names + ") AND (t.typname = 'citext' OR NOT c.collisdeterministic) LIMIT 1",
                  table)
              .empty();
}

}  // namespace

UpsertForm upsert_form(PgSession& session, const WriteSpec& spec) {
  UpsertForm form;
  const KeyIndex index = key_index(session, spec);
  if (index == KeyIndex::none) refuse_without_key(spec.table);
  form.loose_key = has_loose_key(session, spec);
  if (index == KeyIndex::deferrable || form.loose_key) return form;
  std::string set;
  for (const Column& column : spec.columns) {
    if (column.identity_always) {
      // It can be inserted and never updated. As the key it is the same anyway.
      if (!is_key(spec, column)) return form;
      continue;
    }
    const std::string name = dialect().quote(column.name);
    set += fmt::format("{}{} = EXCLUDED.{}", set.empty() ? "" : ", ", name, name);
  }
  form.updates = !set.empty();
  form.clause = fmt::format(" ON CONFLICT ({}) DO {}", column_list(spec.key),
                            set.empty() ? "NOTHING" : "UPDATE SET " + set);
  return form;
}

Replacement::Replacement(PgSession& session, WriteSpec spec, UpsertForm upsert,
                         const RowBatch& keys, const RowLayout& key_layout, const RowLayout& layout)
    : session_(session),
      spec_(std::move(spec)),
      upsert_(std::move(upsert)),
      table_(dialect().quote(spec_.table)),
      keys_(temporary("keys", spec_)),
      rows_(temporary("rows", spec_)) {
  named([&] {
    make_tables();
    CopyIn copy(session_.connection(), keys_, spec_.key, key_layout);
    copy.write(keys);
    if (copy.finish() != copy.rows()) {
      throw Error(ErrorKind::invariant, "not all keys arrived in a temporary table");
    }
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
    // Equal is not yet the same where the collation, or citext, takes spellings for one.
    if (!upsert_.loose_key) continue;
    sql += fmt::format(" AND {0}.{1}::text COLLATE \"C\" = {2}.{1}::text COLLATE \"C\"", left, name,
                       right);
  }
  return sql;
}

std::string Replacement::insert(const std::string& on_conflict, const std::string& where) const {
  const std::string columns = column_list(spec_.columns);
  return fmt::format(
      "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}{} ORDER BY {}{}", table_,
      columns, columns, rows_, where, column_list(spec_.key), on_conflict);
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
    if (copy_->finish() != copy_->rows()) {
      throw Error(ErrorKind::invariant, "not all rows arrived in a temporary table");
    }
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
    if (upsert_.clause.empty()) {
      delete_and_insert(Error(ErrorKind::invariant, ""));
    } else {
      try {
        const std::uint64_t affected = session_.query(insert(upsert_.clause)).affected;
        if (upsert_.updates) check_inserted(affected);
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
        .duplicate_key(why.duplicate_key())
        .remedy("drop this foreign key on the target until the migration is over");
  }
  // In one statement: a foreign key without an action looks at its end whether the row is there
  // again.
  Connection& connection = session_.connection();
  connection.run(
      "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan "
      "= "
      "off");
  const std::uint64_t inserted =
      session_
          .query(fmt::format("WITH gone AS (DELETE FROM {} t USING {} r WHERE {} RETURNING 1) {}",
                             table_, rows_, same_key("t", "r"),
                             insert("", " WHERE (SELECT count(*) FROM gone) >= 0")))
          .affected;
  connection.run(
      "SET LOCAL enable_hashjoin TO DEFAULT; SET LOCAL enable_mergejoin TO DEFAULT; SET LOCAL "
      "enable_seqscan TO DEFAULT");
  check_inserted(inserted);
}

}  // namespace migrator::postgres
