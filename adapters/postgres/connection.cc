#include "adapters/postgres/connection.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <optional>
#include <vector>

#include <poll.h>

#include "adapters/codec.h"

namespace migrator::postgres {
namespace {

using std::chrono::milliseconds;

// The oldest server whose catalog has all that is asked of it (pg_attribute.attgenerated).
constexpr int kServerVersionMin = 120000;
// How long a server may take to react to a cancel request before its connection is given up (the
// promise of Canceller is a second), and how often it is asked again, as a request that comes
// before the server has begun the statement is ignored.
constexpr milliseconds kCancelMax{900};
constexpr milliseconds kCancelAgain{200};
// What the server's own statement timeout may be late by, before the network is held to be stalled.
constexpr milliseconds kTimeoutGrace{5'000};
// Under TLS bytes may wait inside the TLS library, where poll() does not see them.
constexpr milliseconds kTlsPoll{50};
// No wait is longer in one piece, so that its length fits poll()'s int whatever the timeouts are.
constexpr milliseconds kPollMax{3'600'000};
// How long the rest of an abandoned COPY is read, to keep the connection.
constexpr milliseconds kAbandonMax{2'000};

std::string field(const PGresult& result, int code) {
  const char* text = PQresultErrorField(&result, code);
  return text ? text : "";
}

bool is_failure(const PGresult& result) {
  const ExecStatusType status = PQresultStatus(&result);
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE;
}

// Notices would go to stderr; what they say (an index that exists, a truncated name) is known to
// the caller or a fault of the statement that the tests find.
void ignore_notice(void*, const PGresult*) {}

// What the URL says, and behind it what a session wants unless the URL says otherwise.
std::map<std::string, std::string> connection_parameters(const Url& url,
                                                         const SessionOptions& options) {
  char* error = nullptr;
  PQconninfoOption* parsed = PQconninfoParse(url.text().c_str(), &error);
  const LibpqMemory error_owner(error);
  if (!parsed) {
    // libpq's text may quote the URL, and with it the password.
    std::string reason = "libpq cannot read it";
    if (!url.has_secret() && error) reason = error;
    while (!reason.empty() && reason.back() == '\n') reason.pop_back();
    throw Error(ErrorKind::usage, "bad URL " + url.masked() + ": " + reason)
        .remedy("write it as postgresql://user@host:5432/database?sslmode=...");
  }
  const std::unique_ptr<PQconninfoOption, void (*)(PQconninfoOption*)> owner(parsed,
                                                                             PQconninfoFree);
  std::map<std::string, std::string> parameters;
  for (const PQconninfoOption* option = parsed; option->keyword; ++option) {
    if (option->val) parameters[option->keyword] = option->val;
  }
  const auto seconds = std::max<std::int64_t>((options.connect_timeout.count() + 999) / 1000, 1);
  parameters.try_emplace("connect_timeout", std::to_string(seconds));
  // A peer that is gone without a word is noticed within a minute.
  parameters.try_emplace("keepalives", "1");
  parameters.try_emplace("keepalives_idle", "30");
  parameters.try_emplace("keepalives_interval", "10");
  parameters.try_emplace("keepalives_count", "3");
  parameters.try_emplace("tcp_user_timeout", "60000");
  parameters["application_name"] = options.application_name;
  parameters["client_encoding"] = "UTF8";
  return parameters;
}

}  // namespace

Diagnostic diagnostic_of(const PGresult& result) {
  Diagnostic d;
  d.sqlstate = field(result, PG_DIAG_SQLSTATE);
  d.severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
  d.message = field(result, PG_DIAG_MESSAGE_PRIMARY);
  d.schema = field(result, PG_DIAG_SCHEMA_NAME);
  d.table = field(result, PG_DIAG_TABLE_NAME);
  d.column = field(result, PG_DIAG_COLUMN_NAME);
  d.constraint = field(result, PG_DIAG_CONSTRAINT_NAME);
  return d;
}

Parameter parameter_of(const Value& value) {
  Parameter out;
  if (is_null(value)) {
    out.null = true;
  } else if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    out.data = std::to_string(*integer);
  } else if (const auto* natural = std::get_if<std::uint64_t>(&value)) {
    out.data = std::to_string(*natural);
  } else if (const auto* real = std::get_if<double>(&value)) {
    print_double(out.data, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    if (text->find('\0') != std::string::npos) {
      throw Error(ErrorKind::data, "a text with a NUL byte has no form in PostgreSQL")
          .code("22021")
          .remedy("remove the NUL byte at the source, or map the column to bytea");
    }
    out.data = *text;
  } else {
    out.data = std::get<Bytes>(value).data;
    out.binary = true;
  }
  return out;
}

Connection::Connection(const Url& url, const SessionOptions& options)
    : statement_timeout_(options.statement_timeout),
      lock_timeout_(options.lock_timeout),
      application_(options.application) {
  connect(url, options);
  cancel_ = std::make_shared<CancelState>(connection_.get());
  PQsetNoticeReceiver(connection_.get(), ignore_notice, nullptr);
  if (PQsetnonblocking(connection_.get(), 1) != 0) lose_connection();
  if (server_version() < kServerVersionMin) {
    throw Error(ErrorKind::permanent,
                "the server at " + url.masked() + " is PostgreSQL " + parameter("server_version"))
        .scope(ErrorScope::session)
        .remedy("PostgreSQL 12 or newer is needed");
  }
  configure();
}

Connection::~Connection() {
  // The canceller may outlive this: it must not reach for a backend that is gone.
  if (cancel_) cancel_->close();
}

void Connection::connect(const Url& url, const SessionOptions& options) {
  const std::map<std::string, std::string> parameters = connection_parameters(url, options);
  std::vector<const char*> keywords, values;
  for (const auto& [keyword, value] : parameters) {
    keywords.push_back(keyword.c_str());
    values.push_back(value.c_str());
  }
  keywords.push_back(nullptr);
  values.push_back(nullptr);
  // libpq applies its timeout for each of several hosts only in the call that waits itself.
  if (url.host().find(',') != std::string::npos) {
    connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 0));
  } else {
    connection_.reset(PQconnectStartParams(keywords.data(), values.data(), 0));
    if (!connection_) throw std::bad_alloc();
    // So that a refusal carries its SQLSTATE, which libpq tells in no other way.
    PQsetErrorVerbosity(connection_.get(), PQERRORS_VERBOSE);
    const std::string& given = parameters.at("connect_timeout");
    std::int64_t seconds = 0;
    std::from_chars(given.data(), given.data() + given.size(), seconds);
    std::optional<Clock::time_point> deadline;
    if (seconds > 0) deadline = Clock::now() + std::chrono::seconds(seconds);
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;
    while (PQstatus(connection_.get()) != CONNECTION_BAD && state != PGRES_POLLING_OK &&
           state != PGRES_POLLING_FAILED) {
      pollfd waited{PQsocket(connection_.get()),
                    static_cast<short>(state == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
      int left = -1;
      if (deadline) {
        const auto span = std::chrono::duration_cast<milliseconds>(*deadline - Clock::now());
        left = static_cast<int>(std::max<std::int64_t>(span.count(), 0));
      }
      const int ready = poll(&waited, 1, left);
      if (ready < 0 && errno == EINTR) continue;
      if (ready == 0) throw connection_failed("timeout expired", url.masked());
      state = PQconnectPoll(connection_.get());
    }
    PQsetErrorVerbosity(connection_.get(), PQERRORS_DEFAULT);
  }
  if (!connection_) throw std::bad_alloc();
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    throw connection_failed(PQerrorMessage(connection_.get()), url.masked());
  }
}

// Settings by SET, not by the `options` of the connection, which belong to the user's URL.
void Connection::configure() {
  std::string sql =
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET IntervalStyle = 'iso_8601';"
      "SET extra_float_digits = 1;"  // from 12 on: the shortest text that reads back the same
      "SET bytea_output = 'hex'; SET standard_conforming_strings = on; SET xmloption = content;"
      "SET lc_monetary = 'C';"  // money is printed and read in the locale's form
      "SET idle_in_transaction_session_timeout = 0; SET client_min_messages = warning;"
      "SET default_transaction_isolation = 'read committed';"
      // Chunk after chunk of like size: compiling a plan or starting workers costs more than it
      // gives, and the load on the server is to be what the number of jobs says.
      "SET jit = off; SET max_parallel_workers_per_gather = 0;"
      "SET synchronize_seqscans = off;";
  // A policy would hide rows without a word; with this off, the server refuses instead.
  if (!application_) sql += "SET row_security = off;";
  sql += "SET statement_timeout = " + std::to_string(statement_timeout_.count()) + ";";
  sql += "SET lock_timeout = " + std::to_string(lock_timeout_.count()) + ";";
  if (server_version() >= 140000) sql += "SET idle_session_timeout = 0;";
  if (server_version() >= 170000) sql += "SET transaction_timeout = 0;";
  run(sql);
}

std::string Connection::parameter(const char* name) const {
  const char* value = PQparameterStatus(connection_.get(), name);
  return value ? value : "";
}

bool Connection::in_transaction() const {
  if (lost_) return false;
  const PGTransactionStatusType status = PQtransactionStatus(connection_.get());
  if (status == PQTRANS_ACTIVE) return began_in_transaction_;
  return status == PQTRANS_INTRANS || status == PQTRANS_INERROR;
}

std::string Connection::literal(std::string_view text) const {
  if (text.find('\0') != std::string_view::npos) {
    throw Error(ErrorKind::data, "a text with a NUL byte has no form in PostgreSQL").code("22021");
  }
  const LibpqMemory escaped(PQescapeLiteral(connection_.get(), text.data(), text.size()));
  if (!escaped) {
    throw Error(ErrorKind::data, "a text that is not UTF-8 has no form in PostgreSQL")
        .code("22021");
  }
  return escaped.get();
}

// --- what happens to a statement

void Connection::begin_statement() {
  if (copy_ != Copy::none) {
    throw Error(ErrorKind::invariant, "a COPY is open on this session: nothing else can be run");
  }
  if (!sent_.empty() || sent_failed_ > 0) {
    throw Error(ErrorKind::invariant, "the results of what was sent ahead have to come first");
  }
  if (lost_ || PQstatus(connection_.get()) != CONNECTION_OK) {
    lost_ = true;
    throw connection_lost("it was lost before");
  }
  if (!cancel_->begin()) lose(connection_lost("a cancel request got no answer"));
  began_in_transaction_ = in_transaction();
  cancelling_ = false;
  statement_began_ = Clock::now();
}

void Connection::end_statement() {
  cancel_->end();
  copy_ = Copy::none;
}

void Connection::lose(Error error) {
  lost_ = true;
  end_statement();
  throw error;
}

void Connection::lose_connection() {
  const std::string reason = PQerrorMessage(connection_.get());
  lost_ = true;
  if (cancel_) end_statement();
  throw connection_lost(reason);
}

// Throws the error of a result, once the statement has been ended.
void Connection::fail(const PGresult& result) {
  const Error error = error_of(result, began_in_transaction_);
  end_statement();
  throw error;
}

Error Connection::error_of(const PGresult& result, bool in_transaction) {
  const Diagnostic diagnostic = diagnostic_of(result);
  const bool asked = cancel_->requested();
  const auto took = Clock::now() - statement_began_;
  // A result without a SQLSTATE is libpq's own: the connection broke.
  if (diagnostic.sqlstate.empty() && PQstatus(connection_.get()) != CONNECTION_OK) {
    lost_ = true;
    return connection_lost(PQresultErrorMessage(&result));
  }
  if (diagnostic.sqlstate == "57014" && !asked && statement_timeout_.count() > 0 &&
      took >= statement_timeout_) {
    return statement_timed_out(in_transaction);  // whatever language the server speaks
  }
  Error error = classify(diagnostic, in_transaction);
  if (error.scope() == ErrorScope::session || PQstatus(connection_.get()) != CONNECTION_OK) {
    lost_ = true;
    error.scope(ErrorScope::session);
  }
  return error;
}

// Until the socket is ready for one of the events, or somebody cancels, or the deadline has passed.
void Connection::wait(short events) {
  while (true) {
    const auto now = Clock::now();
    if (cancel_->abandoned()) {
      lose(Error(ErrorKind::cancelled, "the connection was abandoned")
               .code("57014")
               .scope(ErrorScope::session));
    }
    if (cancelling_ && now - cancel_seen_ >= kCancelMax) {
      lose(Error(ErrorKind::cancelled, "cancelled; the server did not react and was left")
               .code("57014")
               .scope(ErrorScope::session));
    }
    if (cancelling_ && now - cancel_sent_ >= kCancelAgain) {
      cancel_->send();
      cancel_sent_ = now;
    }
    milliseconds left = kPollMax;
    const auto no_later_than = [&](milliseconds span) { left = std::min(left, span); };
    if (statement_timeout_.count() > 0) {
      const auto deadline = statement_began_ + statement_timeout_ + kTimeoutGrace;
      if (now >= deadline) lose(connection_lost("no answer, and the statement timeout has passed"));
      no_later_than(std::chrono::ceil<milliseconds>(deadline - now));
    }
    if (cancelling_) no_later_than(kCancelAgain / 2);
    const bool tls = PQsslInUse(connection_.get()) != 0;
    if (tls) no_later_than(kTlsPoll);
    pollfd waited[2] = {{PQsocket(connection_.get()), events, 0}, {cancel_->wake_fd(), POLLIN, 0}};
    if (waited[0].fd < 0) lose_connection();
    const int ready = poll(waited, 2, static_cast<int>(left.count()));
    if (ready < 0 && errno != EINTR) lose(connection_lost("poll() failed"));
    if (ready > 0 && waited[1].revents != 0) {
      cancel_->drain_wake();
      cancelling_ = true;
      cancel_seen_ = cancel_sent_ = Clock::now();
    }
    if (ready > 0 && waited[0].revents != 0) return;
    if (tls && ready == 0) return;
  }
}

void Connection::consume() {
  if (PQconsumeInput(connection_.get()) == 0) lose_connection();
}

void Connection::flush() {
  while (true) {
    const int left = PQflush(connection_.get());
    if (left == 0) return;
    if (left < 0) {
      // The server may have said why before it closed: the results tell.
      if (PQstatus(connection_.get()) != CONNECTION_OK) return;
      lose_connection();
    }
    // The server may be sending too, and would not read on while nobody takes it.
    wait(POLLIN | POLLOUT);
    consume();
  }
}

ResultPtr Connection::next_result() {
  while (PQisBusy(connection_.get()) != 0) {
    wait(POLLIN);
    // A closed connection is not an error here: what the server said last comes as the result.
    if (PQconsumeInput(connection_.get()) == 0 && PQisBusy(connection_.get()) != 0) {
      lose_connection();
    }
  }
  return ResultPtr(PQgetResult(connection_.get()));
}

// The last result, or the first failure, thrown. A COPY that this began is returned at once.
ResultPtr Connection::finish_results() {
  ResultPtr last, failure;
  while (ResultPtr result = next_result()) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      return result;
    }
    if (is_failure(*result)) {
      if (!failure) failure = std::move(result);
    } else {
      last = std::move(result);
    }
    if (PQstatus(connection_.get()) != CONNECTION_OK) break;
  }
  if (failure) fail(*failure);
  if (!last) lose_connection();
  return last;
}

ResultPtr Connection::run(const std::string& sql) {
  begin_statement();
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lose_connection();
  flush();
  ResultPtr result = finish_results();
  end_statement();
  return result;
}

ResultPtr Connection::run(const std::string& sql, std::span<const Value> parameters) {
  std::vector<Parameter> bounds;
  bounds.reserve(parameters.size());
  for (const Value& value : parameters) bounds.push_back(parameter_of(value));
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const Parameter& parameter : bounds) {
    values.push_back(parameter.null ? nullptr : parameter.data.c_str());
    lengths.push_back(static_cast<int>(parameter.data.size()));
    formats.push_back(parameter.binary ? 1 : 0);
  }
  begin_statement();
  if (PQsendQueryParams(connection_.get(), sql.c_str(), static_cast<int>(bounds.size()), nullptr,
                        values.data(), lengths.data(), formats.data(), 0) == 0) {
    lose_connection();
  }
  flush();
  ResultPtr result = finish_results();
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) {
    // Only this backend itself starts a COPY: whoever did, the connection cannot be told apart now.
    lose(Error(ErrorKind::invariant, "COPY cannot be run as a query").scope(ErrorScope::session));
  }
  end_statement();
  return result;
}

void Connection::commit() {
  begin_statement();
  if (PQsendQuery(connection_.get(), "COMMIT") == 0) lose_connection();  // nothing was sent
  ResultPtr result;
  try {
    flush();
    result = finish_results();
  } catch (const Error& error) {
    if (error.scope() != ErrorScope::session) throw;
    throw Error(ErrorKind::in_doubt, std::string("the answer to COMMIT was lost: ") + error.what())
        .code(error.code())
        .scope(ErrorScope::session)
        .remedy("whether it was committed is read from the target on a new connection");
  }
  end_statement();
  if (std::string_view(PQcmdStatus(result.get())) == "ROLLBACK") {
    throw Error(ErrorKind::invariant,
                "the server answered ROLLBACK to COMMIT: a statement of the transaction had failed")
        .code("25P02")
        .scope(ErrorScope::transaction);
  }
}

// --- COPY

void Connection::copy_out_begin(const std::string& sql) {
  begin_statement();
  copy_rows_ = 0;
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lose_connection();
  flush();
  const ResultPtr result = finish_results();
  if (PQresultStatus(result.get()) != PGRES_COPY_OUT) {
    lose(Error(ErrorKind::invariant, "not a COPY TO STDOUT").scope(ErrorScope::session));
  }
  copy_ = Copy::out;
}

bool Connection::copy_out_next(LibpqMemory& row, std::size_t& size) {
  while (true) {
    char* data = nullptr;
    const int got = PQgetCopyData(connection_.get(), &data, 1);
    if (got > 0) {
      row.reset(data);
      size = static_cast<std::size_t>(got);
      return true;
    }
    if (got == 0) {
      wait(POLLIN);
      consume();
      continue;
    }
    if (got == -2) lose_connection();
    break;
  }
  const ResultPtr result = finish_results();
  const std::string_view count = PQcmdTuples(result.get());
  std::from_chars(count.data(), count.data() + count.size(), copy_rows_);
  end_statement();
  return false;
}

void Connection::copy_out_abandon() noexcept {
  if (copy_ != Copy::out || lost_) return;
  cancel_->send();
  const auto until = Clock::now() + kAbandonMax;
  try {
    while (Clock::now() < until) {
      char* data = nullptr;
      const int got = PQgetCopyData(connection_.get(), &data, 1);
      if (got > 0) {
        PQfreemem(data);
      } else if (got == 0) {
        pollfd waited{PQsocket(connection_.get()), POLLIN, 0};
        poll(&waited, 1, static_cast<int>(kTlsPoll.count()));
        if (PQconsumeInput(connection_.get()) == 0) break;
      } else {
        finish_results();
        end_statement();
        return;
      }
    }
  } catch (...) {
    // The error that ends it is the one asked for; any other has marked the connection itself.
    if (copy_ == Copy::none) return;
  }
  lost_ = true;
  end_statement();
}

void Connection::copy_in_begin(const std::string& sql) {
  begin_statement();
  copy_rows_ = 0;
  if (PQsendQuery(connection_.get(), sql.c_str()) == 0) lose_connection();
  flush();
  const ResultPtr result = finish_results();
  if (PQresultStatus(result.get()) != PGRES_COPY_IN) {
    lose(Error(ErrorKind::invariant, "not a COPY FROM STDIN").scope(ErrorScope::session));
  }
  copy_ = Copy::in;
}

void Connection::copy_in_put(const char* data, std::size_t size) {
  // libpq tells of an error only at the end of the COPY: without this look, a cancelled load would
  // go on to send all the rows that are left.
  if (cancel_->requested()) {
    if (PQputCopyEnd(connection_.get(), "cancelled") < 0) lose_connection();
    flush();
    finish_results();
    end_statement();
    throw Error(ErrorKind::cancelled, "the load was cancelled").code("57014");
  }
  // A message holds up to 1 GiB; a batch is far less, but a single row may be huge.
  constexpr std::size_t kPieceMax = 16u << 20;
  while (size > 0) {
    const std::size_t piece = std::min(size, kPieceMax);
    const int queued = PQputCopyData(connection_.get(), data, static_cast<int>(piece));
    if (queued < 0) lose_connection();
    flush();
    if (queued == 0) continue;  // libpq had no room for it: sent now, so again
    data += piece;
    size -= piece;
  }
}

std::uint64_t Connection::copy_in_end() {
  while (true) {
    const int queued = PQputCopyEnd(connection_.get(), nullptr);
    if (queued < 0) lose_connection();
    flush();
    if (queued > 0) break;
  }
  const ResultPtr result = finish_results();
  const std::string_view count = PQcmdTuples(result.get());
  std::from_chars(count.data(), count.data() + count.size(), copy_rows_);
  end_statement();
  return copy_rows_;
}

void Connection::copy_in_abandon() noexcept {
  if (copy_ != Copy::in || lost_) return;
  try {
    // Bounded like a cancelled statement: the caller only wants to be rid of it.
    cancelling_ = true;
    cancel_seen_ = cancel_sent_ = Clock::now();
    if (PQputCopyEnd(connection_.get(), "abandoned") < 0) lose_connection();
    flush();
    finish_results();
    end_statement();
  } catch (...) {
    if (copy_ == Copy::none) return;  // the failure asked for
    lost_ = true;
    end_statement();
  }
}

}  // namespace migrator::postgres
