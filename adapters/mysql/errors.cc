#include "adapters/mysql/errors.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace migrator::mysql {
namespace {

struct Rule {
  unsigned number;
  ErrorKind kind;
  ErrorScope scope;
  std::string_view remedy;
};

constexpr auto kStatement = ErrorScope::statement;
constexpr auto kTransaction = ErrorScope::transaction;
constexpr auto kSession = ErrorScope::session;

constexpr std::string_view kGrant =
    "grant the user what it lacks (SHOW GRANTS FOR CURRENT_USER shows what it has): SELECT on the "
    "source; "
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, ALTER, INDEX and REFERENCES on the target";
constexpr std::string_view kRetry = "try again; the work continues where it stopped";
constexpr std::string_view kReachable =
    "check that the server runs, and host, port or socket of the URL";
constexpr std::string_view kFull = "free space on the server, then resume";
constexpr std::string_view kWritable =
    "the server is read-only or a replica: point the URL at the writable primary";
constexpr std::string_view kPacket =
    "raise max_allowed_packet on the server above the size of the largest row";
constexpr std::string_view kTimeout =
    "the statement timeout ran out: use smaller chunks or a longer timeout";
constexpr std::string_view kCollation =
    "the target does not know this character set or collation: set a type with one that it knows "
    "in the plan";
constexpr std::string_view kName =
    "check the name in the plan, and that it is in the database of the URL";

constexpr std::array kRules{
    // Waits, restarts, lost connections: the same work may succeed later.
    Rule{1205, ErrorKind::transient, kStatement, "another transaction held the lock; try again"},
    Rule{1213, ErrorKind::transient, kTransaction,
         "a deadlock; the transaction is rolled back, try it again"},
    Rule{1020, ErrorKind::transient, kTransaction, "a row changed since it was read; try again"},
    Rule{1412, ErrorKind::transient, kTransaction, "the table was altered meanwhile; try again"},
    Rule{1684, ErrorKind::transient, kTransaction,
         "another session is altering the table; try again"},
    Rule{1614, ErrorKind::transient, kTransaction, "a deadlock; try the transaction again"},
    Rule{1637, ErrorKind::transient, kTransaction,
         "too many transactions at once; try again later"},
    Rule{1040, ErrorKind::transient, kSession,
         "the server has no free connection: wait, use fewer jobs, or raise max_connections"},
    Rule{1203, ErrorKind::transient, kSession,
         "the user has no free connection: use fewer jobs, or raise max_user_connections"},
    Rule{1226, ErrorKind::transient, kSession,
         "the user's resource limit is used up: wait, or raise it"},
    Rule{1053, ErrorKind::transient, kSession,
         "the server is shutting down; wait for it to return"},
    Rule{1077, ErrorKind::transient, kSession,
         "the server is shutting down; wait for it to return"},
    Rule{1079, ErrorKind::transient, kSession,
         "the server is shutting down; wait for it to return"},
    Rule{1080, ErrorKind::transient, kSession, kRetry},
    Rule{1129, ErrorKind::permanent, kSession,
         "the server blocks this host: run FLUSH HOSTS on it"},
    Rule{1152, ErrorKind::transient, kSession, kRetry},
    Rule{1158, ErrorKind::transient, kSession, kRetry},
    Rule{1159, ErrorKind::transient, kSession, "net_read_timeout of the server ran out; try again"},
    Rule{1160, ErrorKind::transient, kSession, kRetry},
    Rule{1161, ErrorKind::transient, kSession,
         "net_write_timeout of the server ran out; try again"},
    Rule{1184, ErrorKind::transient, kSession, kRetry},
    Rule{1927, ErrorKind::transient, kSession, "the connection was killed; try again"},
    Rule{3169, ErrorKind::transient, kSession, "the session was killed; try again"},
    Rule{2002, ErrorKind::transient, kSession, kReachable},
    Rule{2003, ErrorKind::transient, kSession, kReachable},
    Rule{2005, ErrorKind::permanent, kSession, "the host name is not known: check it in the URL"},
    Rule{2004, ErrorKind::transient, kSession, kReachable},
    Rule{2006, ErrorKind::transient, kSession, kRetry},
    Rule{2012, ErrorKind::transient, kSession, kReachable},
    Rule{2013, ErrorKind::transient, kSession, kRetry},
    Rule{2055, ErrorKind::transient, kSession, kRetry},
    Rule{5014, ErrorKind::transient, kSession, kRetry},
    Rule{1969, ErrorKind::transient, kStatement, kTimeout},
    Rule{3024, ErrorKind::transient, kStatement, kTimeout},
    Rule{1028, ErrorKind::transient, kStatement, kRetry},  // sort aborted
    Rule{1047, ErrorKind::transient, kStatement, "the cluster node is not ready; try again"},
    Rule{1317, ErrorKind::cancelled, kStatement, ""},
    // What the target does not take of a row.
    Rule{1062, ErrorKind::data, kStatement, ""},
    Rule{1586, ErrorKind::data, kStatement, ""},
    Rule{1022, ErrorKind::data, kStatement, ""},
    Rule{1169, ErrorKind::data, kStatement, ""},
    Rule{1859, ErrorKind::data, kStatement, ""},
    Rule{1048, ErrorKind::data, kStatement, ""},
    Rule{1216, ErrorKind::data, kStatement, ""},
    Rule{1217, ErrorKind::data, kStatement, ""},
    Rule{1263, ErrorKind::data, kStatement, ""},
    Rule{1264, ErrorKind::data, kStatement, "give the target's column a wider type in the plan"},
    Rule{1265, ErrorKind::data, kStatement, "give the target's column a type that holds the value"},
    Rule{1292, ErrorKind::data, kStatement, ""},
    Rule{1300, ErrorKind::data, kStatement, "the value is not valid text of its character set"},
    Rule{1366, ErrorKind::data, kStatement, ""},
    Rule{1364, ErrorKind::data, kStatement,
         "the target has a column without a default that the plan does not fill"},
    Rule{1367, ErrorKind::data, kStatement, ""},
    Rule{1406, ErrorKind::data, kStatement, "give the target's column a longer type in the plan"},
    Rule{1411, ErrorKind::data, kStatement, ""},
    Rule{1416, ErrorKind::data, kStatement, ""},
    Rule{1425, ErrorKind::permanent, kStatement, ""},
    Rule{1441, ErrorKind::data, kStatement, ""},
    Rule{1451, ErrorKind::data, kStatement, ""},
    Rule{1452, ErrorKind::data, kStatement, "the row refers to one that is not there"},
    Rule{1525, ErrorKind::data, kStatement, ""},
    Rule{1526, ErrorKind::data, kStatement, "no partition of the target takes the row"},
    Rule{1591, ErrorKind::data, kStatement, ""},
    Rule{1644, ErrorKind::data, kStatement, "a trigger of the target refused the row"},
    Rule{1690, ErrorKind::data, kStatement, ""},
    Rule{3140, ErrorKind::data, kStatement, "the value is not valid JSON"},
    Rule{3141, ErrorKind::data, kStatement, "the value is not valid JSON"},
    Rule{3819, ErrorKind::data, kStatement, "the row breaks a check of the target"},
    Rule{4025, ErrorKind::data, kStatement, "the row breaks a check of the target"},
    Rule{1153, ErrorKind::data, kSession, kPacket},
    Rule{1162, ErrorKind::data, kStatement, kPacket},
    Rule{1301, ErrorKind::data, kStatement, kPacket},
    Rule{2020, ErrorKind::data, kSession, kPacket},
    Rule{1118, ErrorKind::permanent, kStatement,
         "the columns together are too wide: set text types for the longest ones in the plan"},
    // Trying again cannot help.
    Rule{1044, ErrorKind::permanent, kStatement, kGrant},
    Rule{1045, ErrorKind::permanent, kSession,
         "check user and password of the URL or the option file"},
    Rule{1142, ErrorKind::permanent, kStatement, kGrant},
    Rule{1143, ErrorKind::permanent, kStatement, kGrant},
    Rule{1227, ErrorKind::permanent, kStatement, kGrant},
    Rule{1370, ErrorKind::permanent, kStatement, kGrant},
    Rule{1410, ErrorKind::permanent, kStatement, kGrant},
    Rule{1698, ErrorKind::permanent, kSession,
         "check user and password of the URL or the option file"},
    Rule{1820, ErrorKind::permanent, kSession, "the password has expired: set a new one"},
    Rule{1862, ErrorKind::permanent, kSession, "the password has expired: set a new one"},
    Rule{1130, ErrorKind::permanent, kSession,
         "the server refuses this host: allow the user from here"},
    Rule{1049, ErrorKind::permanent, kStatement,
         "create the database, or correct its name in the URL"},
    Rule{1050, ErrorKind::permanent, kStatement, "the table is there already"},
    Rule{1054, ErrorKind::permanent, kStatement, kName},
    Rule{1146, ErrorKind::permanent, kStatement, kName},
    Rule{1051, ErrorKind::permanent, kStatement, kName},
    Rule{1176, ErrorKind::permanent, kStatement, "an index went away during the run: start again"},
    Rule{1021, ErrorKind::permanent, kStatement, kFull},
    Rule{1114, ErrorKind::permanent, kStatement, kFull},
    Rule{1030, ErrorKind::permanent, kStatement, "see the server's error log"},
    Rule{1290, ErrorKind::permanent, kStatement, kWritable},
    Rule{1792, ErrorKind::permanent, kStatement, kWritable},
    Rule{1836, ErrorKind::permanent, kStatement, kWritable},
    Rule{1071, ErrorKind::permanent, kStatement,
         "the key is too long: set a shorter type for its columns in the plan"},
    Rule{1115, ErrorKind::permanent, kStatement, kCollation},
    Rule{1273, ErrorKind::permanent, kStatement, kCollation},
    Rule{1170, ErrorKind::permanent, kStatement,
         "a text in a key needs a length: set a varchar in the plan"},
    Rule{1148, ErrorKind::permanent, kStatement,
         "set local_infile=1 on the server, or ?load=insert in the URL"},
    Rule{3948, ErrorKind::permanent, kStatement,
         "set local_infile=1 on the server, or ?load=insert in the URL"},
    Rule{4166, ErrorKind::permanent, kStatement,
         "allow local_infile, or use ?load=insert in the URL"},
    Rule{2026, ErrorKind::permanent, kSession,
         "TLS failed: check ssl-mode and the certificates of the URL"},
    Rule{1235, ErrorKind::permanent, kStatement, "this server's version does not know it"},
    Rule{1665, ErrorKind::permanent, kStatement, "set binlog_format=ROW or MIXED on the server"},
};

const Rule* find_rule(unsigned number) {
  const auto* rule =
      std::find_if(kRules.begin(), kRules.end(), [&](const Rule& r) { return r.number == number; });
  return rule == kRules.end() ? nullptr : rule;
}

bool is_duplicate(unsigned number) {
  return number == 1062 || number == 1586 || number == 1022 || number == 1169 || number == 1859;
}

// Errors whose text quotes a value that came out of a row (or an expression with one).
bool quotes_values(unsigned number) {
  constexpr std::array kNumbers{1062u, 1586u, 1859u, 1292u, 1300u, 1366u, 1367u, 1411u,
                                1441u, 1525u, 1526u, 1644u, 1690u, 3140u, 3141u, 1264u,
                                1265u, 1048u, 1064u, 1105u, 3156u, 1591u, 3854u};
  return std::find(kNumbers.begin(), kNumbers.end(), number) != kNumbers.end();
}

bool ends_with_word(std::string_view text, std::string_view word) {
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  if (!text.ends_with(word)) return false;
  return text.size() == word.size() || text[text.size() - word.size() - 1] == ' ';
}

// 'x' behind "for key" or "column" is a name of the schema and stays.
bool names_schema(std::string_view before) {
  for (const std::string_view word : {"key", "column", "table", "constraint", "index", "Column"}) {
    if (ends_with_word(before, word)) return true;
  }
  return false;
}

}  // namespace

std::string without_values(unsigned number, std::string_view message) {
  if (!quotes_values(number)) return std::string(message);
  // 1644 is a text that a trigger composed: it may hold anything.
  if (number == 1644) return "a trigger refused the row";
  if (number == 1526) return "Table has no partition for the value";
  // The value ends where the message's own words go on; a quote within the value must not end it,
  // so the LAST place where these words stand counts.
  constexpr std::array<std::string_view, 4> kTails{"' for key ", "' for column ", "' for function ",
                                                   "' at line "};
  const std::size_t open = message.find('\'');
  if (number == 1690) {
    const std::size_t in = message.find(" in '");
    return std::string(message.substr(0, in)) + (in == std::string_view::npos ? "" : " in '***'");
  }
  if (open == std::string_view::npos) return std::string(message);
  if (names_schema(message.substr(0, open))) return std::string(message);
  std::size_t close = std::string_view::npos;
  for (const std::string_view tail : kTails) {
    const std::size_t at = message.rfind(tail);
    if (at != std::string_view::npos && at > open)
      close = close == std::string_view::npos ? at : std::max(close, at);
  }
  std::string out(message.substr(0, open));
  out += "'***'";
  if (close != std::string_view::npos) out += message.substr(close + 1);
  return out;
}

Error classify(unsigned number, std::string_view sqlstate, std::string_view message,
               std::string_view doing) {
  const Rule* rule = find_rule(number);
  ErrorKind kind = rule != nullptr ? rule->kind : ErrorKind::permanent;
  ErrorScope scope = rule != nullptr ? rule->scope : kStatement;
  std::string_view remedy = rule != nullptr ? rule->remedy : std::string_view();
  if (rule == nullptr) {
    if (number >= 2000 && number < 3000) {
      // A client error that is not known: the protocol's state is not known either.
      kind = ErrorKind::transient;
      scope = kSession;
      remedy = kRetry;
    } else if (sqlstate.starts_with("40")) {
      kind = ErrorKind::transient;
      scope = kTransaction;
    } else if (sqlstate.starts_with("22") || sqlstate.starts_with("23") ||
               sqlstate.starts_with("45")) {
      kind = ErrorKind::data;
    } else if (sqlstate.starts_with("08")) {
      kind = ErrorKind::transient;
      scope = kSession;
    }
  }
  std::string text;
  if (!doing.empty()) text.append(doing).append(": ");
  // Class 45 is for users: a trigger's or procedure's own words, which may hold anything.
  text += without_values(sqlstate.starts_with("45") ? 1644 : number, message);
  Error error(kind, text);
  error.scope(scope).remedy(std::string(remedy)).duplicate_key(is_duplicate(number));
  error.code(std::string(sqlstate) + "/" + std::to_string(number));
  return error;
}

Error classify_commit(unsigned number, std::string_view sqlstate, std::string_view message) {
  const bool lost = (number >= 2000 && number < 3000) || number == 1053 || number == 1927 ||
                    number == kErrorInterrupted || number == 1969 || number == 3024 ||
                    number == 5014 || number == 1180 || (number >= 1152 && number <= 1161);
  if (!lost) return classify(number, sqlstate, message, "commit");
  return Error(ErrorKind::in_doubt, "commit: " + without_values(number, message))
      .scope(ErrorScope::session)
      .code(std::string(sqlstate) + "/" + std::to_string(number))
      .remedy("the transaction may or may not be committed: ask the target what it holds");
}

}  // namespace migrator::mysql
