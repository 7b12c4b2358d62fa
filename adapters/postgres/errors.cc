#include "adapters/postgres/errors.h"

#include <algorithm>
#include <array>
#include <optional>

namespace migrator::postgres {
namespace {

struct Rule {
  std::string_view prefix;  // of the SQLSTATE; a whole code or a class
  ErrorKind kind;
  std::string_view remedy;
};

constexpr std::string_view kRemedyRetry =
    "run the same command again once the server answers: it goes on where it stopped";
constexpr std::string_view kRemedyPassword =
    "check the user and the password; libpq reads it from the URL, PGPASSWORD or ~/.pgpass (mode "
    "0600)";

// The first rule whose prefix fits decides. Codes: appendix A of the PostgreSQL manual.
constexpr auto kRules = std::to_array<Rule>({
    {"08", ErrorKind::transient, kRemedyRetry},
    {"0A000", ErrorKind::permanent, ""},
    // ON CONFLICT DO UPDATE that would change a row twice: two rows have one key here.
    {"21000", ErrorKind::data, "the target takes two keys of the source for one"},
    {"22P04", ErrorKind::permanent, "check that the columns of the table are those of the plan"},
    {"22", ErrorKind::data, ""},
    {"23", ErrorKind::data, ""},
    {"25006", ErrorKind::permanent,
     "the server is a replica or read-only: use the primary, or set default_transaction_read_only "
     "off"},
    {"25P03", ErrorKind::transient, kRemedyRetry},
    {"25P04", ErrorKind::transient, kRemedyRetry},
    {"28P01", ErrorKind::permanent, kRemedyPassword},
    {"28", ErrorKind::permanent,
     "check the user, and that pg_hba.conf on the server admits this user, database and address"},
    {"3D000", ErrorKind::permanent, "create the database, or correct its name in the URL"},
    {"3F000", ErrorKind::permanent, "create the schema, or correct its name in the plan"},
    {"40002", ErrorKind::data, ""},
    {"40003", ErrorKind::in_doubt, ""},
    {"40", ErrorKind::transient, kRemedyRetry},  // serialization failure, deadlock
    {"42501", ErrorKind::permanent,
     "GRANT the privilege on the object named to this user; a table with row security also needs "
     "BYPASSRLS or its owner"},
    {"42P01", ErrorKind::permanent, "check the table's name and schema, and the search_path"},
    {"42703", ErrorKind::permanent,
     "check the column's name; if the table has changed since, run `migrate plan` again"},
    {"42704", ErrorKind::permanent,
     "create the type, collation or extension named on this database first"},
    {"44000", ErrorKind::data, ""},
    {"53100", ErrorKind::permanent, "free disk space on the database server"},
    {"53200", ErrorKind::transient, "the server is out of memory: fewer jobs may help"},
    {"53300", ErrorKind::transient, "raise max_connections, or use fewer jobs"},
    {"53", ErrorKind::permanent, ""},
    {"54000", ErrorKind::data, ""},  // "index row size exceeds", "row is too big": of one row
    {"55006", ErrorKind::transient, kRemedyRetry},
    {"55P03", ErrorKind::transient,
     "another transaction holds the lock: look in pg_locks who, or raise the lock timeout"},
    {"57014", ErrorKind::cancelled, ""},
    {"57P01", ErrorKind::transient, kRemedyRetry},
    {"57P02", ErrorKind::transient, kRemedyRetry},
    {"57P03", ErrorKind::transient, kRemedyRetry},
    {"57P05", ErrorKind::transient, kRemedyRetry},
    {"58030", ErrorKind::permanent, "look into the server's log: its disk fails"},
    {"72000", ErrorKind::transient, kRemedyRetry},
    {"P0001", ErrorKind::data,
     "a trigger or function refused it: see the server's log for its words"},
    {"XX001", ErrorKind::permanent, "the server found corrupted data: restore from a backup"},
    {"XX002", ErrorKind::permanent, "the server found a corrupted index: REINDEX it"},
});

const Rule* find_rule(std::string_view sqlstate) {
  const auto rule = std::find_if(kRules.begin(), kRules.end(), [&](const Rule& candidate) {
    return sqlstate.starts_with(candidate.prefix);
  });
  return rule == kRules.end() ? nullptr : &*rule;
}

std::string quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

// Violations are put into our own words from the names in the response: the server's own are fixed
// texts too, but a trigger may raise any SQLSTATE of this class with a text that quotes the row.
std::string violation_message(const Diagnostic& d) {
  const std::string constraint = d.constraint.empty() ? "" : " " + quoted(d.constraint);
  const std::string table = d.table.empty() ? "" : " of table " + quoted(d.table);
  if (d.sqlstate == "23505") return "duplicate key violates unique constraint" + constraint + table;
  if (d.sqlstate == "23502") {
    const std::string column = d.column.empty() ? "a column" : "column " + quoted(d.column);
    return "null value in " + column + table + " violates not-null constraint";
  }
  if (d.sqlstate == "23503") return "violates foreign key constraint" + constraint + table;
  if (d.sqlstate == "23514") return "violates check constraint" + constraint + table;
  if (d.sqlstate == "23P01") return "violates exclusion constraint" + constraint + table;
  return "integrity constraint violation" + constraint + table;
}

std::string_view data_exception_name(std::string_view sqlstate) {
  if (sqlstate == "22001") return "value too long for the type of its column";
  if (sqlstate == "22003") return "number out of range for the type of its column";
  if (sqlstate == "22007" || sqlstate == "22008") return "date or time not valid or out of range";
  if (sqlstate == "22021") return "invalid byte sequence for the encoding";
  if (sqlstate == "22P02") return "invalid input syntax for the type of its column";
  if (sqlstate == "22P03") return "invalid binary representation for the type of its column";
  if (sqlstate == "22P05") return "character with no equivalent in the server's encoding";
  return "value not acceptable";
}

// Class 22 quotes the value: `invalid input syntax for type integer: "abc"`, `value "99999" is out
// of range for type smallint`. What may stay is the part before a colon, with quotations blanked. A
// message in another language quotes in other ways, so it is not used at all.
std::string data_exception_message(const Diagnostic& d) {
  std::string text = d.message;
  const bool ascii = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  const bool cut_by_value = d.sqlstate == "22021" || d.sqlstate == "22P05";
  if (!ascii || cut_by_value || text.empty()) {
    text = data_exception_name(d.sqlstate);
  } else {
    const auto first = text.find('"');
    const auto colon = text.find(": ");
    if (colon != std::string::npos && (first == std::string::npos || colon < first)) {
      text.erase(colon);
    } else if (first != std::string::npos) {
      // Up to the last quotation mark: the value itself may contain some.
      const auto last = text.rfind('"');
      text.replace(first, last - first + 1, "\"...\"");
    }
  }
  if (!d.column.empty()) text += " (column " + quoted(d.column) + ")";
  return text;
}

bool speaks_of_statement_timeout(std::string_view message) {
  return message.find("statement timeout") != std::string_view::npos;
}

// "FATAL:  28P01: password ..." as PQERRORS_VERBOSE prints it: the five characters between two
// colons.
std::optional<std::string> sqlstate_in(std::string_view message) {
  for (std::size_t at = message.find(":  "); at != std::string_view::npos;
       at = message.find(":  ", at + 1)) {
    const std::string_view code = message.substr(at + 3, 5);
    const bool fits = code.size() == 5 && message.substr(at + 8, 2) == ": " &&
                      std::all_of(code.begin(), code.end(), [](char c) {
                        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
                      });
    if (fits) return std::string(code);
  }
  return {};
}

std::string one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == '\t') {
      if (!out.empty() && out.back() != ' ') out += ' ';
    } else {
      out += c;
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct ConnectRule {
  std::string_view fragment;
  ErrorKind kind;
  std::string_view code, remedy;
};

constexpr std::string_view kRemedyReach =
    "check host and port in the URL, that the server runs, and that no firewall is between";

// libpq's own failures have no SQLSTATE: they are told apart by the operating system's words.
constexpr auto kConnectRules = std::to_array<ConnectRule>({
    {"password authentication failed", ErrorKind::permanent, "28P01", kRemedyPassword},
    {"no password supplied", ErrorKind::permanent, "28P01", kRemedyPassword},
    {"Connection refused", ErrorKind::transient, "08001", kRemedyReach},
    {"timeout expired", ErrorKind::transient, "08001", kRemedyReach},
    {"timed out", ErrorKind::transient, "08001", kRemedyReach},
    {"No such file or directory", ErrorKind::transient, "08001", kRemedyReach},
    {"Network is unreachable", ErrorKind::transient, "08001", kRemedyReach},
    {"No route to host", ErrorKind::transient, "08001", kRemedyReach},
    {"Connection reset", ErrorKind::transient, "08001", kRemedyReach},
    {"Broken pipe", ErrorKind::transient, "08001", kRemedyReach},
    {"Temporary failure in name resolution", ErrorKind::transient, "08001", kRemedyReach},
    {"server closed the connection", ErrorKind::transient, "08001", kRemedyReach},
    {"the database system is", ErrorKind::transient, "57P03", kRemedyRetry},
    {"too many clients", ErrorKind::transient, "53300", "raise max_connections, or use fewer jobs"},
    {"remaining connection slots", ErrorKind::transient, "53300",
     "raise max_connections, or use fewer jobs"},
    {"could not translate host name", ErrorKind::permanent, "08001",
     "check the host's name in the URL"},
    {"SSL", ErrorKind::permanent, "08001",
     "check sslmode and the certificates named in the URL against what the server offers"},
    {"certificate", ErrorKind::permanent, "08001",
     "check sslmode and the certificates named in the URL against what the server offers"},
});

}  // namespace

bool is_servers_own(std::string_view sqlstate) {
  // The classes of the manual's appendix "PostgreSQL Error Codes".
  constexpr std::string_view kClasses =
      "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B 3D "
      "3F "
      "40 42 44 53 54 55 57 58 72 F0 HV P0 XX ";
  return sqlstate.size() != 5 ||
         kClasses.find(std::string(sqlstate.substr(0, 2)) + " ") != std::string_view::npos;
}

std::string message_without_values(const Diagnostic& diagnostic) {
  const std::string_view sqlstate = diagnostic.sqlstate;
  if (sqlstate.starts_with("22") && sqlstate != "22P04") return data_exception_message(diagnostic);
  if (sqlstate.starts_with("23")) return violation_message(diagnostic);
  if (sqlstate == "40002") return "integrity constraint violation";
  // Raised by user code, whose words may quote anything.
  if (sqlstate.starts_with("P0") || !is_servers_own(sqlstate))
    return "a trigger or function raised an exception";
  if (sqlstate == "54000") return "a row or an index entry is too large";
  if (sqlstate == "44000") return "violates the check option of a view";
  const std::string text = one_line(diagnostic.message);
  return text.empty() ? "error " + diagnostic.sqlstate : text;
}

Error classify(const Diagnostic& diagnostic, bool in_transaction) {
  if (diagnostic.sqlstate == "57014" && speaks_of_statement_timeout(diagnostic.message)) {
    return statement_timed_out(in_transaction);
  }
  const Rule* rule = find_rule(diagnostic.sqlstate);
  const ErrorKind unknown =
      is_servers_own(diagnostic.sqlstate) ? ErrorKind::permanent : ErrorKind::data;
  Error error(rule ? rule->kind : unknown, message_without_values(diagnostic));
  error.code(diagnostic.sqlstate);
  if (rule && !rule->remedy.empty()) error.remedy(std::string(rule->remedy));
  if (!diagnostic.table.empty()) {
    error.table(diagnostic.schema.empty() ? diagnostic.table
                                          : diagnostic.schema + "." + diagnostic.table);
  }
  error.duplicate_key(diagnostic.sqlstate == "23505" || diagnostic.sqlstate == "21000");
  const std::string_view state = diagnostic.sqlstate;
  const bool session_gone = diagnostic.severity == "FATAL" || diagnostic.severity == "PANIC" ||
                            state.starts_with("08") || state == "57P01" || state == "57P02";
  error.scope(session_gone     ? ErrorScope::session
              : in_transaction ? ErrorScope::transaction
                               : ErrorScope::statement);
  return error;
}

Error statement_timed_out(bool in_transaction) {
  return Error(ErrorKind::transient, "the statement ran into the statement timeout")
      .code("57014")
      .scope(in_transaction ? ErrorScope::transaction : ErrorScope::statement)
      .remedy("smaller chunks or a longer statement timeout help");
}

Error connection_lost(std::string_view libpq_message) {
  std::string text = one_line(libpq_message);
  if (text.empty()) text = "no reason given";
  return Error(ErrorKind::transient, "the connection to the server was lost: " + text)
      .code("08006")
      .scope(ErrorScope::session)
      .remedy("check the server and the network; the work is tried again on a new connection");
}

Error connection_failed(std::string_view libpq_message, std::string_view where) {
  const std::string text = one_line(libpq_message);
  Error error(ErrorKind::permanent, "cannot connect to " + std::string(where) + ": " + text);
  error.code("08001").scope(ErrorScope::session);
  if (const std::optional<std::string> sqlstate = sqlstate_in(libpq_message)) {
    const Rule* rule = find_rule(*sqlstate);
    Error refused(rule ? rule->kind : ErrorKind::permanent, error.what());
    refused.code(*sqlstate).scope(ErrorScope::session);
    if (rule && !rule->remedy.empty()) refused.remedy(std::string(rule->remedy));
    return refused;
  }
  for (const ConnectRule& rule : kConnectRules) {
    if (text.find(rule.fragment) == std::string::npos) continue;
    Error known(rule.kind, error.what());
    known.code(std::string(rule.code)).scope(ErrorScope::session);
    if (!rule.remedy.empty()) known.remedy(std::string(rule.remedy));
    return known;
  }
  return error.remedy("check the URL with psql");
}

}  // namespace migrator::postgres
