// The catalog, by one statement a kind of thing and none a table. Names come as text, types as
// format_type() prints them, expressions as pg_get_expr() does.
#include <algorithm>
#include <map>
#include <unordered_map>

#include "adapters/postgres/session.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {
namespace {

// The tables in question, as a CTE over $1, the schema: no partitions (their parent stands for
// them), no temporary tables, none that an extension brought, none of migrator's own.
constexpr const char* kTables =
    "WITH tables AS MATERIALIZED (SELECT c.* FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1::name AND c.relkind IN ('r', 'p') AND NOT c.relispartition"
    " AND c.relpersistence <> 't' AND left(c.relname::text, 10) <> '_migrator_'"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_class'::regclass"
    " AND d.objid = c.oid AND d.deptype = 'e')) ";

// Rows per byte where there are no statistics yet: a guess that only steers how work is ordered.
constexpr const char* kTablesQuery =
    "SELECT c.oid, c.relname, c.relkind = 'p', e.row_count::int8, e.bytes::int8,"
    " c.relrowsecurity, c.relpersistence = 'u',"
    " EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid),"
    " c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid),"
    " CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END,"
    " EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid)"
    " FROM tables c LEFT JOIN LATERAL ("
    "  SELECT sum(CASE WHEN l.reltuples < 0 OR l.relpages = 0 THEN pg_relation_size(l.oid) / 200"
    "   ELSE l.reltuples::float8 / l.relpages"
    "    * (pg_relation_size(l.oid) / current_setting('block_size')::int8) END) AS row_count,"
    "   sum(pg_total_relation_size(l.oid)) AS bytes"
    "  FROM pg_class l WHERE l.oid IN (SELECT c.oid WHERE c.relkind = 'r'"
    "   UNION ALL SELECT p.relid FROM pg_partition_tree(c.oid) p WHERE c.relkind = 'p' AND "
    "p.isleaf)"
    " ) e ON true ORDER BY c.relname::text COLLATE \"C\"";

constexpr const char* kColumnsQuery =
    "SELECT c.oid, a.attname, format_type(a.atttypid, a.atttypmod),"
    " a.attnotnull OR t.typnotnull, a.attidentity::text, a.attgenerated::text,"
    " pg_get_expr(d.adbin, d.adrelid),"
    // Where it is not the type's own collation. One outside pg_catalog comes quoted, with its
    // schema.
    " (SELECT CASE WHEN cn.nspname = 'pg_catalog' THEN co.collname::text"
    "   ELSE '\"' || replace(cn.nspname, '\"', '\"\"') || '\".\"' || replace(co.collname, '\"', "
    "'\"\"')"
    "    || '\"' END"
    "  FROM pg_collation co JOIN pg_namespace cn ON cn.oid = co.collnamespace"
    "  WHERE co.oid = a.attcollation AND a.attcollation <> t.typcollation),"
    " t.typtype::text, tn.nspname = 'pg_catalog', t.typname, t.oid,"
    " CASE WHEN t.typtype = 'd' AND bn.nspname = 'pg_catalog' AND bt.typtype = 'b'"
    "  THEN format_type(t.typbasetype, t.typtypmod) END,"
    // A serial column: its default draws from a sequence that it owns.
    " EXISTS (SELECT FROM pg_depend o JOIN pg_class s ON s.oid = o.objid AND s.relkind = 'S'"
    "  JOIN pg_depend u ON u.classid = 'pg_attrdef'::regclass AND u.objid = d.oid"
    "   AND u.refclassid = 'pg_class'::regclass AND u.refobjid = s.oid"
    "  WHERE o.classid = 'pg_class'::regclass AND o.refclassid = 'pg_class'::regclass"
    "   AND o.refobjid = c.oid AND o.refobjsubid = a.attnum AND o.deptype = 'a')"
    " FROM tables c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT "
    "a.attisdropped"
    " JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace"
    " LEFT JOIN pg_type bt ON bt.oid = t.typbasetype"
    " LEFT JOIN pg_namespace bn ON bn.oid = bt.typnamespace"
    " LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum"
    " ORDER BY c.oid, a.attnum";

constexpr const char* kEnumsQuery =
    "SELECT e.enumtypid, e.enumlabel FROM pg_enum e WHERE e.enumtypid IN"
    " (SELECT a.atttypid FROM tables c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0)"
    " ORDER BY e.enumtypid, e.enumsortorder";

// A row a key column of an index, in order; the first row of an index is enough for the rest. An
// index is plain if nothing but its columns, their direction and its method need be said. %s: what
// says NULLS NOT DISTINCT, which came with 15.
constexpr const char* kIndexesQuery =
    "SELECT c.oid, i.indexrelid, x.relname, a.attname, i.indisprimary, i.indisunique,"
    " i.indpred IS NULL AND i.indexprs IS NULL AND i.indnatts = i.indnkeyatts AND NOT %s"
    "  AND bool_and(o.opcdefault AND (k.option & 3) IN (0, 3)"
    "   AND (k.coll = 0 OR k.coll = a.attcollation)) OVER (PARTITION BY i.indexrelid),"
    " (k.option & 1) = 1, m.amname, pg_get_indexdef(i.indexrelid), i.indimmediate"
    " FROM tables c JOIN pg_index i ON i.indrelid = c.oid AND i.indislive AND i.indisvalid"
    "  AND NOT i.indisexclusion"
    " JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_am m ON m.oid = x.relam"
    " CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indoption::int2[], i.indclass::oid[],"
    "  i.indcollation::oid[]) WITH ORDINALITY AS k(attnum, option, opclass, coll, ordinal)"
    " LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum AND k.attnum <> 0"
    " JOIN pg_opclass o ON o.oid = k.opclass"
    " WHERE k.ordinal <= i.indnkeyatts"
    " ORDER BY c.oid, x.relname::text COLLATE \"C\", k.ordinal";

constexpr const char* kForeignKeysQuery =
    "SELECT c.oid, f.oid, f.conname, a.attname, rn.nspname, r.relname, ra.attname,"
    " f.confdeltype::text, f.confupdtype::text, f.condeferrable, f.confmatchtype = 'f',"
    " f.convalidated, f.condeferred"
    " FROM tables c JOIN pg_constraint f ON f.conrelid = c.oid AND f.contype = 'f'"
    "  AND f.conparentid = 0"
    " JOIN pg_class r ON r.oid = f.confrelid JOIN pg_namespace rn ON rn.oid = r.relnamespace"
    " CROSS JOIN LATERAL unnest(f.conkey, f.confkey) WITH ORDINALITY AS k(own, other, position)"
    " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.own"
    " JOIN pg_attribute ra ON ra.attrelid = r.oid AND ra.attnum = k.other"
    " ORDER BY c.oid, f.conname::text COLLATE \"C\", k.position";

constexpr const char* kChecksQuery =
    "SELECT c.oid, k.conname, k.contype::text, pg_get_expr(k.conbin, k.conrelid)"
    " FROM tables c JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype IN ('c', 'x')"
    " ORDER BY c.oid, k.conname::text COLLATE \"C\"";

constexpr const char* kTriggersQuery =
    "SELECT c.oid, t.tgname, t.tgtype::int8, t.tgenabled::text FROM tables c"
    " JOIN pg_trigger t ON t.tgrelid = c.oid AND NOT t.tgisinternal"
    " ORDER BY c.oid, t.tgname::text COLLATE \"C\"";

constexpr const char* kPartitionsQuery =
    "SELECT c.oid, n.nspname, p.relname FROM tables c"
    " CROSS JOIN LATERAL pg_partition_tree(c.oid) t JOIN pg_class p ON p.oid = t.relid"
    " JOIN pg_namespace n ON n.oid = p.relnamespace"
    " WHERE t.level > 0 ORDER BY c.oid, n.nspname, p.relname";

// Everything else of the schema that is the user's own.
constexpr const char* kOthersQuery =
    "SELECT kind, name FROM ("
    " SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view'"
    "   WHEN 'f' THEN 'foreign table' ELSE 'sequence' END AS kind, c.relname::text AS name,"
    "   c.oid, 'pg_class'::regclass AS class, c.relnamespace AS space FROM pg_class c"
    "  WHERE c.relkind IN ('v', 'm', 'f') OR c.relkind = 'S' AND NOT EXISTS (SELECT FROM pg_depend "
    "d"
    "   WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid"
    "    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i'))"
    " UNION ALL SELECT CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate'"
    "   ELSE 'function' END, p.proname::text, p.oid, 'pg_proc'::regclass, p.pronamespace FROM "
    "pg_proc p"
    " UNION ALL SELECT CASE t.typtype WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type'"
    "   ELSE 'composite type' END, t.typname::text, t.oid, 'pg_type'::regclass, t.typnamespace"
    "  FROM pg_type t LEFT JOIN pg_class r ON r.oid = t.typrelid"
    "  WHERE t.typtype IN ('d', 'r') OR t.typtype = 'c' AND r.relkind = 'c'"
    " ) o JOIN pg_namespace n ON n.oid = o.space WHERE n.nspname = $1::name"
    " AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = o.class AND d.objid = o.oid"
    "  AND d.deptype = 'e')"
    " AND left(name, 10) <> '_migrator_' ORDER BY kind, name COLLATE \"C\"";

std::string text_or_empty(const Value& value) { return is_null(value) ? "" : as_text(value); }
bool truth(const Value& value) { return !is_null(value) && as_integer(value) != 0; }

std::string action_name(const std::string& code) {
  if (code == "r") return "RESTRICT";
  if (code == "c") return "CASCADE";
  if (code == "n") return "SET NULL";
  if (code == "d") return "SET DEFAULT";
  return "NO ACTION";
}

// pg_trigger.tgtype is a set of bits (trigger.h of the server).
std::string trigger_description(std::int64_t type, const std::string& enabled) {
  std::string text = (type & 64) != 0 ? "INSTEAD OF" : (type & 2) != 0 ? "BEFORE" : "AFTER";
  std::string events;
  const auto add = [&](std::int64_t bit, const char* event) {
    if ((type & bit) == 0) return;
    if (!events.empty()) events += " OR ";
    events += event;
  };
  add(4, "INSERT");
  add(16, "UPDATE");
  add(8, "DELETE");
  add(32, "TRUNCATE");
  text += " " + events;
  if ((type & 1) == 0) text += " FOR EACH STATEMENT";
  if (enabled == "D") text += " (disabled)";
  return text;
}

class Reader {
 public:
  Reader(PgSession& session, std::string schema) : session_(session), schema_label_(schema) {
    if (schema.empty()) {
      const Result own = session.query("SELECT current_schema()::text");
      schema = text_or_empty(own.rows.at(0).at(0));
    }
    parameters_.emplace_back(schema);
    schema_ = std::move(schema);
  }

  Catalog read() {
    Catalog catalog;
    if (schema_.empty()) return catalog;  // the search_path names no schema that exists
    read_tables(catalog);
    for (TableSchema& table : catalog.tables)
      by_oid_[oids_[&table - catalog.tables.data()]] = &table;
    read_columns();
    read_indexes();
    read_foreign_keys();
    read_checks();
    read_triggers();
    read_partitions();
    for (const auto& row : session_.query(kOthersQuery, parameters_).rows) {
      catalog.not_carried.push_back(as_text(row[0]) + " " + as_text(row[1]));
    }
    return catalog;
  }

 private:
  Result of_tables(const std::string& select) {
    return session_.query(kTables + select, parameters_);
  }
  // Absent if the table was made between two of the queries.
  TableSchema* table_of(const Value& oid) {
    const auto found = by_oid_.find(as_integer(oid));
    return found == by_oid_.end() ? nullptr : found->second;
  }

  void read_tables(Catalog& catalog) {
    for (const auto& row : of_tables(kTablesQuery).rows) {
      TableSchema& table = catalog.tables.emplace_back();
      oids_.push_back(as_integer(row[0]));
      table.name = {schema_label_, as_text(row[1])};
      table.partitioned = truth(row[2]);
      const auto count = [](const Value& value) {
        return is_null(value)
                   ? 0
                   : static_cast<std::uint64_t>(std::max<std::int64_t>(as_integer(value), 0));
      };
      table.rows_estimate = count(row[3]);
      table.bytes_estimate = count(row[4]);
      const auto note = [&](bool condition, const char* text) {
        if (condition) table.not_carried.emplace_back(text);
      };
      note(truth(row[5]), "row security");
      note(truth(row[6]), "unlogged");
      note(truth(row[7]), "inheritance from another table");
      note(truth(row[8]), "inheritance: the rows of child tables are not read with this one");
      note(truth(row[10]), "rules");
      if (!is_null(row[9])) {
        table.not_carried.push_back("partitioning: PARTITION BY " + as_text(row[9]));
      }
    }
  }

  void read_columns() {
    std::unordered_map<std::int64_t, std::vector<std::string>> enums;
    for (const auto& row : of_tables(kEnumsQuery).rows) {
      enums[as_integer(row[0])].push_back(as_text(row[1]));
    }
    for (const auto& row : of_tables(kColumnsQuery).rows) {
      TableSchema* table = table_of(row[0]);
      if (!table) continue;
      Column& column = table->columns.emplace_back();
      column.name = as_text(row[1]);
      column.native_type = as_text(row[2]);
      column.nullable = !truth(row[3]);
      const std::string identity = text_or_empty(row[4]), generated = text_or_empty(row[5]);
      column.identity = !identity.empty();
      column.identity_always = identity == "a";
      column.generated = !generated.empty();
      column.generated_stored = generated != "v";
      if (column.generated) {
        column.generated_sql = text_or_empty(row[6]);
      } else if (truth(row[13])) {
        column.identity = true;  // serial
      } else if (!is_null(row[6])) {
        column.default_sql = as_text(row[6]);
      }
      column.collation = text_or_empty(row[7]);
      set_type(column, row, enums);
    }
  }

  static void set_type(Column& column, const std::vector<Value>& row,
                       std::unordered_map<std::int64_t, std::vector<std::string>>& enums) {
    const std::string typtype = as_text(row[8]), typname = as_text(row[10]);
    if (typtype == "e") {
      column.type.kind = TypeKind::text;
      column.enum_values = enums[as_integer(row[11])];
    } else if (typtype == "d") {
      // On a built-in scalar a domain has that type's values, fewer of them; else it is left alone.
      if (is_null(row[12])) return;
      if (const auto base = parse_native_type(as_text(row[12]))) column.type = base->type;
    } else if (truth(row[9])) {
      if (const auto native = parse_native_type(column.native_type)) column.type = native->type;
    } else if (typname == "citext") {
      column.type.kind = TypeKind::text;
    }
  }

  void read_indexes() {
    const char* not_distinct =
        session_.server().version >= 150000 ? "i.indnullsnotdistinct" : "false";
    std::string sql = kIndexesQuery;
    sql.replace(sql.find("%s"), 2, not_distinct);
    std::int64_t last = 0;
    Index* index = nullptr;
    for (const auto& row : of_tables(sql).rows) {
      TableSchema* table = table_of(row[0]);
      if (!table) continue;
      if (truth(row[4])) {
        table->primary_key.push_back(as_text(row[3]));
        if (!truth(row[10]) && table->primary_key.size() == 1) {
          table->not_carried.emplace_back("deferrable primary key");
        }
        continue;
      }
      if (const std::int64_t oid = as_integer(row[1]); oid != last) {
        last = oid;
        index = &table->indexes.emplace_back();
        index->name = as_text(row[2]);
        index->unique = truth(row[5]);
        index->plain = truth(row[6]);
        index->method = as_text(row[8]);
        index->definition = as_text(row[9]);
        if (!truth(row[10]))
          table->not_carried.push_back("deferrable unique constraint " + index->name);
      }
      if (!is_null(row[3])) {
        index->columns.push_back(as_text(row[3]));
        index->descending.push_back(truth(row[7]));
      } else {
        index->plain = false;  // an expression
      }
    }
    for (const auto& [oid, table] : by_oid_) {
      for (Index& made : table->indexes) {
        const auto& down = made.descending;
        if (std::find(down.begin(), down.end(), true) == down.end()) made.descending.clear();
      }
    }
  }

  void read_foreign_keys() {
    std::int64_t last = 0;
    for (const auto& row : of_tables(kForeignKeysQuery).rows) {
      TableSchema* table = table_of(row[0]);
      if (!table) continue;
      if (const std::int64_t oid = as_integer(row[1]); oid != last) {
        last = oid;
        ForeignKey& made = table->foreign_keys.emplace_back();
        made.name = as_text(row[2]);
        const std::string schema = as_text(row[4]);
        made.referenced_table = {schema == schema_ ? schema_label_ : schema, as_text(row[5])};
        made.on_delete = action_name(as_text(row[7]));
        made.on_update = action_name(as_text(row[8]));
        made.deferrable = truth(row[9]);
        if (truth(row[10])) table->not_carried.push_back("MATCH FULL of " + made.name);
        if (!truth(row[11])) table->not_carried.push_back("NOT VALID of " + made.name);
        if (truth(row[12])) table->not_carried.push_back("INITIALLY DEFERRED of " + made.name);
      }
      ForeignKey& key = table->foreign_keys.back();
      key.columns.push_back(as_text(row[3]));
      key.referenced_columns.push_back(as_text(row[6]));
    }
  }

  void read_checks() {
    for (const auto& row : of_tables(kChecksQuery).rows) {
      TableSchema* table = table_of(row[0]);
      if (!table) continue;
      if (as_text(row[2]) == "x") {
        table->not_carried.push_back("exclusion constraint " + as_text(row[1]));
      } else {
        table->checks.push_back({as_text(row[1]), as_text(row[3])});
      }
    }
  }

  void read_triggers() {
    for (const auto& row : of_tables(kTriggersQuery).rows) {
      if (TableSchema* table = table_of(row[0])) {
        table->triggers.push_back({as_text(row[1]),
                                   trigger_description(as_integer(row[2]), as_text(row[3])),
                                   as_text(row[3]) != "D" && as_text(row[3]) != "R"});
      }
    }
  }

  void read_partitions() {
    for (const auto& row : of_tables(kPartitionsQuery).rows) {
      if (TableSchema* table = table_of(row[0])) {
        table->partitions.push_back({as_text(row[1]), as_text(row[2])});
      }
    }
  }

  PgSession& session_;
  std::string schema_label_;  // as the caller named it: "" is the session's own
  std::string schema_;
  std::vector<Value> parameters_;
  std::vector<std::int64_t> oids_;
  std::unordered_map<std::int64_t, TableSchema*> by_oid_;
};

}  // namespace

Catalog read_catalog(PgSession& session, const std::string& schema) {
  return Reader(session, schema).read();
}

}  // namespace migrator::postgres
