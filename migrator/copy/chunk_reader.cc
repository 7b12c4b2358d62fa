#include "migrator/copy/chunk_reader.h"

#include "migrator/copy/stop_point.h"

namespace migrator {
namespace {

// How many chunks may be claimed or waiting for it ahead of the one being read.
constexpr std::size_t kChunksAhead = 2;

}  // namespace

ChunkReader::ChunkReader(TableCopy& table, CopyContext& context, Opened<Source>& session,
                         const TableCopy::Form& form, std::function<bool()> leave)
    : table_(table),
      context_(context),
      session_(session),
      form_(form),
      leave_(std::move(leave)),
      thread_([this](const std::stop_token& stop) { run(stop); }) {}

ChunkReader::~ChunkReader() {
  thread_.request_stop();
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (finished_) break;
    }
    {
      const std::lock_guard lock(session_mutex_);
      if (canceller_) canceller_->cancel();
    }
    // A cancellation between two statements has no effect: say it again until the thread has
    // noticed.
    std::unique_lock lock(mutex_);
    to_writer_.wait_for(lock, std::chrono::milliseconds(50), [this] { return finished_; });
  }
  thread_.join();
}

void ChunkReader::run(const std::stop_token& stop) {
  try {
    while (!stop.stop_requested()) {
      cut_ahead(stop);
      const std::optional<Chunk> chunk = take_granted(stop);
      if (!chunk) {
        // Everything that waited was done on the target already, or nothing is left.
        const std::lock_guard lock(mutex_);
        if (cut_all_ && waiting_.empty() && granted_.empty()) break;
        continue;
      }
      cut_ahead(stop);
      context_.pacer.between_chunks(stop);
      stream(*chunk, stop);
    }
  } catch (...) {
    const std::lock_guard lock(mutex_);
    fatal_ = std::current_exception();
  }
  const std::lock_guard lock(mutex_);
  finished_ = true;
  to_writer_.notify_all();
}

void ChunkReader::cut_ahead(const std::stop_token& stop) {
  Backoff backoff(context_.retry, context_.interrupt);
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(mutex_);
      if (cut_all_ || waiting_.size() + granted_.size() >= kChunksAhead) return;
    }
    std::optional<Chunk> chunk;
    if (!leave_()) {
      try {
        if (!session_) {
          Opened<Source> opened = open_source(context_.endpoints, context_.interrupt);
          const std::lock_guard lock(session_mutex_);
          session_ = std::move(opened);
        }
        {
          const std::lock_guard lock(session_mutex_);
          if (!canceller_) canceller_ = session_.session().canceller();
        }
        chunk = table_.next_chunk(*session_, context_);
      } catch (const Error& error) {
        if (error.scope() == ErrorScope::session) {
          const std::lock_guard lock(session_mutex_);
          canceller_.reset();
          session_.close();
        }
        if (!backoff.again(error)) throw;
        table_.retries.fetch_add(1, std::memory_order_relaxed);
        continue;
      }
    }
    const std::lock_guard lock(mutex_);
    if (chunk) {
      waiting_.push_back(std::move(*chunk));
    } else {
      cut_all_ = true;
    }
    to_writer_.notify_all();
  }
}

std::optional<Chunk> ChunkReader::take_granted(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  to_reader_.wait(lock, stop, [this] { return !granted_.empty() || waiting_.empty(); });
  if (granted_.empty() || stop.stop_requested()) return std::nullopt;
  Chunk chunk = std::move(granted_.front());
  granted_.pop_front();
  return chunk;
}

void ChunkReader::stream(const Chunk& chunk, const std::stop_token& stop) {
  const auto message = [&](Message::Kind kind) {
    Message out;
    out.kind = kind;
    out.chunk = chunk;
    return out;
  };
  try {
    if (!session_) {
      Opened<Source> opened = open_source(context_.endpoints, context_.interrupt);
      const std::lock_guard lock(session_mutex_);
      session_ = std::move(opened);
      canceller_ = session_.session().canceller();
    }
    const auto rows = session_->read(table_.route.read, chunk.range, form_.layout);
    while (!stop.stop_requested()) {
      RowBatch batch = fresh_batch();
      if (!rows->next(batch)) break;
      if (form_.transcoder) form_.transcoder->apply(batch);
      context_.pacer.admit(batch.rows(), batch.bytes(), stop);
      Message out = message(Message::Kind::batch);
      out.batch = std::move(batch);
      push(std::move(out), stop);
    }
  } catch (const Error& error) {
    context_.interrupt.check();
    if (error.scope() == ErrorScope::session) {
      const std::lock_guard lock(session_mutex_);
      canceller_.reset();
      session_.close();
    }
    Message out = message(Message::Kind::failed);
    out.error = error;
    push(std::move(out), stop);
    return;
  }
  stop_point("chunk_read");
  push(message(Message::Kind::end), stop);
}

void ChunkReader::push(Message message, const std::stop_token& stop) {
  const std::size_t bytes = message.batch.bytes();
  std::unique_lock lock(mutex_);
  // One batch is always let in, so that a row larger than the budget passes.
  to_reader_.wait(lock, stop, [&] {
    return messages_.empty() || bytes == 0 || bytes_queued_ + bytes <= context_.read_ahead_bytes;
  });
  if (stop.stop_requested()) return;
  bytes_queued_ += bytes;
  messages_.push_back(std::move(message));
  to_writer_.notify_all();
}

RowBatch ChunkReader::fresh_batch() {
  const std::lock_guard lock(mutex_);
  if (spare_.empty()) return {};
  RowBatch batch = std::move(spare_.back());
  spare_.pop_back();
  return batch;
}

ChunkReader::Message ChunkReader::next(bool in_chunk) {
  std::unique_lock lock(mutex_);
  const auto claims_wait = [&] { return !in_chunk && !waiting_.empty(); };
  to_writer_.wait(lock, context_.interrupt.token(),
                  [&] { return !messages_.empty() || claims_wait() || finished_; });
  if (context_.interrupt.requested()) {
    lock.unlock();
    context_.interrupt.check();
  }
  if (!messages_.empty()) {
    Message message = std::move(messages_.front());
    messages_.pop_front();
    bytes_queued_ -= message.batch.bytes();
    to_reader_.notify_all();
    return message;
  }
  if (fatal_) std::rethrow_exception(fatal_);
  Message message;
  message.kind = claims_wait() ? Message::Kind::claims : Message::Kind::finished;
  return message;
}

std::vector<Chunk> ChunkReader::claims() {
  const std::lock_guard lock(mutex_);
  return {waiting_.begin(), waiting_.end()};
}

void ChunkReader::granted(const Chunk& chunk, bool read) {
  const std::lock_guard lock(mutex_);
  std::erase_if(waiting_, [&](const Chunk& waiting) { return waiting.number == chunk.number; });
  if (read) granted_.push_back(chunk);
  to_reader_.notify_all();
}

void ChunkReader::recycle(RowBatch batch) {
  batch.clear();
  const std::lock_guard lock(mutex_);
  if (spare_.size() < 8) spare_.push_back(std::move(batch));
}

}  // namespace migrator
