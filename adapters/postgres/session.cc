#include "adapters/postgres/session.h"

#include <charconv>
#include <cstdlib>

#include "adapters/codec.h"
#include "adapters/postgres/dialect.h"

namespace migrator::postgres {
namespace {

// Built-in type OIDs (pg_type.dat): fixed for good, as clients depend on them.
constexpr Oid kBool = 16, kBytea = 17, kInt8 = 20, kInt2 = 21, kInt4 = 23, kOid = 26, kFloat4 = 700,
              kFloat8 = 701;

std::string bytes_of_hex(std::string_view text) {
  std::string out;
  if (!text.starts_with("\\x")) {
    throw Error(ErrorKind::invariant, "a bytea came in another form than hex");
  }
  const auto nibble = [](char c) {
    return static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
  };
  out.reserve(text.size() / 2);
  for (std::size_t at = 2; at + 1 < text.size(); at += 2) {
    out += static_cast<char>(nibble(text[at]) << 4 | nibble(text[at + 1]));
  }
  return out;
}

Value value_of(const PGresult& result, int row, int column) {
  if (PQgetisnull(&result, row, column) != 0) return {};
  const std::string_view text(PQgetvalue(&result, row, column),
                              static_cast<std::size_t>(PQgetlength(&result, row, column)));
  switch (PQftype(&result, column)) {
    case kBool:
      return static_cast<std::int64_t>(text == "t");
    case kInt2:
    case kInt4:
    case kInt8:
    case kOid: {
      std::int64_t value = 0;
      std::from_chars(text.data(), text.data() + text.size(), value);
      return value;
    }
    case kFloat4:
    case kFloat8: {
      double value = 0;
      if (!parse_double(text, value)) {
        throw Error(ErrorKind::invariant, "a float came in a form that is none");
      }
      return value;
    }
    case kBytea:
      return Bytes{bytes_of_hex(text)};
    default:
      return std::string(text);
  }
}

}  // namespace

PgSession::PgSession(const Url& url, const SessionOptions& options) : connection_(url, options) {
  const Result facts = query(
      "SELECT current_database()::text, current_setting('transaction_read_only') = 'on',"
      " pg_has_role('pg_read_all_stats', 'USAGE'), COALESCE(current_schema()::text, 'public')");
  const std::string version = connection_.parameter("server_version");
  server_.product = "PostgreSQL " + version.substr(0, version.find(' '));
  server_.version = connection_.server_version();
  server_.database = as_text(facts.rows.at(0).at(0));
  server_.schema = as_text(facts.rows.at(0).at(3));
  server_.read_only = as_integer(facts.rows.at(0).at(1)) != 0;
  sees_all_activity_ = as_integer(facts.rows.at(0).at(2)) != 0;
}

// The same name and version of the library order alike; without a version they may not. The version
// is that of the library now: what a database remembers is the one that it was made with.
const std::string& PgSession::collation(const std::string& name) {
  const auto known = collations_.find(name);
  if (known != collations_.end()) return known->second;
  std::string found;
  if (name == "C" || name == "POSIX" || name == "ucs_basic") {
    found = name;
  } else if (name.empty()) {
    const Result own = query(
        "SELECT COALESCE(to_jsonb(d)->>'datlocprovider', 'c'),"
        " COALESCE(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale', datcollate::text),"
        " pg_collation_actual_version(c.oid) FROM pg_database d LEFT JOIN pg_collation c"
        " ON c.collprovider = COALESCE(to_jsonb(d)->>'datlocprovider', 'c')::\"char\""
        " AND COALESCE(to_jsonb(c)->>'colliculocale', to_jsonb(c)->>'colllocale', "
        "c.collcollate::text)"
        "  = COALESCE(to_jsonb(d)->>'daticulocale', to_jsonb(d)->>'datlocale', datcollate::text)"
        " AND c.collnamespace = 'pg_catalog'::regnamespace WHERE datname = current_database()"
        " ORDER BY c.collencoding DESC NULLS LAST LIMIT 1");
    const std::vector<Value>& row = own.rows.at(0);
    const std::string provider = as_text(row[0]), locale = as_text(row[1]);
    if (provider == "c" && (locale == "C" || locale == "POSIX")) {
      found = locale;
    } else if (!std::holds_alternative<std::monostate>(row[2])) {
      found = provider + " " + locale + " " + as_text(row[2]);
    }
  } else {
    const std::vector<Value> parameters{name};
    const Result other = query(
        "SELECT c.collprovider::text, COALESCE(to_jsonb(c)->>'colliculocale',"
        " to_jsonb(c)->>'colllocale', c.collcollate::text), pg_collation_actual_version(c.oid)"
        " FROM pg_collation c WHERE c.collname = $1 AND c.collnamespace = "
        "'pg_catalog'::regnamespace"
        " ORDER BY c.collencoding DESC LIMIT 1",
        parameters);
    if (!other.empty() && !std::holds_alternative<std::monostate>(other.rows[0][1]) &&
        !std::holds_alternative<std::monostate>(other.rows[0][2])) {
      found = as_text(other.rows[0][0]) + " " + as_text(other.rows[0][1]) + " " +
              as_text(other.rows[0][2]);
    }
  }
  return collations_.emplace(name, std::move(found)).first->second;
}

const Dialect& PgSession::dialect() const { return postgres::dialect(); }

Result result_of(const PGresult& raw) {
  Result result;
  const int columns = PQnfields(&raw);
  const int rows = PQntuples(&raw);
  for (int column = 0; column < columns; ++column) {
    result.columns.emplace_back(PQfname(&raw, column));
  }
  result.rows.reserve(static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row) {
    std::vector<Value>& values = result.rows.emplace_back();
    values.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) values.push_back(value_of(raw, row, column));
  }
  // libpq means to change neither; its signatures are older than const.
  auto* writable = const_cast<PGresult*>(&raw);
  const std::string_view status = PQcmdStatus(writable);
  if (!status.starts_with("SELECT")) {
    const std::string_view count = PQcmdTuples(writable);
    std::from_chars(count.data(), count.data() + count.size(), result.affected);
  }
  return result;
}

Result PgSession::query(std::string_view sql, std::span<const Value> parameters) {
  return result_of(*connection_.run(std::string(sql), parameters));
}

void PgSession::send(std::string_view sql, std::span<const Value> parameters,
                     Connection::Sending sending) {
  std::vector<Parameter> bound;
  bound.reserve(parameters.size());
  for (const Value& value : parameters) bound.push_back(parameter_of(value));
  connection_.send(std::string(sql), bound, sending);
}

void PgSession::send(std::string_view sql, std::span<const Value> parameters) {
  send(sql, parameters, Connection::Sending::plain);
}

void PgSession::send_check(std::string_view sql, std::span<const Value> parameters) {
  send(sql, parameters, Connection::Sending::check);
}

void PgSession::send_begin() {
  send("BEGIN ISOLATION LEVEL READ COMMITTED", {}, Connection::Sending::plain);
}

void PgSession::send_commit() { send("COMMIT", {}, Connection::Sending::commit); }

Result PgSession::receive() { return result_of(*connection_.receive()); }

void PgSession::begin() {
  if (in_transaction()) throw Error(ErrorKind::invariant, "a transaction is open already");
  connection_.run("BEGIN ISOLATION LEVEL READ COMMITTED");
}

// LOCK takes no snapshot: that of the transaction is taken by its first query, with the locks held.
void PgSession::begin_snapshot(std::span<const TableName> tables) {
  if (in_transaction()) throw Error(ErrorKind::invariant, "a transaction is open already");
  std::string names;
  for (const TableName& name : tables) names += (names.empty() ? "" : ", ") + dialect().quote(name);
  std::string sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  if (!names.empty()) sql += "; LOCK TABLE " + names + " IN ACCESS SHARE MODE";
  connection_.run(sql);
}

void PgSession::commit() {
  if (!in_transaction() && !connection_.usable()) {
    // It was never sent: what the transaction had done is gone with the connection.
    throw connection_lost("before COMMIT");
  }
  if (!in_transaction()) throw Error(ErrorKind::invariant, "no transaction is open");
  connection_.commit();
}

void PgSession::rollback() noexcept {
  connection_.drop_sent();
  try {
    if (in_transaction()) connection_.run("ROLLBACK");
  } catch (...) {
    // The connection is lost, and the transaction with it.
  }
  // What DDL and SET of the transaction made is gone.
  tables_.clear();
  sequential_scans_.reset();
}

std::shared_ptr<Canceller> PgSession::canceller() {
  return std::make_shared<PgCanceller>(connection_.cancel_state());
}

Catalog PgSession::catalog(const std::string& schema) { return read_catalog(*this, schema); }

LoadSample PgSession::load() {
  LoadSample sample;
  // To a user without the privilege, rows of others show as NULL: then nothing is known. pg_locks
  // shows waiting sessions to everyone.
  const Result locks = query(
      sees_all_activity_ ? "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                         : "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted");
  sample.lock_waits = as_integer(locks.rows.at(0).at(0));
  if (!sees_all_activity_) return sample;
  const Result activity = query(
      "SELECT (SELECT count(*) FROM pg_stat_activity WHERE state = 'active'"
      " AND backend_type = 'client backend'"
      " AND application_name <> current_setting('application_name')),"
      " (SELECT max(extract(epoch FROM coalesce(replay_lag, '0')))::float8 FROM pg_stat_replication"
      " WHERE state IN ('streaming', 'catchup'))");
  sample.active_sessions = as_integer(activity.rows.at(0).at(0));
  if (const auto* lag = std::get_if<double>(&activity.rows.at(0).at(1))) {
    sample.replica_lag_seconds = *lag;
  }
  return sample;
}

const PgSession::Table& PgSession::table(const TableName& name) {
  if (const auto known = tables_.find(name); known != tables_.end()) return known->second;
  const std::vector<Value> quoted{
      dialect().quote(TableName{"", name.name}),
      name.schema.empty() ? std::string() : dialect().quote(name.schema)};
  const Result result = query(
      "SELECT c.oid, c.relkind = 'p', n.nspname, c.relname, a.attname,"
      " format_type(a.atttypid, a.atttypmod)"
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"
      " WHERE c.oid = to_regclass(CASE WHEN $2::text = '' THEN $1::text ELSE $2::text || '.' || "
      "$1::text END)"
      " ORDER BY a.attnum",
      quoted);
  if (result.empty()) {
    throw Error(ErrorKind::permanent, "table \"" + name.text() + "\" does not exist")
        .code("42P01")
        .table(name.text())
        .remedy("check the table's name and schema, and the search_path");
  }
  Table found;
  found.oid = as_integer(result.rows[0][0]);
  found.partitioned = as_integer(result.rows[0][1]) != 0;
  found.schema = as_text(result.rows[0][2]);
  found.name = as_text(result.rows[0][3]);
  for (const std::vector<Value>& row : result.rows) {
    found.column_types[as_text(row[4])] = as_text(row[5]);
  }
  return tables_[name] = std::move(found);
}

void PgSession::set_sequential_scans(bool on) {
  if (on == sequential_scans_) return;
  execute(on ? "SET enable_seqscan = on" : "SET enable_seqscan = off");
  sequential_scans_ = on;
}

}  // namespace migrator::postgres
