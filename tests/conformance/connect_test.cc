// Opening sessions, and what is said when that fails.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/conformance/conformance.h"

namespace migrator::test {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class Connect : public Conformance {
 protected:
  // The database's URL with one part replaced; only for engines with a server.
  Url changed(const std::string& what, const std::string& by) const {
    std::string text = db.url_text();
    const std::size_t at = text.find(what);
    if (at == std::string::npos) throw std::logic_error("nothing to replace");
    return Url::parse(text.replace(at, what.size(), by));
  }
  std::string password() const { return db.url().password(); }

  void expect_refused(const Url& url, ErrorKind kind) const {
    for (const bool as_target : {false, true}) {
      const auto error = expect_error(kind, [&] {
        if (as_target) {
          adapter().open_target(url, options);
        } else {
          adapter().open_source(url, options);
        }
      });
      ASSERT_TRUE(error);
      EXPECT_NE(error->remedy(), "") << error->what();
      if (!url.password().empty()) {
        EXPECT_THAT(all_text(*error), Not(HasSubstr(url.password())));
      }
    }
  }
};

TEST_P(Connect, SaysWhatServerItIs) {
  const auto source = open_source();
  const ServerInfo& info = source->session().server();
  EXPECT_THAT(info.product, StartsWith(quirks.product));
  EXPECT_GT(info.version, 10000);
  EXPECT_FALSE(info.read_only);
  if (quirks.has_server) {
    EXPECT_EQ(info.database, db.name());
  } else {
    EXPECT_THAT(info.database, testing::EndsWith("test.db"));
  }
  EXPECT_EQ(source->session().dialect().engine(), quirks.engine);
}

TEST_P(Connect, MakesItsOwnSettings) {
  const auto source = open_source();
  const auto target = open_target();
  for (Session* session : {&source->session(), &target->session()}) {
    for (const auto& [query, expected] : quirks.session_settings) {
      const Result result = session->query(query);
      ASSERT_EQ(result.rows.size(), 1u) << query;
      const Value& value = result.rows[0][0];
      const std::string text = std::holds_alternative<std::string>(value)
                                   ? std::get<std::string>(value)
                                   : std::to_string(as_integer(value));
      EXPECT_EQ(text, expected) << query;
    }
  }
}

class NetworkConnect : public Connect {};

TEST_P(NetworkConnect, WrongPasswordIsPermanentAndKeptSecret) {
  expect_refused(changed(password(), "wrongpassword7f3a"), ErrorKind::permanent);
}

TEST_P(NetworkConnect, UnknownUserIsPermanent) {
  expect_refused(changed("//migrator:", "//nobody_here:"), ErrorKind::permanent);
}

TEST_P(NetworkConnect, UnreachablePortIsTransient) {
  expect_refused(
      changed(":" + std::to_string(db.url().port()) + "/", ":" + std::to_string(free_port()) + "/"),
      ErrorKind::transient);
}

TEST_P(Connect, MissingDatabaseIsPermanent) {
  if (quirks.has_server) {
    expect_refused(changed("/" + db.name(), "/no_such_database"), ErrorKind::permanent);
  } else {
    expect_refused(Url::parse("sqlite:/no/such/folder/file.db"), ErrorKind::permanent);
  }
}

class FileConnect : public Connect {};

TEST_P(FileConnect, MissingSourceFileIsPermanentAndIsNotMade) {
  const std::string path = db.name() + ".missing";
  const auto error = expect_error(
      ErrorKind::permanent, [&] { adapter().open_source(Url::parse("sqlite:" + path), options); });
  ASSERT_TRUE(error);
  EXPECT_NE(error->remedy(), "");
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_P(FileConnect, FileThatIsNoDatabaseIsPermanent) {
  const std::string path = db.name() + ".text";
  std::ofstream(path) << std::string(8192, 'x');
  expect_refused(Url::parse("sqlite:" + path), ErrorKind::permanent);
}

// A listener that accepts in its backlog and never says a word.
class SilentServer {
 public:
  SilentServer() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (::bind(socket_, generic, size) != 0 || ::listen(socket_, 8) != 0 ||
        ::getsockname(socket_, generic, &size) != 0) {
      throw std::runtime_error("cannot listen");
    }
    port_ = ntohs(address.sin_port);
  }
  SilentServer(const SilentServer&) = delete;
  SilentServer& operator=(const SilentServer&) = delete;
  ~SilentServer() { ::close(socket_); }
  int port() const { return port_; }

 private:
  int socket_, port_ = 0;
};

TEST_P(NetworkConnect, SilentServerIsGivenUpAfterTheTimeout) {
  const SilentServer silent;
  options.connect_timeout = 2000ms;
  const Url url = changed(":" + std::to_string(db.url().port()) + "/",
                          ":" + std::to_string(silent.port()) + "/");
  const Stopwatch watch;
  const auto error =
      expect_error(ErrorKind::transient, [&] { adapter().open_source(url, options); });
  EXPECT_LT(watch.elapsed(), 6000ms);
  ASSERT_TRUE(error);
  EXPECT_THAT(all_text(*error), Not(HasSubstr(password())));
}

TEST_P(NetworkConnect, AcceptsPasswordsOfAnyCharacters) {
  const std::string user = "u_" + random_hex(8), odd = "pä:@/?#%& '\"\\x";
  const std::string encoded = "p%C3%A4%3A%40%2F%3F%23%25%26%20%27%22%5Cx";
  if (quirks.engine == Engine::postgres) {
    db.exec("CREATE ROLE " + user + " LOGIN PASSWORD " + quirks.text_literal(odd) + ";");
  } else {
    db.exec("GRANT ALL ON *.* TO '" + user + "'@'127.0.0.1' IDENTIFIED BY " +
            quirks.text_literal(odd) + ";");
  }
  const Url url = changed("//migrator:" + password(), "//" + user + ":" + encoded);
  EXPECT_EQ(as_integer(adapter().open_source(url, options)->session().query("SELECT 1").rows[0][0]),
            1);
  const std::string drop = quirks.engine == Engine::postgres
                               ? "DROP ROLE " + user + ";"
                               : "DROP USER '" + user + "'@'127.0.0.1';";
  db.exec(drop);
}

TEST_P(Connect, SeesThatADatabaseIsReadOnly) {
  std::string url = db.url_text();
  std::string undo;
  if (quirks.engine == Engine::postgres) {
    db.exec("ALTER DATABASE " + db.name() + " SET default_transaction_read_only = on;");
  } else if (quirks.engine == Engine::mysql) {
    // The tests' own account may write all the same; others may not.
    const std::string user = "u_" + random_hex(8);
    db.exec("GRANT SELECT, INSERT ON " + db.name() + ".* TO '" + user +
            "'@'127.0.0.1' IDENTIFIED BY 'readonly'; SET GLOBAL read_only = 1;");
    undo = "SET GLOBAL read_only = 0; DROP USER '" + user + "'@'127.0.0.1';";
    url = changed("//migrator:" + password(), "//" + user + ":readonly").text();
  } else {
    url += "?mode=ro";
  }
  bool read_only = false;
  const auto problem = [&]() -> std::optional<std::string> {
    try {
      read_only = adapter().open_source(Url::parse(url), options)->session().server().read_only;
      return std::nullopt;
    } catch (const std::exception& error) {
      return error.what();
    }
  }();
  if (!undo.empty()) db.exec(undo);
  EXPECT_EQ(problem, std::nullopt);
  EXPECT_TRUE(read_only);
}

MIGRATOR_CONFORMANCE_SUITE(Connect);
MIGRATOR_CONFORMANCE_SUITE_WHERE(FileConnect,
                                 [](const Quirks& quirks) { return !quirks.has_server; });
MIGRATOR_CONFORMANCE_SUITE_WHERE(NetworkConnect,
                                 [](const Quirks& quirks) { return quirks.has_server; });

}  // namespace
}  // namespace migrator::test
