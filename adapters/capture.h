// Trigger capture: how an engine writes down which rows of a table were changed, in the transaction
// that changes them. (Protocol: "Capture".)
//
// The journal is one table, _migrator_journal, on the database that is written to:
//   seq         drawn while the row that changed is locked, so that for one key the order of the
//               entries is the order of the commits
//   migration   the plan's name
//   relation    the plan's name of the table
//   row_key     the key's text, see CaptureDialect::decode; NULL: any row of the table may have
//               changed (TRUNCATE)
//   changed_at  when, by the server's clock
// Triggers see every writer, whatever program it is. A key change writes both keys. An entry names
// a key and no value: whoever reads it looks at the row as it is then.
//
// Everything here is text for a session to run; nothing is sent. Threads: immutable.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "adapters/schema.h"
#include "adapters/value.h"

namespace migrator {

inline constexpr std::string_view kJournalTable = "_migrator_journal";
// What the names of all triggers of capture begin with.
inline constexpr std::string_view kOwnPrefix = "_migrator_";

struct CaptureSpec {
  std::string migration;
  std::string relation;
  TableSchema table;
  std::vector<Column> key;  // what names a row: unique, and NULL in no row
  // Where the journal is: the schema (PostgreSQL) or database (MySQL) of the session that made it.
  // A trigger runs in its writer's session, which may look elsewhere. "" on SQLite.
  std::string journal_schema;
};

// What the triggers of a table would not see, or why they cannot be made.
struct CaptureGap {
  bool refused = false;  // capture must not be installed; else it is worth a warning
  std::string text;
  std::string remedy;
};

class CaptureDialect {
 public:
  virtual ~CaptureDialect() = default;

  virtual std::vector<CaptureGap> gaps(const CaptureSpec& spec) const = 0;

  // Makes the journal unless it is there.
  virtual std::string create_journal(const std::string& schema) const = 0;
  // An expression over the journal's row: milliseconds since changed_at, by the server's clock.
  virtual std::string_view age_ms() const = 0;

  // Makes the triggers anew, in place of those of an earlier call. Where DDL takes part in
  // transactions (PostgreSQL, SQLite) they belong into one; where it does not (MySQL), a table is
  // captured once the last statement has run. Each statement may wait for the transactions that
  // have written to the table before, and so finds none left that was not seen (A22).
  virtual std::vector<std::string> create_triggers(const CaptureSpec& spec) const = 0;
  // Takes them away, as far as they are there.
  virtual std::vector<std::string> drop_triggers(const CaptureSpec& spec) const = 0;
  // The names of the triggers that have to be on the table for it to be captured.
  virtual std::vector<std::string> trigger_names(const CaptureSpec& spec) const = 0;

  // The row_key of the row that stands under this name in a query, as an expression: as the
  // triggers spell it, in a session of this adapter's own.
  virtual std::string row_key(const std::vector<Column>& key, const std::string& row) const = 0;
  // Behind an INSERT into the journal: gives the entry's (seq, row_key). "" where a query of its
  // own does, of the last entry that the session has written: last_entry().
  virtual std::string_view returning_entry() const { return " RETURNING seq, row_key"; }
  virtual std::string last_entry(const std::string&) const { return ""; }
  // One statement of two: `change`, an INSERT, UPDATE or DELETE of single rows, and behind it
  // `insert`, an INSERT INTO the journal without its rows, which are `constants` and the row_key of
  // each row that was written or taken away, by `row_key`, an expression over the changed table.
  // "" where the engine cannot.
  virtual std::string with_entries(std::string_view, std::string_view, std::string_view,
                                   std::string_view) const {
    return "";
  }

  // The key of a journal's row_key: values as Source::nth_key would give them. Throws
  // Error(invariant) on a text that no trigger of that key can have written.
  virtual Key decode(const std::vector<Column>& key, std::string_view row_key) const = 0;
  // The row_key of a key, as who writes the journal without triggers has to spell it.
  virtual std::string encode(const std::vector<Column>& key, const Key& values) const = 0;
};

// For implementations.

// The texts of a key's columns as one: a single one as it is; several behind each other, each ended
// by a comma, with a backslash in front of every comma and backslash within. So SQL can spell it
// with replace() and ||, whatever the character set.
std::string join_key_texts(const std::vector<std::string>& texts);
// Throws Error(invariant) unless it is the text of that many columns.
std::vector<std::string> split_key_text(std::string_view text, std::size_t columns);

// "_migrator_" and 16 hexadecimal digits for the migration's table; what is in front of its
// triggers' names, and short enough for all engines.
std::string capture_prefix(const CaptureSpec& spec);

}  // namespace migrator
