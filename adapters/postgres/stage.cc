#include "adapters/postgres/stage.h"

#include <algorithm>

#include <fmt/format.h>

#include "adapters/postgres/dialect.h"

namespace migrator::postgres {
namespace {

// In pg_temp, the session's own schema: no other session has it, and no table of the user is hidden
// by it, as names of this form are migrator's.
constexpr const char* kStage = "pg_temp.\"_migrator_stage\"";

}  // namespace

// Is there a unique index on exactly these columns, in whatever order?
KeyIndex key_index(PgSession& session, const WriteSpec& spec) {
  if (spec.key.empty()) return KeyIndex::none;
  const std::vector<Value> name{dialect().quote(spec.table)};
  const Result rows = session.query(
      "SELECT i.indexrelid, i.indimmediate, a.attname FROM pg_index i"
      " CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, position)"
      " LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum AND k.attnum "
      "<> 0"
      " WHERE i.indrelid = to_regclass($1::text) AND i.indisunique AND i.indisvalid AND "
      "i.indisready"
      " AND i.indpred IS NULL AND i.indexprs IS NULL AND k.position <= i.indnkeyatts"
      " ORDER BY i.indexrelid",
      name);
  std::vector<std::string> wanted;
  for (const Column& column : spec.key) wanted.push_back(column.name);
  std::sort(wanted.begin(), wanted.end());
  KeyIndex best = KeyIndex::none;
  for (std::size_t first = 0; first < rows.rows.size();) {
    std::vector<std::string> columns;
    std::size_t at = first;
    for (; at < rows.rows.size() && rows.rows[at][0] == rows.rows[first][0]; ++at) {
      columns.push_back(as_text(rows.rows[at][2]));
    }
    std::sort(columns.begin(), columns.end());
    if (columns == wanted) {
      if (as_integer(rows.rows[first][1]) != 0) return KeyIndex::immediate;
      best = KeyIndex::deferrable;
    }
    first = at;
  }
  return best;
}

void refuse_without_key(const TableName& table) {
  throw Error(ErrorKind::permanent,
              "table \"" + table.text() + "\" has no unique index on exactly the key of the plan")
      .code("42P10")
      .table(table.text())
      .remedy("add a primary key or unique index on the key's columns to the target table");
}

std::string Stage::table() { return kStage; }

Stage::Stage(PgSession& session, WriteSpec spec) : session_(session), spec_(std::move(spec)) {
  const KeyIndex found = key_index(session_, spec_);
  if (found == KeyIndex::none) refuse_without_key(spec_.table);
  arbiter_ = found == KeyIndex::immediate;
  // A stage of a load before, in the same transaction, may be left.
  session_.execute(fmt::format("DROP TABLE IF EXISTS {}", kStage));
  session_.execute(
      fmt::format("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WITH NO DATA",
                  kStage, column_list(spec_.columns), dialect().quote(spec_.table)));
}

std::string Stage::key_match() const {
  std::string sql;
  for (const Column& column : spec_.key) {
    const std::string name = dialect().quote(column.name);
    if (!sql.empty()) sql += " AND ";
    sql += "t." + name + " = s." + name;
  }
  return sql;
}

LoadCount Stage::merge(std::uint64_t staged) {
  const std::string table = dialect().quote(spec_.table);
  const std::string columns = column_list(spec_.columns), key = column_list(spec_.key);
  const std::string absent =
      " WHERE NOT EXISTS (SELECT FROM " + table + " t WHERE " + key_match() + ")";
  // The planner knows nothing of the stage and might read all of a large table to join it.
  session_.execute("SET LOCAL enable_hashjoin = off");
  session_.execute("SET LOCAL enable_mergejoin = off");
  session_.execute("SET LOCAL enable_seqscan = off");
  std::string sql = "INSERT INTO " + table + " (" + columns + ") OVERRIDING SYSTEM VALUE SELECT " +
                    columns + " FROM " + kStage + " s";
  if (!arbiter_) sql += absent;
  sql += " ORDER BY " + key;
  if (arbiter_) sql += " ON CONFLICT (" + key + ") DO NOTHING";
  LoadCount count;
  count.inserted = session_.query(sql).affected;
  if (count.inserted > staged) {
    throw Error(ErrorKind::invariant, "more rows were merged than staged")
        .table(spec_.table.text());
  }
  count.present = staged - count.inserted;
  if (count.present != 0) {
    // "Not inserted" is only right if the key was there before: not if another row of this very
    // load had it, and not if a trigger or rule threw the row away.
    const Result twice = session_.query(
        fmt::format("SELECT FROM {} GROUP BY {} HAVING count(*) > 1 LIMIT 1", kStage, key));
    if (!twice.empty()) {
      throw Error(ErrorKind::data, "two rows have the same key by the target's comparison")
          .code("23505")
          .duplicate_key(true)
          .table(spec_.table.text())
          .remedy(
              "the target's collation or type makes different keys of the source equal: change it");
    }
    const Result lost = session_.query(fmt::format("SELECT FROM {} s{} LIMIT 1", kStage, absent));
    if (!lost.empty()) {
      throw Error(ErrorKind::data, "a trigger or rule of the target threw a row away")
          .table(spec_.table.text())
          .remedy("disable the trigger or rule on the target for the time of the load");
    }
  }
  session_.execute(fmt::format("DROP TABLE {}", kStage));
  for (const char* setting : {"enable_hashjoin", "enable_mergejoin", "enable_seqscan"}) {
    session_.execute(std::string("SET LOCAL ") + setting + " TO DEFAULT");
  }
  return count;
}

}  // namespace migrator::postgres
