// Connection's statements that are sent ahead: libpq's pipeline mode, entered by the first of them
// and left with the last result.
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <poll.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "adapters/postgres/connection.h"

namespace migrator::postgres {
namespace {

// Statements that are kept prepared. More different ones than these have values spliced into them,
// most likely, and would only fill the server's memory.
constexpr std::size_t kPreparedMost = 256;

constexpr const char* kNoSuchStatement = "26000";  // invalid_sql_statement_name
constexpr const char* kAlreadyThere = "42P05";     // duplicate_prepared_statement
constexpr const char* kChangedResult = "0A000";    // a cached plan must not change its result type
constexpr const char* kCheckFailed = "22P02";      // invalid_text_representation, see checked()

// A statement that fails if the one within gives no row: the server itself then refuses everything
// that was sent behind it. What cannot be known before it runs keeps the text from being cast
// beforehand.
std::string checked(const std::string& sql) {
  if (sql.starts_with("SELECT")) {
    return "SELECT CASE WHEN EXISTS (" + sql +
           ") THEN 1 ELSE ('migrator: fenced ' || statement_timestamp())::int END";
  }
  return "WITH checked AS (" + sql +
         ") SELECT CASE WHEN count(*) > 0 THEN 1 ELSE ('migrator: fenced ' || count(*))::int END "
         "FROM checked";
}

bool is_failure(const PGresult& result) {
  const ExecStatusType status = PQresultStatus(&result);
  return status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE ||
         status == PGRES_PIPELINE_ABORTED;
}

}  // namespace

void Connection::send(const std::string& text, std::span<const Parameter> parameters,
                      Sending sending, bool binary_result) {
  if (synced_ || sent_failed_ > 0) {
    throw Error(ErrorKind::invariant, "the results of what was sent ahead have to come first");
  }
  if (sent_.empty()) {
    notice_end();
    begin_statement();
    if (PQenterPipelineMode(connection_.get()) == 0) lose_connection();
  }
  const std::string sql = sending == Sending::check ? checked(text) : text;
  auto known = prepared_.find(sql);
  if (known == prepared_.end() && prepared_.size() < kPreparedMost) {
    // By the text: behind a pooler another client's statement of this name is the same one.
    known =
        prepared_.emplace(sql, fmt::format("migrator_{:016x}", XXH3_64bits(sql.data(), sql.size())))
            .first;
    if (PQsendPrepare(connection_.get(), known->second.c_str(), sql.c_str(), 0, nullptr) == 0) {
      lose_connection();
    }
    sent_.push_back({Sending::plain, sql});
  }
  std::vector<const char*> values;
  std::vector<int> lengths, formats;
  for (const Parameter& parameter : parameters) {
    values.push_back(parameter.null ? nullptr : parameter.data.c_str());
    lengths.push_back(static_cast<int>(parameter.data.size()));
    formats.push_back(parameter.binary ? 1 : 0);
  }
  const int count = static_cast<int>(parameters.size());
  const int queued =
      known != prepared_.end()
          ? PQsendQueryPrepared(connection_.get(), known->second.c_str(), count, values.data(),
                                lengths.data(), formats.data(), binary_result ? 1 : 0)
          : PQsendQueryParams(connection_.get(), sql.c_str(), count, nullptr, values.data(),
                              lengths.data(), formats.data(), binary_result ? 1 : 0);
  if (queued == 0) lose_connection();
  sent_.push_back({sending, ""});
  commits_ = commits_ || sending == Sending::commit;
}

// A connection that the server has closed while it was idle: known before anything is sent, it
// leaves nothing in doubt.
void Connection::notice_end() {
  pollfd idle{PQsocket(connection_.get()), POLLIN, 0};
  if (lost_ || idle.fd < 0 || poll(&idle, 1, 0) <= 0) return;
  if (PQconsumeInput(connection_.get()) == 0 || PQstatus(connection_.get()) != CONNECTION_OK) {
    lost_ = true;
    throw connection_lost("the server has closed it");
  }
}

ResultPtr Connection::receive() {
  if (sent_failed_ > 0) {
    --sent_failed_;
    throw Error(*sent_error_);
  }
  if (sent_.empty()) throw Error(ErrorKind::invariant, "nothing was sent whose result is due");
  try {
    if (!synced_) {
      if (PQpipelineSync(connection_.get()) == 0) lose_connection();
      synced_ = true;
      statement_began_ = Clock::now();
      this->flush();
    }
    while (true) {
      const Sent sent = std::move(sent_.front());
      sent_.pop_front();
      ResultPtr result = result_of(sent);
      statement_began_ = Clock::now();  // each has the time of one
      if (is_failure(*result)) fail_sent(sent, *result);
      if (!sent.prepares.empty()) continue;
      if (sent_.empty()) close_pipeline();
      return result;
    }
  } catch (const Error& error) {
    if (!lost_ || sent_failed_ > 0) throw;
    lose_sent(error);
  }
}

// What libpq has of one statement: a result, and the end of its results.
ResultPtr Connection::result_of(const Sent& sent) {
  ResultPtr result = next_result();
  if (!result) lose_connection();
  const ExecStatusType status = PQresultStatus(result.get());
  if (status == PGRES_COPY_OUT || status == PGRES_COPY_IN || status == PGRES_COPY_BOTH) {
    lose(Error(ErrorKind::invariant, "COPY cannot be sent ahead").scope(ErrorScope::session));
  }
  // A connection that broke says so once, and has no more to give.
  if (PQstatus(connection_.get()) == CONNECTION_OK && next_result()) lose_connection();
  if (!sent.prepares.empty() && is_failure(*result)) prepared_.erase(sent.prepares);
  return result;
}

void Connection::close_pipeline() {
  const ResultPtr sync = next_result();
  if (!sync || PQresultStatus(sync.get()) != PGRES_PIPELINE_SYNC) lose_connection();
  if (PQexitPipelineMode(connection_.get()) == 0) lose_connection();
  synced_ = commits_ = false;
  end_statement();
}

// The first failure: the server has left out the rest, whose results are taken off now.
void Connection::fail_sent(const Sent& failed, const PGresult& result) {
  Error error = error_of(result, true);
  if (lost_) throw error;
  // Another session's statements, where a pooler stands between, or a table that was altered.
  const bool already = error.code() == kAlreadyThere && !failed.prepares.empty();
  if (error.code() == kNoSuchStatement || already ||
      (error.code() == kChangedResult && failed.prepares.empty())) {
    if (already) {
      prepared_.emplace(failed.prepares,
                        fmt::format("migrator_{:016x}",
                                    XXH3_64bits(failed.prepares.data(), failed.prepares.size())));
    } else {
      prepared_.clear();
    }
    error = Error(ErrorKind::transient, error.what())
                .code(error.code())
                .scope(ErrorScope::transaction)
                .remedy("run the transaction again");
  }
  if (failed.sending == Sending::check && error.code() == kCheckFailed) {
    error = Error(ErrorKind::fenced, "the row that a statement stands on is not as it was")
                .scope(ErrorScope::transaction);
  }
  std::size_t left = 0;
  while (!sent_.empty()) {
    const Sent sent = std::move(sent_.front());
    sent_.pop_front();
    result_of(sent);
    if (sent.prepares.empty()) ++left;
  }
  close_pipeline();
  // Of a statement that could not be prepared the run is still to be received, by this very call.
  sent_failed_ = failed.prepares.empty() ? left : left - 1;
  sent_error_ = error;
  throw error;
}

void Connection::lose_sent(const Error& error) {
  std::size_t left = 0;
  for (const Sent& sent : sent_) left += sent.prepares.empty() ? 1 : 0;
  sent_.clear();
  synced_ = false;
  const bool commits = std::exchange(commits_, false);
  sent_error_ = error;
  if (commits) {
    sent_error_ =
        Error(ErrorKind::in_doubt, std::string("the answer to COMMIT was lost: ") + error.what())
            .code(error.code())
            .scope(ErrorScope::session)
            .remedy("whether it was committed is read from the database on a new connection");
  }
  sent_failed_ = left;
  throw Error(*sent_error_);
}

void Connection::drop_sent() noexcept {
  sent_failed_ = 0;
  try {
    while (!sent_.empty()) receive();
  } catch (...) {
    // What is wrong with the connection the next statement says.
  }
  sent_failed_ = 0;
}

}  // namespace migrator::postgres
