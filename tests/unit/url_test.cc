#include "adapters/url.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "migrator/include/migrator/error.h"

namespace migrator {
namespace {

// The error that the text is refused with; fails the test if it is taken.
Error refusal(const std::string& text) {
  try {
    Url::parse(text);
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "taken: " << text;
  return Error(ErrorKind::transient, "");
}

bool mentions(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

TEST(Url, ReadsThePartsOfAPostgresUrl) {
  const Url url = Url::parse(
      "postgresql://ann:s3cret@db.example.com:5433/shop?sslmode=require&connect_timeout=5");
  EXPECT_EQ(url.engine(), Engine::postgres);
  EXPECT_EQ(url.user(), "ann");
  EXPECT_EQ(url.password(), "s3cret");
  EXPECT_EQ(url.host(), "db.example.com");
  EXPECT_EQ(url.port(), 5433);
  EXPECT_EQ(url.database(), "shop");
  EXPECT_EQ(url.parameters(),
            (std::map<std::string, std::string>{{"sslmode", "require"}, {"connect_timeout", "5"}}));
}

TEST(Url, KnowsTheEngineByItsScheme) {
  EXPECT_EQ(Url::parse("postgres://h/d").engine(), Engine::postgres);
  EXPECT_EQ(Url::parse("postgresql://h/d").engine(), Engine::postgres);
  EXPECT_EQ(Url::parse("mysql://h/d").engine(), Engine::mysql);
  EXPECT_EQ(Url::parse("mariadb://h/d").engine(), Engine::mysql);
  EXPECT_EQ(Url::parse("sqlite:d.db").engine(), Engine::sqlite);
  EXPECT_EQ(name(Engine::postgres), "PostgreSQL");
  EXPECT_EQ(name(Engine::mysql), "MySQL");
  EXPECT_EQ(name(Engine::sqlite), "SQLite");
}

TEST(Url, LeavesOutWhatIsNotGiven) {
  const Url url = Url::parse("postgresql://");
  EXPECT_EQ(url.user() + url.password() + url.host() + url.database(), "");
  EXPECT_EQ(url.port(), 0);
  const Url socket = Url::parse("mysql:///shop?socket=/run/mysqld/mysqld.sock");
  EXPECT_EQ(socket.host(), "");
  EXPECT_EQ(socket.database(), "shop");
  EXPECT_EQ(socket.parameters().at("socket"), "/run/mysqld/mysqld.sock");
  EXPECT_EQ(Url::parse("mysql://h:/d").port(), 0);
}

TEST(Url, DecodesPercents) {
  const Url url = Url::parse("mysql://a%40b:p%3A%2F%3f%40%25@h/sch%C3%B6n?ssl-ca=%2Fa%20b&x=a%26b");
  EXPECT_EQ(url.user(), "a@b");
  EXPECT_EQ(url.password(), "p:/?@%");
  EXPECT_EQ(url.database(), "schön");
  EXPECT_EQ(url.parameters().at("ssl-ca"), "/a b");
  EXPECT_EQ(url.parameters().at("x"), "a&b");
  EXPECT_EQ(Url::parse("mysql://u:a+b@h/d").password(), "a+b") << "+ is no blank";
}

TEST(Url, TakesAColonWithinThePassword) {
  EXPECT_EQ(Url::parse("postgresql://u:a:b@h/d").password(), "a:b");
}

TEST(Url, ReadsIpv6AndSeveralHosts) {
  const Url six = Url::parse("postgresql://u@[2001:db8::1]:6000/d");
  EXPECT_EQ(six.host(), "2001:db8::1");
  EXPECT_EQ(six.port(), 6000);
  EXPECT_EQ(Url::parse("mysql://[::1]/d").host(), "::1");
  const Url many = Url::parse("postgresql://u@a:1,b:2,[::1]:3/d");
  EXPECT_EQ(many.host(), "a:1,b:2,[::1]:3");
  EXPECT_EQ(many.port(), 0);
}

TEST(Url, ReadsPathsOfSqlite) {
  EXPECT_EQ(Url::parse("sqlite:shop.db").path(), "shop.db");
  EXPECT_EQ(Url::parse("sqlite:../a/shop.db").path(), "../a/shop.db");
  EXPECT_EQ(Url::parse("sqlite:/var/shop.db").path(), "/var/shop.db");
  EXPECT_EQ(Url::parse("sqlite:///var/shop.db").path(), "/var/shop.db");
  EXPECT_EQ(Url::parse("sqlite:my%20shop%3F.db?mode=ro").path(), "my shop?.db");
  EXPECT_EQ(Url::parse("sqlite:x.db?mode=ro").parameters().at("mode"), "ro");
  EXPECT_EQ(Url::parse("sqlite:ann@home,10:30.db").path(), "ann@home,10:30.db");
  EXPECT_EQ(Url::parse("sqlite:ann@home.db").masked(), "sqlite:ann@home.db");
}

TEST(Url, MasksEverySecret) {
  const auto masked = [](const char* text) { return Url::parse(text).masked(); };
  EXPECT_EQ(masked("postgresql://ann:s3cret@h:1/d?sslmode=require"),
            "postgresql://ann:***@h:1/d?sslmode=require");
  EXPECT_EQ(masked("mysql://ann:p%40ss:w@h"), "mysql://ann:***@h");
  EXPECT_EQ(masked("postgresql://h/d?user=ann&password=s3cret&sslpassword=k3y&x=1"),
            "postgresql://h/d?user=ann&password=***&sslpassword=***&x=1");
  EXPECT_EQ(masked("postgresql://h/d?%70assword=s3cret"), "postgresql://h/d?%70assword=***");
  EXPECT_EQ(masked("mysql://h/d?PASSWORD=s3cret&ssl-passphrase=k3y"),
            "mysql://h/d?PASSWORD=***&ssl-passphrase=***");
  EXPECT_EQ(masked("postgresql://:s3cret@h/d"), "postgresql://:***@h/d");
}

TEST(Url, LeavesUrlsWithoutSecretsAsTheyAre) {
  for (const char* text :
       {"postgresql://", "postgresql://ann@h:1/d?sslmode=require", "postgresql:///d?host=/run/pg",
        "mysql://ann@[::1]:3306/d", "sqlite:a%20b.db?mode=ro", "sqlite:///a.db",
        "postgresql://a:1,b:2/d", "postgresql://h/d?passfile=/home/ann/.pgpass"}) {
    const Url url = Url::parse(text);
    EXPECT_FALSE(url.has_secret()) << text;
    EXPECT_EQ(url.text(), text);
    EXPECT_EQ(url.masked(), text);
    EXPECT_EQ(url.without_secrets(), text);
  }
}

TEST(Url, TakesEverySecretOut) {
  const auto plain = [](const char* text) {
    const Url url = Url::parse(text);
    EXPECT_TRUE(url.has_secret()) << text;
    EXPECT_EQ(url.text(), text);
    EXPECT_FALSE(Url::parse(url.without_secrets()).has_secret());
    return url.without_secrets();
  };
  EXPECT_EQ(plain("postgresql://ann:s3cret@h:1/d?sslmode=require"),
            "postgresql://ann@h:1/d?sslmode=require");
  EXPECT_EQ(plain("postgresql://h/d?password=s3cret"), "postgresql://h/d");
  EXPECT_EQ(plain("postgresql://h/d?password=s3cret&x=1"), "postgresql://h/d?x=1");
  EXPECT_EQ(plain("postgresql://h/d?x=1&sslpassword=k3y&y=2"), "postgresql://h/d?x=1&y=2");
}

TEST(Url, RefusesWithARemedy) {
  for (const char* text : {"",
                           "shop.db",
                           "/var/shop.db",
                           "localhost",
                           "ann:s3cret@h/d",
                           "oracle://h/d",
                           "PostgreSQL://h/d",
                           "mysql:h/d",
                           "sqlite",
                           "sqlite:",
                           "sqlite://",
                           "sqlite://h/d.db",
                           "sqlite:?mode=ro",
                           "host=h password=s3cret",
                           "postgresql://h:port/d",
                           "postgresql://h:0/d",
                           "postgresql://h:65536/d",
                           "postgresql://h:-1/d",
                           "postgresql://h:1:2/d",
                           "postgresql://[::1/d",
                           "postgresql://[::1]x/d",
                           "postgresql://a:1,b:x/d",
                           "mysql://a,b/d",
                           "mysql://h/d/e",
                           "postgresql://h/d?x",
                           "postgresql://h/d?=1",
                           "postgresql://h/d?x=1&x=2",
                           "postgresql://h/d?x=1&",
                           "postgresql://h/%zz",
                           "postgresql://h/d%",
                           "postgresql://h/d%4",
                           "mysql://h/a%00b",
                           "postgresql://h/d\n"}) {
    const Error error = refusal(text);
    EXPECT_EQ(error.kind(), ErrorKind::usage) << text;
    EXPECT_NE(error.remedy(), "") << text;
    EXPECT_FALSE(mentions(error.what(), "s3cret")) << text;
  }
}

TEST(Url, TellsWhatToWriteInstead) {
  EXPECT_TRUE(mentions(refusal("shop.db").remedy(), "sqlite:"));
  EXPECT_TRUE(mentions(refusal("oracle://h").remedy(), "postgresql://"));
  EXPECT_TRUE(mentions(refusal("mysql:h").what(), "mysql://"));
  EXPECT_TRUE(mentions(refusal("sqlite://h/d.db").remedy(), "sqlite:///"));
  EXPECT_TRUE(mentions(refusal("mysql://u:p@ss@h/d").remedy(), "%40"));
}

// A password with a special character that was not encoded moves the borders between the parts.
// Whatever is then wrong, no piece of the password may be in the error; and it is never taken for
// another part.
TEST(Url, ShowsNoPieceOfAPasswordThatBreaksTheUrl) {
  for (const char* special : {"/", "@", "?", "%", "@/", "/@", "?x=1&", "&", "#/", ":/", "%zz", "//",
                              "1/", "1?", "@1/", "@1?a=", "=?/"}) {
    for (const char* scheme : {"postgresql://", "postgres://", "mysql://", "mariadb://"}) {
      for (const char* user : {"ann", ""}) {
        for (const char* rest : {"@h:1/d", "@h/d?x=1", "@h", "@h:x/d", "@h/d?x=%zz"}) {
          const std::string text = std::string(scheme) + user + ":hunt" + special + "er42" + rest;
          try {
            const Url url = Url::parse(text);
            EXPECT_EQ(url.password(), "hunt" + std::string(special) + "er42") << text;
            EXPECT_FALSE(mentions(url.masked(), "hunt")) << text;
            EXPECT_FALSE(mentions(url.masked(), "er42")) << text;
          } catch (const Error& error) {
            const std::string said = std::string(error.what()) + error.remedy();
            EXPECT_FALSE(mentions(said, "hunt")) << text << "\n" << said;
            EXPECT_FALSE(mentions(said, "er42")) << text << "\n" << said;
          }
        }
      }
    }
  }
}

TEST(Url, TakesNoHalfOfANumericPasswordForAPort) {
  for (const char* text : {"postgresql://u:12/34@h/d", "postgresql://u:12?x=34@h/d",
                           "mysql://u:12/34@h:1/d", "postgresql://u:a@12/34@h/d"}) {
    EXPECT_EQ(refusal(text).kind(), ErrorKind::usage) << text;
  }
}

}  // namespace
}  // namespace migrator
