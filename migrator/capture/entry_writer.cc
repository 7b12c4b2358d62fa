#include "migrator/capture/entry_writer.h"

#include <fmt/format.h>

namespace migrator {

EntryWriter::EntryWriter(const Dialect& dialect, std::string migration, std::string relation,
                         const TableName& table, std::vector<Column> key,
                         const std::string& journal_schema)
    : dialect_(dialect),
      migration_(std::move(migration)),
      relation_(std::move(relation)),
      key_(std::move(key)) {
  const CaptureDialect& capture = dialect.capture();
  const std::string journal = dialect.quote(TableName{journal_schema, std::string(kJournalTable)});
  insert_ = fmt::format("INSERT INTO {} (migration, relation, row_key)", journal);
  changed_key_ = capture.row_key(key_, dialect.quote(table.name));
  const std::string head =
      fmt::format("{} SELECT {}, {}, ", insert_, dialect.placeholder(1), dialect.placeholder(2));
  const auto same = [&](int first) {
    std::string sql;
    for (const Column& column : key_) {
      sql += fmt::format("{}r.{} = {}", sql.empty() ? "" : " AND ", dialect.quote(column.name),
                         dialect.placeholder(first++));
    }
    return sql;
  };
  const std::string lock = dialect.row_lock().empty() ? "" : " " + std::string(dialect.row_lock());
  from_locked_row_ =
      head + capture.row_key(key_, "r") + " FROM " + dialect.quote(table) + " r WHERE " + same(3);
  from_row_ = from_locked_row_ + lock;
  without_row_ = head + dialect.placeholder(3) +
                 " FROM (SELECT 1 AS one) o WHERE NOT EXISTS (SELECT 1 FROM " +
                 dialect.quote(table) + " r WHERE " + same(4) + ")";
  text_of_row_ = fmt::format("SELECT {} FROM {} r WHERE {}", capture.row_key(key_, "r"),
                             dialect.quote(table), same(1));
  last_entry_ = capture.last_entry(journal_schema);
}

std::vector<Value> EntryWriter::parameters(const Key& key) const {
  if (key.size() != key_.size()) {
    throw Error(ErrorKind::invariant, "a key has not as many values as columns");
  }
  std::vector<Value> parameters{migration_, relation_};
  parameters.insert(parameters.end(), key.begin(), key.end());
  return parameters;
}

void EntryWriter::send(Session& session, const Key& key, bool named, bool locked) const {
  const std::string_view returning = dialect_.capture().returning_entry();
  const std::string& sql = locked ? from_locked_row_ : from_row_;
  session.send(named ? sql + std::string(returning) : sql, parameters(key));
  if (named && returning.empty()) session.send(last_entry_);
}

std::optional<EntryWriter::Entry> EntryWriter::receive(Session& session, bool named) const {
  Result written = session.receive();
  if (named && dialect_.capture().returning_entry().empty()) {
    const bool wrote = written.affected > 0;
    written = session.receive();
    if (!wrote) return std::nullopt;  // then the last entry is another row's
  }
  if (!named) return written.affected > 0 ? std::optional<Entry>(Entry{}) : std::nullopt;
  if (written.empty()) return std::nullopt;
  return Entry{as_integer(written.rows[0].at(0)), as_text(written.rows[0].at(1))};
}

std::string EntryWriter::with_entries(std::string_view change, std::size_t placeholders) const {
  const int next = static_cast<int>(placeholders) + 1;
  return dialect_.capture().with_entries(
      change, insert_,
      fmt::format("{}, {}", dialect_.placeholder(next), dialect_.placeholder(next + 1)),
      changed_key_);
}

void EntryWriter::send_with_entries(Session& session, const std::string& statement,
                                    std::vector<Value> parameters, bool named) const {
  parameters.emplace_back(migration_);
  parameters.emplace_back(relation_);
  const std::string_view returning = dialect_.capture().returning_entry();
  session.send(named ? statement + std::string(returning) : statement, parameters);
}

std::string EntryWriter::text_of(Queries& connection, const Key& key) const {
  const Result found = connection.query(text_of_row_, key);
  if (!found.empty()) return as_text(found.rows[0].at(0));
  std::string text = dialect_.capture().encode(key_, key);
  try {
    dialect_.capture().decode(key_, text);
  } catch (const Error&) {
    throw Error(ErrorKind::usage, fmt::format("the values given are no key of `{}`", relation_))
        .table(relation_)
        .remedy("give each as its column's type has it: whole numbers as such, bytes as Bytes");
  }
  return text;
}

void EntryWriter::touch(Queries& connection, const Key& key) const {
  if (connection.query(from_row_, parameters(key)).affected > 0) return;
  std::vector<Value> values = parameters(key);
  values.insert(values.begin() + 2, dialect_.capture().encode(key_, key));
  connection.query(without_row_, values);
}

void EntryWriter::send_touch(Session& session, const Key& key) const {
  session.send(from_row_, parameters(key));
  send_absence(session, key);
}

void EntryWriter::send_absence(Session& session, const Key& key) const {
  std::vector<Value> values = parameters(key);
  values.insert(values.begin() + 2, dialect_.capture().encode(key_, key));
  session.send(without_row_, values);
}

}  // namespace migrator
