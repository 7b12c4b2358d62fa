#include "adapters/url.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <vector>

#include "migrator/include/migrator/error.h"

namespace migrator {
namespace {

constexpr std::string_view kForms =
    "write postgresql://user@host:port/database, mysql://user@host:port/database or "
    "sqlite:path/to/file.db";
constexpr std::string_view kEncode =
    "percent-encode special characters in user names, passwords and other parts: "
    "@ is %40, : is %3A, / is %2F, ? is %3F, & is %26, % is %25";

// What is wrong is said in words of ours alone: any piece of a URL that did not parse may be a
// piece of a password.
Error bad_url(const std::string& what, std::string_view remedy) {
  return Error(ErrorKind::usage, "the database URL " + what).remedy(std::string(remedy));
}

struct Scheme {
  std::string_view prefix;
  Engine engine;
};
constexpr Scheme kSchemes[] = {
    {"postgresql://", Engine::postgres}, {"postgres://", Engine::postgres},
    {"mysql://", Engine::mysql},         {"mariadb://", Engine::mysql},
    {"sqlite:", Engine::sqlite},
};

const Scheme* scheme_of(std::string_view text) {
  for (const Scheme& scheme : kSchemes) {
    if (text.starts_with(scheme.prefix)) return &scheme;
  }
  return nullptr;
}

// The pieces as they stand in the text, nothing decoded. Views into the text that was split.
struct Pieces {
  std::string_view prefix;                   // "mysql://"
  std::optional<std::string_view> user;      // absent without '@'
  std::optional<std::string_view> password;  // absent without ':'
  std::string_view hosts;
  std::optional<std::string_view> path;  // behind the '/', absent without one
  std::vector<std::string_view> parameters;
};

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const std::size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// Cuts the text as libpq does, which is given the same text: user and password end at the first '@'
// before the first '/'. What could be cut in two ways is refused by check_unambiguous().
Pieces split_url(std::string_view text, const Scheme& scheme) {
  Pieces pieces;
  pieces.prefix = scheme.prefix;
  std::string_view rest = text.substr(scheme.prefix.size());
  if (scheme.engine != Engine::sqlite) {
    const std::size_t at = rest.substr(0, rest.find('/')).find('@');
    if (at != std::string_view::npos) {
      const std::string_view login = rest.substr(0, at);
      const std::size_t colon = login.find(':');
      pieces.user = login.substr(0, colon);
      if (colon != std::string_view::npos) pieces.password = login.substr(colon + 1);
      rest.remove_prefix(at + 1);
    }
  }
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    const std::string_view query = rest.substr(question + 1);
    if (!query.empty()) pieces.parameters = split(query, '&');
    rest = rest.substr(0, question);
  }
  if (scheme.engine == Engine::sqlite) {
    pieces.path = rest;
    return pieces;
  }
  const std::size_t slash = rest.find('/');
  pieces.hosts = rest.substr(0, slash);
  if (slash != std::string_view::npos) pieces.path = rest.substr(slash + 1);
  return pieces;
}

// A raw special character in a password would move the borders between the pieces, and a part of
// the password would end up as a host, a database or a parameter: used, shown and stored as such.
void check_unambiguous(const Pieces& pieces) {
  const auto has = [](std::string_view piece, char c) {
    return piece.find(c) != std::string_view::npos;
  };
  bool stray_at = has(pieces.hosts, '@') || has(pieces.path.value_or(""), '@');
  for (const std::string_view parameter : pieces.parameters) stray_at |= has(parameter, '@');
  if (stray_at) throw bad_url("has an @ where none can be", kEncode);
  if (has(pieces.user.value_or(""), '?') || has(pieces.password.value_or(""), '?')) {
    throw bad_url("has a ? before the host", kEncode);
  }
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// part: what the error calls the piece, "the user name".
std::string decoded(std::string_view piece, std::string_view part) {
  std::string text;
  text.reserve(piece.size());
  for (std::size_t i = 0; i < piece.size(); ++i) {
    if (piece[i] != '%') {
      text += piece[i];
      continue;
    }
    const int high = i + 1 < piece.size() ? hex_value(piece[i + 1]) : -1;
    const int low = i + 2 < piece.size() ? hex_value(piece[i + 2]) : -1;
    if (high < 0 || low < 0) {
      throw bad_url(
          "has a % in " + std::string(part) + " that two hexadecimal digits do not follow",
          "write a % itself as %25");
    }
    text += static_cast<char>(high * 16 + low);
    i += 2;
  }
  if (text.find('\0') != std::string::npos) {
    throw bad_url("has a NUL byte in " + std::string(part), "take it out");
  }
  return text;
}

int parse_port(std::string_view text) {
  if (text.empty()) return 0;
  int port = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, port);
  if (result.ec != std::errc() || result.ptr != end || port < 1 || port > 65535) {
    // The port itself is not shown: with a raw / in the password, it is the password's first half.
    throw bad_url("has a port that is no number from 1 to 65535",
                  "correct the port; if the password has a / in it, write it as %2F");
  }
  return port;
}

struct HostAndPort {
  std::string host;
  int port = 0;
};

HostAndPort parse_host(std::string_view text) {
  HostAndPort parsed;
  std::string_view port;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) {
      throw bad_url("has a [ without a ] in the host", "write an IPv6 address as [::1]:port");
    }
    parsed.host = decoded(text.substr(1, close - 1), "the host");
    port = text.substr(close + 1);
    if (!port.empty() && port[0] != ':') {
      throw bad_url("has something else than :port behind the ] of the host",
                    "write an IPv6 address as [::1]:port");
    }
    if (!port.empty()) port.remove_prefix(1);
  } else {
    const std::size_t colon = text.find(':');
    parsed.host = decoded(text.substr(0, colon), "the host");
    if (colon != std::string_view::npos) port = text.substr(colon + 1);
    if (port.find(':') != std::string_view::npos) {
      throw bad_url("has two colons in the host", "write an IPv6 address as [::1]:port");
    }
  }
  parsed.port = parse_port(port);
  return parsed;
}

struct Parameter {
  std::string key, value;
};

Parameter parse_parameter(std::string_view text, std::size_t number) {
  const std::string label = "parameter " + std::to_string(number);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    throw bad_url("has in " + label + " no name=value",
                  "write parameters as ?name=value&name=value, and a & within a value as %26");
  }
  return {decoded(text.substr(0, equals), label), decoded(text.substr(equals + 1), label)};
}

// Names under which drivers take secrets, without regard to case, - and _.
bool is_secret_name(std::string_view name) {
  constexpr std::string_view kSecrets[] = {
      "password",       "passwd",        "pwd",           "pass",
      "sslpassword",    "passphrase",    "sslpassphrase", "oauthclientsecret",
      "scramclientkey", "scramserverkey"};
  std::string plain;
  for (const char c : name) {
    if (c == '-' || c == '_') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  }
  return std::find(std::begin(kSecrets), std::end(kSecrets), plain) != std::end(kSecrets);
}

// Whether a raw "name=value" of a URL that has been parsed holds a secret.
bool is_secret_parameter(std::string_view parameter) {
  const std::size_t equals = parameter.find('=');
  return equals + 1 < parameter.size() &&
         is_secret_name(decoded(parameter.substr(0, equals), "a parameter"));
}

bool is_secret_login(const Pieces& pieces) { return pieces.password && !pieces.password->empty(); }

enum class Secrets { masked, omitted };

std::string joined(const Pieces& pieces, Secrets secrets) {
  const bool masked = secrets == Secrets::masked;
  std::string text(pieces.prefix);
  if (pieces.user) {
    text += *pieces.user;
    if (is_secret_login(pieces) && masked) text += ":***";
    text += '@';
  }
  text += pieces.hosts;
  if (pieces.path) {
    if (pieces.prefix.ends_with("//")) text += '/';
    text += *pieces.path;
  }
  char separator = '?';
  for (const std::string_view parameter : pieces.parameters) {
    const bool secret = is_secret_parameter(parameter);
    if (secret && !masked) continue;
    text += separator;
    separator = '&';
    if (secret) {
      text += parameter.substr(0, parameter.find('='));
      text += "=***";
    } else {
      text += parameter;
    }
  }
  return text;
}

[[noreturn]] void refuse_scheme(std::string_view text) {
  if (text.empty()) throw bad_url("is empty", kForms);
  const std::size_t colon = text.find(':');
  std::string lower(text.substr(0, colon));
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
  for (const Scheme& scheme : kSchemes) {
    const std::string_view word = scheme.prefix.substr(0, scheme.prefix.find(':'));
    if (colon == std::string_view::npos || lower != word) continue;
    throw bad_url("does not begin with " + std::string(scheme.prefix), kForms);
  }
  if (text.starts_with('/') || text.starts_with('.') || text.ends_with(".db") ||
      text.ends_with(".sqlite") || text.ends_with(".sqlite3")) {
    throw bad_url("looks like the path of a file", "write sqlite: before the path");
  }
  throw bad_url("does not begin with the name of an engine that is known", kForms);
}

}  // namespace

std::string_view name(Engine engine) {
  switch (engine) {
    case Engine::postgres:
      return "PostgreSQL";
    case Engine::mysql:
      return "MySQL";
    case Engine::sqlite:
      return "SQLite";
  }
  return "unknown";
}

Url Url::parse(std::string_view text) {
  const Scheme* scheme = scheme_of(text);
  if (scheme == nullptr) refuse_scheme(text);
  if (std::any_of(text.begin(), text.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; })) {
    throw bad_url("has a control character in it", "take out line ends and the like");
  }
  const Pieces pieces = split_url(text, *scheme);
  if (scheme->engine != Engine::sqlite) check_unambiguous(pieces);

  Url url;
  url.engine_ = scheme->engine;
  url.text_ = text;
  url.user_ = decoded(pieces.user.value_or(""), "the user name");
  url.password_ = decoded(pieces.password.value_or(""), "the password");
  url.database_ = decoded(pieces.path.value_or(""),
                          url.engine_ == Engine::sqlite ? "the path" : "the database's name");
  std::size_t number = 0;
  for (const std::string_view raw : pieces.parameters) {
    Parameter parameter = parse_parameter(raw, ++number);
    if (!url.parameters_.emplace(std::move(parameter.key), std::move(parameter.value)).second) {
      throw bad_url("has in parameter " + std::to_string(number) + " the name of an earlier one",
                    "keep one of the two");
    }
  }
  switch (url.engine_) {
    case Engine::sqlite:
      if (url.database_.starts_with("//")) {
        if (!url.database_.starts_with("///")) {
          throw bad_url(
              "names a host, which SQLite has not",
              "write sqlite:path for a relative path, sqlite:///path for an absolute one");
        }
        url.database_.erase(0, 2);
      }
      if (url.database_.empty()) throw bad_url("names no file", "write sqlite:path/to/file.db");
      break;
    case Engine::postgres: {
      if (pieces.hosts.find(',') == std::string_view::npos) {
        HostAndPort parsed = parse_host(pieces.hosts);
        url.host_ = std::move(parsed.host);
        url.port_ = parsed.port;
        break;
      }
      for (const std::string_view each : split(pieces.hosts, ',')) parse_host(each);
      url.host_ = decoded(pieces.hosts, "the host");
      break;
    }
    case Engine::mysql: {
      if (pieces.hosts.find(',') != std::string_view::npos) {
        throw bad_url("names several hosts", "name the one server to use");
      }
      HostAndPort parsed = parse_host(pieces.hosts);
      url.host_ = std::move(parsed.host);
      url.port_ = parsed.port;
      if (url.database_.find('/') != std::string::npos &&
          pieces.path->find('/') != std::string_view::npos) {
        throw bad_url("has a second / behind the host", kEncode);
      }
      break;
    }
  }
  return url;
}

std::string Url::masked() const {
  const Scheme* scheme = scheme_of(text_);
  return scheme == nullptr ? "" : joined(split_url(text_, *scheme), Secrets::masked);
}

std::string Url::without_secrets() const {
  const Scheme* scheme = scheme_of(text_);
  return scheme == nullptr ? "" : joined(split_url(text_, *scheme), Secrets::omitted);
}

bool Url::has_secret() const {
  const Scheme* scheme = scheme_of(text_);
  if (scheme == nullptr) return false;
  const Pieces pieces = split_url(text_, *scheme);
  return is_secret_login(pieces) ||
         std::any_of(pieces.parameters.begin(), pieces.parameters.end(), is_secret_parameter);
}

}  // namespace migrator
