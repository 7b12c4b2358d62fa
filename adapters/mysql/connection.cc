#include "adapters/mysql/connection.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/mysql/errors.h"

namespace migrator::mysql {
namespace {

constexpr std::array<std::string_view, 10> kParameters{
    "socket",  "ssl-mode",   "ssl-ca",        "ssl-capath",     "ssl-cert",
    "ssl-key", "ssl-cipher", "defaults-file", "defaults-group", "load"};

// Levenshtein's distance, to name the parameter that was meant.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

std::string_view nearest_parameter(std::string_view name) {
  return *std::min_element(kParameters.begin(), kParameters.end(),
                           [&](auto a, auto b) { return distance(a, name) < distance(b, name); });
}

TlsMode tls_mode(const std::string& text) {
  std::string upper = text;
  std::transform(upper.begin(), upper.end(), upper.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  if (upper == "DISABLED") return TlsMode::disabled;
  if (upper == "PREFERRED") return TlsMode::preferred;
  if (upper == "REQUIRED") return TlsMode::required;
  if (upper == "VERIFY_CA") return TlsMode::verify_ca;
  if (upper == "VERIFY_IDENTITY") return TlsMode::verify_identity;
  throw Error(ErrorKind::usage, "the URL's ssl-mode is not one that is known")
      .remedy("use DISABLED, PREFERRED, REQUIRED, VERIFY_CA or VERIFY_IDENTITY");
}

LoadPath load_path(const std::string& text) {
  if (text == "auto") return LoadPath::automatic;
  if (text == "bulk") return LoadPath::bulk;
  if (text == "load-data") return LoadPath::load_data;
  if (text == "insert") return LoadPath::insert;
  throw Error(ErrorKind::usage, "the URL's load is not one that is known")
      .remedy("use load=bulk, load=load-data, load=insert, or leave it out");
}

const char* or_null(const std::string& text) { return text.empty() ? nullptr : text.c_str(); }

struct ThreadState {
  ThreadState() { mysql_thread_init(); }
  ~ThreadState() { mysql_thread_end(); }
  ThreadState(const ThreadState&) = delete;
  ThreadState& operator=(const ThreadState&) = delete;
};

bool wants_tls(TlsMode mode) { return mode != TlsMode::unset && mode != TlsMode::disabled; }
bool insists_on_tls(TlsMode mode) { return wants_tls(mode) && mode != TlsMode::preferred; }

void set_tls(MYSQL* handle, const ConnectionSettings& s) {
#ifdef MARIADB_PACKAGE_VERSION_ID
  const bool has_files = !s.tls_ca.empty() || !s.tls_capath.empty() || !s.tls_cert.empty() ||
                         !s.tls_key.empty() || !s.tls_cipher.empty();
  if (wants_tls(s.tls) || (has_files && s.tls == TlsMode::unset)) {
    mysql_ssl_set(handle, or_null(s.tls_key), or_null(s.tls_cert), or_null(s.tls_ca),
                  or_null(s.tls_capath), or_null(s.tls_cipher));
  }
  my_bool enforce = insists_on_tls(s.tls) ? 1 : 0;
  mysql_optionsv(handle, MYSQL_OPT_SSL_ENFORCE, &enforce);
  // This client verifies the certificate and the host's name together: VERIFY_CA is then the
  // stricter of the two.
  my_bool verify = s.tls == TlsMode::verify_ca || s.tls == TlsMode::verify_identity ? 1 : 0;
  mysql_optionsv(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &verify);
#else
  if (!s.tls_ca.empty()) mysql_options(handle, MYSQL_OPT_SSL_CA, s.tls_ca.c_str());
  if (!s.tls_capath.empty()) mysql_options(handle, MYSQL_OPT_SSL_CAPATH, s.tls_capath.c_str());
  if (!s.tls_cert.empty()) mysql_options(handle, MYSQL_OPT_SSL_CERT, s.tls_cert.c_str());
  if (!s.tls_key.empty()) mysql_options(handle, MYSQL_OPT_SSL_KEY, s.tls_key.c_str());
  if (!s.tls_cipher.empty()) mysql_options(handle, MYSQL_OPT_SSL_CIPHER, s.tls_cipher.c_str());
  if (s.tls != TlsMode::unset) {
    unsigned mode = SSL_MODE_DISABLED;
    if (s.tls == TlsMode::preferred) mode = SSL_MODE_PREFERRED;
    if (s.tls == TlsMode::required) mode = SSL_MODE_REQUIRED;
    if (s.tls == TlsMode::verify_ca) mode = SSL_MODE_VERIFY_CA;
    if (s.tls == TlsMode::verify_identity) mode = SSL_MODE_VERIFY_IDENTITY;
    mysql_options(handle, MYSQL_OPT_SSL_MODE, &mode);
  }
#endif
}

void set_options(MYSQL* handle, const ConnectionSettings& s) {
  if (!s.defaults_file.empty())
    mysql_options(handle, MYSQL_READ_DEFAULT_FILE, s.defaults_file.c_str());
  mysql_options(handle, MYSQL_READ_DEFAULT_GROUP, s.defaults_group.c_str());
  // Whole seconds, at least one: 0 would mean for ever.
  const auto seconds = std::max<std::int64_t>(1, (s.connect_timeout.count() + 999) / 1000);
  auto timeout = static_cast<unsigned>(seconds);
  mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &timeout);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4");
  unsigned infile = s.local_infile ? 1 : 0;
  mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &infile);
  // The client must not be the narrower side for big rows: the most that the protocol knows.
  unsigned long packet = 1UL << 30;
  mysql_options(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &packet);
  // A port or a host means TCP, also for localhost: a socket could lead to another server than the
  // port.
  if (s.socket.empty() && (s.port != 0 || (!s.host.empty() && s.host != "localhost"))) {
    unsigned protocol = MYSQL_PROTOCOL_TCP;
    mysql_options(handle, MYSQL_OPT_PROTOCOL, &protocol);
  }
  mysql_options4(handle, MYSQL_OPT_CONNECT_ATTR_ADD, "program_name", s.application_name.c_str());
  set_tls(handle, s);
}

}  // namespace

ConnectionSettings connection_settings(const Url& url, const SessionOptions& options) {
  ConnectionSettings s;
  s.host = url.host();
  s.user = url.user();
  s.database = url.database();
  s.port = url.port();
  if (!url.password().empty()) s.password = url.password();
  s.application_name = options.application_name;
  s.connect_timeout = options.connect_timeout;
  for (const auto& [name, value] : url.parameters()) {
    if (name == "socket")
      s.socket = value;
    else if (name == "ssl-mode")
      s.tls = tls_mode(value);
    else if (name == "ssl-ca")
      s.tls_ca = value;
    else if (name == "ssl-capath")
      s.tls_capath = value;
    else if (name == "ssl-cert")
      s.tls_cert = value;
    else if (name == "ssl-key")
      s.tls_key = value;
    else if (name == "ssl-cipher")
      s.tls_cipher = value;
    else if (name == "defaults-file")
      s.defaults_file = value;
    else if (name == "defaults-group")
      s.defaults_group = value;
    else if (name == "load")
      s.load = load_path(value);
    else
      throw Error(ErrorKind::usage, "the URL has an unknown parameter '" + name + "'")
          .remedy("did you mean '" + std::string(nearest_parameter(name)) + "'?");
  }
  if (s.database.empty()) {
    throw Error(ErrorKind::usage, "the URL names no database")
        .remedy("write it as mysql://user@host:3306/database");
  }
  return s;
}

void use_client_library_in_this_thread() {
  static std::once_flag once;
  std::call_once(once, [] { mysql_library_init(0, nullptr, nullptr); });
  static thread_local ThreadState state;
}

Handle open_connection(const ConnectionSettings& s) {
  use_client_library_in_this_thread();
  Handle handle(mysql_init(nullptr));
  if (!handle) throw Error(ErrorKind::transient, "out of memory for a connection");
  set_options(handle.get(), s);
  // nullptr, not "": the library then falls back on the option file and MYSQL_PWD.
  const char* password = s.password ? s.password->c_str() : nullptr;
  if (mysql_real_connect(handle.get(), or_null(s.host), or_null(s.user), password,
                         s.database.c_str(), static_cast<unsigned>(s.port), or_null(s.socket),
                         0) == nullptr) {
    throw_error(handle.get(), "connecting to " + (s.socket.empty() ? s.host : s.socket));
  }
  // An option file is read while connecting, and might ask for it: a session that was made anew
  // behind our back would have none of our settings.
  const char reconnect = 0;
  mysql_options(handle.get(), MYSQL_OPT_RECONNECT, &reconnect);
  if (insists_on_tls(s.tls) && mysql_get_ssl_cipher(handle.get()) == nullptr) {
    throw Error(ErrorKind::permanent, "the server does not offer TLS, and ssl-mode asks for it")
        .scope(ErrorScope::session)
        .remedy("enable TLS on the server, or use ssl-mode=PREFERRED");
  }
  // Again, because an option file may name another character set, and the library escapes by its
  // own idea.
  if (mysql_set_character_set(handle.get(), "utf8mb4") != 0)
    throw_error(handle.get(), "SET NAMES utf8mb4");
  return handle;
}

void throw_error(MYSQL* handle, std::string_view doing) {
  throw classify(mysql_errno(handle), mysql_sqlstate(handle), mysql_error(handle), doing);
}

void throw_error(MYSQL_STMT* statement, std::string_view doing) {
  throw classify(mysql_stmt_errno(statement), mysql_stmt_sqlstate(statement),
                 mysql_stmt_error(statement), doing);
}

}  // namespace migrator::mysql
