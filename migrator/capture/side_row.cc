#include "migrator/capture/side_row.h"

#include <array>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "migrator/capture/own_table.h"

namespace migrator {
namespace {

constexpr std::string_view kSide = "_migrator_side", kTable = "_migrator_shim_table",
                           kInstance = "_migrator_instance";

Value number(std::uint64_t value) { return static_cast<std::int64_t>(value); }

std::uint64_t natural(const Value& value) { return static_cast<std::uint64_t>(as_integer(value)); }

Phase phase_in(const Value& value) {
  const std::string text = as_text(value);
  if (const std::optional<Phase> phase = phase_of(text)) return *phase;
  throw Error(ErrorKind::gate,
              fmt::format("the database knows a phase `{}`, this program does not", text))
      .remedy("update this program: a newer migrate is at work");
}

nlohmann::json json_of(const TableName& name) {
  return {{"schema", name.schema}, {"name", name.name}};
}

TableName name_of(const nlohmann::json& json) {
  return {json.at("schema").get<std::string>(), json.at("name").get<std::string>()};
}

std::string definition_of(const ShimTable& table) {
  return nlohmann::json{{"source", json_of(table.source)},
                        {"target", json_of(table.target)},
                        {"key", table.key},
                        {"columns", table.columns},
                        {"where", table.where}}
      .dump();
}

ShimTable table_of(const std::string& relation, const std::string& definition) {
  try {
    const auto json = nlohmann::json::parse(definition);
    ShimTable table;
    table.relation = relation;
    table.source = name_of(json.at("source"));
    table.target = name_of(json.at("target"));
    table.key = json.at("key").get<std::vector<std::string>>();
    table.columns = json.at("columns").get<std::vector<std::pair<std::string, std::string>>>();
    table.where = json.at("where").get<std::string>();
    return table;
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::invariant,
                fmt::format("what {} says of `{}` is not what migrate writes", kTable, relation))
        .table(relation)
        .remedy("run `migrate start PLAN` again");
  }
}

constexpr std::string_view kColumns =
    "side, is_open, epoch, opened_epoch, phase, capture, inline_writes, shadow_percent, "
    "read_percent";

SideRow row_of(const std::vector<Value>& values) {
  SideRow row;
  row.side = as_text(values.at(0)) == name(Side::target) ? Side::target : Side::source;
  row.open = as_integer(values.at(1)) != 0;
  row.epoch = natural(values.at(2));
  row.opened_epoch = natural(values.at(3));
  row.phase = phase_in(values.at(4));
  row.capture = as_text(values.at(5));
  row.inline_writes = as_integer(values.at(6)) != 0;
  row.shadow_percent = static_cast<int>(as_integer(values.at(7)));
  row.read_percent = static_cast<int>(as_integer(values.at(8)));
  return row;
}

std::vector<Value> values_of(const SideRow& row) {
  return {std::string(name(row.side)),
          std::int64_t{row.open},
          number(row.epoch),
          number(row.opened_epoch),
          std::string(name(row.phase)),
          row.capture,
          std::int64_t{row.inline_writes},
          std::int64_t{row.shadow_percent},
          std::int64_t{row.read_percent}};
}

}  // namespace

std::string SideTable::name(const Queries& session, std::string_view table) const {
  return session.dialect().quote(TableName{schema_, std::string(table)});
}

void SideTable::install(Session& session) const {
  const Dialect& dialect = session.dialect();
  const std::string_view key = dialect.own_key_type(), integer = dialect.own_integer_type(),
                         text = dialect.own_text_type(), options = dialect.own_table_options();
  session.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL PRIMARY KEY, side {1} NOT NULL, "
      "is_open {2} NOT NULL, epoch {2} NOT NULL, opened_epoch {2} NOT NULL, phase {1} NOT NULL, "
      "capture {1} NOT NULL, inline_writes {2} NOT NULL, shadow_percent {2} NOT NULL, read_percent "
      "{2} NOT NULL){3}",
      name(session, kSide), key, integer, options));
  session.execute(
      fmt::format("CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL, relation {1} NOT NULL, "
                  "definition {2} NOT NULL, PRIMARY KEY (migration, relation)){3}",
                  name(session, kTable), key, text, options));
  session.execute(fmt::format(
      "CREATE TABLE IF NOT EXISTS {0} (migration {1} NOT NULL, instance {1} NOT NULL, epoch {2} "
      "NOT "
      "NULL, phase {1} NOT NULL, lease_ms {2} NOT NULL, renewed_ms {2} NOT NULL, PRIMARY KEY "
      "(migration, instance)){3}",
      name(session, kInstance), key, integer, options));
}

std::optional<SideRow> SideTable::read(Session& session) const {
  if (!exists(session)) return std::nullopt;
  const std::array<Value, 1> parameters{migration_};
  const Result found = session.query(
      spell(session.dialect(), fmt::format("SELECT {} FROM {} WHERE migration = {{1}}", kColumns,
                                           name(session, kSide))),
      parameters);
  if (found.empty()) return std::nullopt;
  return row_of(found.rows[0]);
}

void SideTable::put(Session& session, const SideRow& row) const {
  if (read(session)) return;
  std::vector<Value> values = values_of(row);
  values.insert(values.begin(), migration_);
  try {
    session.query(
        spell(session.dialect(),
              fmt::format("INSERT INTO {} (migration, {}) VALUES ({{1}}, {{2}}, {{3}}, {{4}}, "
                          "{{5}}, {{6}}, {{7}}, {{8}}, {{9}}, {{10}})",
                          name(session, kSide), kColumns)),
        values);
  } catch (const Error& error) {
    if (!error.duplicate_key()) throw;  // another process was quicker
  }
}

bool SideTable::exists(Session& session) const {
  return own_table_exists(session, name(session, kSide));
}

void SideTable::set_phase(Session& session, Phase phase) const {
  // Only forward; and where nothing changes, no writer waits for this row.
  const std::optional<SideRow> row = read(session);
  if (!row || row->phase >= phase) return;
  const std::array<Value, 2> parameters{std::string(migrator::name(phase)), migration_};
  session.query(
      spell(session.dialect(), fmt::format("UPDATE {} SET phase = {{1}} WHERE migration = {{2}}",
                                           name(session, kSide))),
      parameters);
}

std::optional<SideRow> SideTable::set_shadow(Session& session, std::optional<int> shadow_percent,
                                             std::optional<int> read_percent) const {
  const std::optional<SideRow> row = read(session);
  if (!row || row->phase > Phase::shadow_read) return row;
  if (row->phase == Phase::shadow_read &&
      shadow_percent.value_or(row->shadow_percent) == row->shadow_percent &&
      read_percent.value_or(row->read_percent) == row->read_percent) {
    return row;
  }
  // Only what was given: somebody else may be setting the other one.
  std::vector<Value> parameters{std::string(migrator::name(Phase::shadow_read))};
  std::string set = "phase = {1}";
  const auto also = [&](std::string_view column, const std::optional<int>& percent) {
    if (!percent) return;
    parameters.emplace_back(std::int64_t{*percent});
    set += fmt::format(", {} = {{{}}}", column, parameters.size());
  };
  also("shadow_percent", shadow_percent);
  also("read_percent", read_percent);
  const std::size_t next = parameters.size();
  parameters.emplace_back(migration_);
  parameters.emplace_back(std::string(migrator::name(row->phase)));
  session.query(spell(session.dialect(),
                      fmt::format("UPDATE {} SET {} WHERE migration = {{{}}} AND phase = {{{}}}",
                                  name(session, kSide), set, next + 1, next + 2)),
                parameters);
  return read(session);
}

std::optional<SideRow> SideTable::lock(Session& session) const {
  const Dialect::FenceLock fence = session.dialect().exclusive_fence(migration_);
  if (!fence.statement.empty()) session.query(fence.statement);
  const std::array<Value, 1> parameters{migration_};
  const Result found = session.query(
      spell(session.dialect(), fmt::format("SELECT {} FROM {} WHERE migration = {{1}} {}", kColumns,
                                           name(session, kSide), fence.suffix)),
      parameters);
  if (found.empty()) return std::nullopt;
  return row_of(found.rows[0]);
}

bool SideTable::exchange(Session& session, const SideRow& expected, const SideRow& wanted) const {
  session.begin();
  try {
    const std::optional<SideRow> found = lock(session);
    if (found != expected) {
      session.rollback();
      return false;
    }
    std::vector<Value> values = values_of(wanted);
    values.emplace_back(migration_);
    session.query(
        spell(
            session.dialect(),
            fmt::format("UPDATE {} SET side = {{1}}, is_open = {{2}}, epoch = {{3}}, opened_epoch "
                        "= {{4}}, phase = {{5}}, capture = {{6}}, inline_writes = {{7}}, "
                        "shadow_percent = {{8}}, read_percent = {{9}} WHERE migration = {{10}}",
                        name(session, kSide))),
        values);
    session.commit();
    return true;
  } catch (...) {
    session.rollback();
    throw;
  }
}

std::string SideTable::check(const Queries& session, const std::string& suffix) const {
  return spell(session.dialect(),
               fmt::format("SELECT 1 FROM {} WHERE migration = {{1}} AND epoch = {{2}} AND is_open "
                           "= 1 {}",
                           name(session, kSide), suffix));
}

int SideTable::send_enter(Session& session, std::uint64_t epoch) const {
  const Dialect::FenceLock fence = session.dialect().shared_fence(migration_, false);
  int sent = 1;
  if (!fence.statement.empty()) {
    session.send(fence.statement);
    ++sent;
  }
  const std::array<Value, 2> parameters{migration_, number(epoch)};
  session.send_check(check(session, fence.suffix), parameters);
  return sent;
}

bool SideTable::enter(Queries& connection, std::uint64_t epoch) const {
  const Dialect::FenceLock fence = connection.dialect().shared_fence(migration_, true);
  if (!fence.statement.empty()) connection.query(fence.statement);
  const std::array<Value, 2> parameters{migration_, number(epoch)};
  return !connection.query(check(connection, fence.suffix), parameters).empty();
}

std::vector<ShimTable> SideTable::tables(Session& session) const {
  const std::array<Value, 1> parameters{migration_};
  const Result found =
      session.query(spell(session.dialect(),
                          fmt::format("SELECT relation, definition FROM {} WHERE migration = {{1}} "
                                      "ORDER BY relation",
                                      name(session, kTable))),
                    parameters);
  std::vector<ShimTable> tables;
  for (const auto& row : found.rows) tables.push_back(table_of(as_text(row[0]), as_text(row[1])));
  return tables;
}

void SideTable::put_tables(Session& session, const std::vector<ShimTable>& tables) const {
  if (this->tables(session) == tables) return;
  session.begin();
  try {
    const std::array<Value, 1> parameters{migration_};
    session.query(spell(session.dialect(), fmt::format("DELETE FROM {} WHERE migration = {{1}}",
                                                       name(session, kTable))),
                  parameters);
    for (const ShimTable& table : tables) {
      const std::array<Value, 3> row{migration_, table.relation, definition_of(table)};
      session.query(spell(session.dialect(),
                          fmt::format("INSERT INTO {} (migration, relation, definition) VALUES "
                                      "({{1}}, {{2}}, {{3}})",
                                      name(session, kTable))),
                    row);
    }
    session.commit();
  } catch (...) {
    session.rollback();
    throw;
  }
}

std::vector<ShimInstance> SideTable::instances(Session& session) const {
  if (!own_table_exists(session, name(session, kInstance))) return {};
  const std::array<Value, 1> parameters{migration_};
  const Result found = session.query(
      spell(session.dialect(),
            fmt::format("SELECT instance, epoch, phase, lease_ms, {} - renewed_ms FROM {} WHERE "
                        "migration = {{1}} ORDER BY instance",
                        session.dialect().now_ms(), name(session, kInstance))),
      parameters);
  std::vector<ShimInstance> instances;
  for (const auto& row : found.rows) {
    instances.push_back({as_text(row[0]), natural(row[1]), phase_in(row[2]), as_integer(row[4]),
                         as_integer(row[3])});
  }
  return instances;
}

// Two statements instead of an upsert: an instance's row is written by that instance alone.
void SideTable::renew(Session& session, const ShimInstance& instance) const {
  const std::string table = name(session, kInstance);
  const std::string_view now = session.dialect().now_ms();
  const std::array<Value, 5> changed{number(instance.epoch),
                                     std::string(migrator::name(instance.phase)), instance.lease_ms,
                                     migration_, instance.instance};
  const Result updated = session.query(
      spell(
          session.dialect(),
          fmt::format("UPDATE {} SET epoch = {{1}}, phase = {{2}}, lease_ms = {{3}}, renewed_ms = "
                      "{} WHERE migration = {{4}} AND instance = {{5}}",
                      table, now)),
      changed);
  if (updated.affected > 0) return;
  const std::array<Value, 5> row{migration_, instance.instance, number(instance.epoch),
                                 std::string(migrator::name(instance.phase)), instance.lease_ms};
  try {
    session.query(spell(session.dialect(),
                        fmt::format("INSERT INTO {} (migration, instance, epoch, phase, lease_ms, "
                                    "renewed_ms) VALUES ({{1}}, {{2}}, {{3}}, {{4}}, {{5}}, {})",
                                    table, now)),
                  row);
  } catch (const Error& error) {
    if (!error.duplicate_key()) throw;  // the update changed nothing, within one millisecond
  }
}

void SideTable::withdraw(Session& session, const std::string& instance) const {
  const std::array<Value, 2> parameters{migration_, instance};
  session.query(spell(session.dialect(),
                      fmt::format("DELETE FROM {} WHERE migration = {{1}} AND instance = {{2}}",
                                  name(session, kInstance))),
                parameters);
}

void SideTable::remove(Session& session) const {
  for (const std::string_view table : {kInstance, kTable, kSide}) {
    remove_own_rows(session, name(session, table), migration_);
  }
}

}  // namespace migrator
