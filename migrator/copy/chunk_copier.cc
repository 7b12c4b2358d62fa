#include "migrator/copy/chunk_copier.h"

#include "migrator/copy/chunk_recovery.h"
#include "migrator/copy/stop_point.h"

namespace migrator {
void ChunkCopier::open_writer() {
  if (!sessions_.writer) sessions_.writer = open_target(context_.endpoints, context_.interrupt);
}

std::chrono::microseconds ChunkCopier::lap() {
  const auto now = std::chrono::steady_clock::now();
  const auto took = std::chrono::duration_cast<std::chrono::microseconds>(now - lap_start_);
  lap_start_ = now;
  return took;
}

void ChunkCopier::run(const std::function<bool()>& leave) {
  Backoff backoff(context_.retry, context_.interrupt);
  while (true) {
    try {
      open_writer();
      if (!sessions_.reader) {
        sessions_.reader = open_source(context_.endpoints, context_.interrupt);
      }
      break;
    } catch (const Error& error) {
      if (!backoff.again(error)) throw;
      table_.retries.fetch_add(1, std::memory_order_relaxed);
    }
  }
  const TableCopy::Form& form = table_.form(*sessions_.reader, *sessions_.writer);
  if (context_.colocate && table_.route.same_types && run_colocated(leave)) return;
  if (!sessions_.reader) sessions_.reader = open_source(context_.endpoints, context_.interrupt);
  run_pipelined(leave, form);
}

void ChunkCopier::run_pipelined(const std::function<bool()>& leave, const TableCopy::Form& form) {
  ChunkReader reader(table_, context_, sessions_.reader, form, leave);
  try {
    while (true) {
      ChunkReader::Message message = reader.next(chunk_.has_value());
      switch (message.kind) {
        case ChunkReader::Message::Kind::finished:
          return;
        case ChunkReader::Message::Kind::claims:
          claim_alone(reader);
          break;
        case ChunkReader::Message::Kind::batch:
          write(reader, std::move(message), form);
          break;
        case ChunkReader::Message::Kind::failed:
          if (!chunk_) chunk_ = message.chunk;
          fail(*message.error);
          finish(reader, *message.chunk);
          break;
        case ChunkReader::Message::Kind::end:
          finish(reader, *message.chunk);
          break;
      }
    }
  } catch (...) {
    sink_.reset();
    if (sessions_.writer) sessions_.writer.session().rollback();
    throw;
  }
}

// The chunk in hand cannot go on. Its transaction is rolled back at once, so that no lock is held
// while the rest of its rows is discarded.
void ChunkCopier::fail(const Error& error) {
  if (failed_) return;
  sink_.reset();
  if (sessions_.writer) {
    sessions_.writer.session().rollback();
    if (error.scope() == ErrorScope::session) sessions_.writer.close();
  }
  failed_ = error;
}

void ChunkCopier::write(ChunkReader& reader, ChunkReader::Message message,
                        const TableCopy::Form& form) {
  const bool first = !chunk_;
  if (first) {
    chunk_ = message.chunk;
    bytes_ = 0;
  }
  if (!failed_) {
    try {
      if (first) {
        open_writer();
        Session& session = sessions_.writer.session();
        session.begin();
        context_.fence.lock(session, *chunk_, chunk_->epoch);
        refuse_rows_that_cannot_be_told(table_.route, session);
        stop_point("chunk_locked");
        sink_ = sessions_.writer->load(table_.route.write, form.layout,
                                       table_.expects_present ? LoadMode::merge : LoadMode::direct);
      }
      sink_->write(message.batch);
      bytes_ += message.batch.bytes();
    } catch (const Error& error) {
      fail(error);
    }
  }
  reader.recycle(std::move(message.batch));
}

// The chunk's rows are all there. In one transaction with them: the chunk is marked done, and the
// chunks that wait for it are claimed.
void ChunkCopier::finish(ChunkReader& reader, const Chunk& chunk) {
  std::vector<Claimed> claimed;
  ChunkDone result;
  if (!failed_) {
    try {
      open_writer();
      Session& session = sessions_.writer.session();
      if (!chunk_) {  // it has no rows
        bytes_ = 0;
        session.begin();
        context_.fence.lock(session, chunk, chunk.epoch);
      }
      LoadCount count;
      if (sink_) count = sink_->finish();
      sink_.reset();
      stop_point("chunk_loaded");
      // An attempt that died before its commit may have left rejects that are none.
      if (chunk.attempts > 0) context_.store.clear_rejects(table_.route.name, chunk.number);
      claimed = claim(reader.claims());
      context_.fence.complete(session, chunk, chunk.epoch, count.inserted + count.present);
      session.commit();
      stop_point("chunk_committed");
      table_.expects_present = count.present > 0;
      result.rows = count.inserted + count.present;
      result.bytes = bytes_;
    } catch (const Error& error) {
      fail(error);
    }
  }
  chunk_.reset();
  if (failed_) {
    const Error error = *failed_;
    failed_.reset();
    recover(chunk, error);
    return;
  }
  grant(reader, claimed);
  done(chunk, result);
}

void ChunkCopier::recover(const Chunk& chunk, const Error& error) {
  table_.retries.fetch_add(1, std::memory_order_relaxed);
  context_.store.add_event({Clock::now(), "chunk_retried", table_.route.name,
                            "chunk " + std::to_string(chunk.number) + ": " + error.what()});
  done(chunk, ChunkRecovery(table_, context_, sessions_, chunk).run(error));
}

void ChunkCopier::done(const Chunk& chunk, ChunkDone result) {
  const auto took = lap();
  result.took = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  record(chunk, result);
  table_.chunker.learn(chunk, result.rows, result.bytes, took);
}

void ChunkCopier::record(const Chunk& chunk, const ChunkDone& result) {
  context_.store.finish_chunk(table_.route.name, chunk.number, result);
  stop_point("chunk_recorded");
  table_.rows.fetch_add(result.rows, std::memory_order_relaxed);
  table_.bytes.fetch_add(result.bytes, std::memory_order_relaxed);
}

std::vector<ChunkCopier::Claimed> ChunkCopier::claim(const std::vector<Chunk>& chunks) {
  std::vector<Claimed> claimed;
  for (const Chunk& chunk : chunks) {
    claimed.push_back(
        {chunk, context_.fence.claim(sessions_.writer.session(), chunk, chunk.epoch)});
  }
  stop_point("chunk_claimed");
  return claimed;
}

void ChunkCopier::grant(ChunkReader& reader, const std::vector<Claimed>& claimed) {
  for (const Claimed& one : claimed) {
    // Done on the target although the store did not know: the answer to its commit was lost.
    if (one.claim.done) record(one.chunk, {one.claim.rows, 0, {}});
    reader.granted(one.chunk, !one.claim.done);
  }
}

void ChunkCopier::claim_alone(ChunkReader& reader) {
  Backoff backoff(context_.retry, context_.interrupt);
  while (true) {
    try {
      open_writer();
      Session& session = sessions_.writer.session();
      session.begin();
      const std::vector<Claimed> claimed = claim(reader.claims());
      session.commit();
      lap_start_ = std::chrono::steady_clock::now();
      grant(reader, claimed);
      return;
    } catch (const Error& error) {
      if (sessions_.writer) {
        sessions_.writer.session().rollback();
        if (error.scope() == ErrorScope::session) sessions_.writer.close();
      }
      if (!backoff.again(error)) throw;
      table_.retries.fetch_add(1, std::memory_order_relaxed);
    }
  }
}

bool ChunkCopier::run_colocated(const std::function<bool()>& leave) {
  Backoff backoff(context_.retry, context_.interrupt);
  std::unique_ptr<Colocation> colocation;
  while (true) {
    std::optional<Chunk> chunk;
    try {
      open_writer();
      if (!sessions_.reader) sessions_.reader = open_source(context_.endpoints, context_.interrupt);
      if (!colocation) colocation = sessions_.writer->colocate(*sessions_.reader);
      if (!colocation) return false;
      table_.set_way(colocation->description());
      chunk = take_colocated(leave);
    } catch (const Error& error) {
      end_colocation(colocation, error);
      if (!backoff.again(error)) throw;
      table_.retries.fetch_add(1, std::memory_order_relaxed);
      continue;
    }
    if (!chunk) return true;
    backoff.reset();
    while (chunk) {
      context_.pacer.between_chunks();
      chunk = copy_colocated(colocation, *chunk, leave);
    }
  }
}

// In this order: it detaches only outside of a transaction, and only from a session that is there.
// Which of the two sessions was lost an error does not say; opening one anew costs little.
void ChunkCopier::end_colocation(std::unique_ptr<Colocation>& colocation, const Error& error) {
  if (sessions_.writer) sessions_.writer.session().rollback();
  colocation.reset();
  if (error.scope() != ErrorScope::session) return;
  sessions_.writer.close();
  sessions_.reader.close();
}

// The next chunk that is not on the target yet, claimed in a transaction of its own.
std::optional<Chunk> ChunkCopier::take_colocated(const std::function<bool()>& leave) {
  while (true) {
    const std::optional<Chunk> cut =
        leave() ? std::nullopt : table_.next_chunk(*sessions_.reader, context_);
    if (!cut) return std::nullopt;
    Session& session = sessions_.writer.session();
    try {
      session.begin();
      const Claimed claimed = claim({*cut}).front();
      session.commit();
      lap();
      if (!claimed.claim.done) return cut;
      record(*cut, {claimed.claim.rows, 0, {}});
    } catch (...) {
      table_.chunker.give_back(*cut);
      throw;
    }
  }
}

// Copies a claimed chunk, and claims the one after it in the same transaction, which is returned.
// After a failure the chunk is recovered over the usual road, which may replace the session: so the
// co-location ends.
std::optional<Chunk> ChunkCopier::copy_colocated(std::unique_ptr<Colocation>& colocation,
                                                 const Chunk& chunk,
                                                 const std::function<bool()>& leave) {
  std::optional<Chunk> cut;
  try {
    if (!leave()) cut = table_.next_chunk(*sessions_.reader, context_);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    // No fault of the chunk in hand. take_colocated() meets the same error, and knows what to do
    // with it.
  }
  ChunkDone result;
  std::vector<Claimed> claimed;
  try {
    Session& session = sessions_.writer.session();
    session.begin();
    context_.fence.lock(session, chunk, chunk.epoch);
    refuse_rows_that_cannot_be_told(table_.route, session);
    stop_point("chunk_locked");
    const LoadCount count =
        colocation->copy(table_.route.read, table_.route.write, chunk.range,
                         table_.expects_present ? LoadMode::merge : LoadMode::direct);
    stop_point("chunk_loaded");
    // An attempt that died before its commit may have left rejects that are none.
    if (chunk.attempts > 0) context_.store.clear_rejects(table_.route.name, chunk.number);
    if (cut) claimed = claim({*cut});
    result.rows = count.inserted + count.present;
    result.bytes =
        static_cast<std::uint64_t>(estimated_row_bytes() * static_cast<double>(result.rows));
    context_.fence.complete(session, chunk, chunk.epoch, result.rows);
    session.commit();
    stop_point("chunk_committed");
    table_.expects_present = count.present > 0;
  } catch (const Error& error) {
    end_colocation(colocation, error);
    if (cut) table_.chunker.give_back(*cut);
    recover(chunk, error);
    return std::nullopt;
  }
  context_.pacer.admit(result.rows, result.bytes);
  done(chunk, result);
  if (claimed.empty()) return std::nullopt;
  if (!claimed.front().claim.done) return cut;
  record(*cut, {claimed.front().claim.rows, 0, {}});
  return std::nullopt;
}

double ChunkCopier::estimated_row_bytes() const {
  const TableSchema& source = table_.route.source;
  if (source.rows_estimate == 0) return 0;
  return static_cast<double>(source.bytes_estimate) / static_cast<double>(source.rows_estimate);
}

}  // namespace migrator
