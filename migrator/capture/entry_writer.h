// Writing the journal without triggers: an entry for a row, in the transaction that changes it.
//
// The entry is written FROM the row: INSERT ... SELECT. So its key is spelled as the triggers spell
// it, whatever the application has called it; there is an entry only where there is a row; and its
// number is drawn while the row is locked, which is what makes it a place in the order of the key's
// changes. Hence an insert or update comes before its entry, and a delete after it; or one
// statement does both.
//
// Threads: immutable.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "adapters/adapter.h"

namespace migrator {

class EntryWriter {
 public:
  // table and key: of the side that is written to; journal_schema: where its journal lies.
  EntryWriter(const Dialect& dialect, std::string migration, std::string relation,
              const TableName& table, std::vector<Column> key, const std::string& journal_schema);

  struct Entry {
    std::int64_t seq = 0;
    std::string row_key;
  };
  // Sent ahead. `key` in the order of the key's columns. `named`: receive() is to give the entry.
  // `locked`: the transaction has just written the row, and so holds its lock already.
  void send(Session& session, const Key& key, bool named, bool locked) const;
  // Of one send(), with the same `named`. Absent: there was no such row. Else, where it is not
  // named, an entry without a content.
  std::optional<Entry> receive(Session& session, bool named) const;

  // A change and the entries of the rows that it changed, in one statement: cheaper, and exact
  // where the row was not there or its key is another one than was asked for. `change`: with
  // `placeholders` of them. "" where the engine cannot; then send() does, before or after it.
  std::string with_entries(std::string_view change, std::size_t placeholders) const;
  // Sent ahead: such a statement, with the parameters of the change. For receive(), as by send().
  void send_with_entries(Session& session, const std::string& statement,
                         std::vector<Value> parameters, bool named) const;

  // The key's text: of the row as it is there, or of the values where there is none. Throws
  // Error(usage) for values that are no key.
  std::string text_of(Queries& connection, const Key& key) const;

  // For a row that the application has changed by itself, or deleted: also where there is none, and
  // then with a number of no place among the key's changes.
  void touch(Queries& connection, const Key& key) const;
  // touch() sent ahead: two results.
  void send_touch(Session& session, const Key& key) const;
  // Sent ahead: an entry for the key if there is no row of it, of no place among the key's changes.
  void send_absence(Session& session, const Key& key) const;

 private:
  std::vector<Value> parameters(const Key& key) const;

  const Dialect& dialect_;
  std::string migration_, relation_;
  std::vector<Column> key_;
  std::string insert_, changed_key_;
  std::string from_locked_row_, from_row_, without_row_, last_entry_, text_of_row_;
};

}  // namespace migrator
