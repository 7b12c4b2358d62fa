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
  while (true) {
    open_writer();
    std::unique_ptr<Colocation> colocation;
    if (context_.colocate && table_.route.same_types) {
      colocation = sessions_.writer->colocate(*sessions_.reader);
    }
    if (!colocation) break;
    table_.set_way(colocation->description());
    if (run_colocated(leave, std::move(colocation))) return;
  }
  run_pipelined(leave, form);
}

void ChunkCopier::run_pipelined(const std::function<bool()>& leave, const TableCopy::Form& form) {
  ChunkReader reader(table_, context_, sessions_.reader, form, leave);
  try {
    while (true) {
      ChunkReader::Message message = reader.next(chunk_.has_value());
      switch (message.kind) {
        case ChunkReader::Message::Kind::finished: return;
        case ChunkReader::Message::Kind::claims: claim_alone(reader); break;
        case ChunkReader::Message::Kind::batch: write(reader, std::move(message), form); break;
        case ChunkReader::Message::Kind::failed:
          if (!chunk_) chunk_ = message.chunk;
          fail(*message.error);
          finish(reader, *message.chunk);
          break;
        case ChunkReader::Message::Kind::end: finish(reader, *message.chunk); break;
      }
    }
  } catch (...) {
    sink_.reset();
    if (sessions_.writer) sessions_.writer.session().rollback();
    throw;
  }
}

// The chunk in hand cannot go on. Its transaction is rolled back at once, so that no lock is held while the
// rest of its rows is discarded.
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
        stop_point("chunk_locked");
        sink_ = sessions_.writer->load(
            table_.route.write, form.layout,
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

// The chunk's rows are all there. In one transaction with them: the chunk is marked done, and the chunks
// that wait for it are claimed.
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

void ChunkCopier::done(const Chunk& chunk, const ChunkDone& result) {
  const auto took = lap();
  ChunkDone recorded = result;
  recorded.took = std::chrono::duration_cast<std::chrono::milliseconds>(took);
  context_.store.finish_chunk(table_.route.name, chunk.number, recorded);
  stop_point("chunk_recorded");
  table_.rows.fetch_add(result.rows, std::memory_order_relaxed);
  table_.bytes.fetch_add(result.bytes, std::memory_order_relaxed);
  table_.chunker.learn(chunk, result.rows, result.bytes, took);
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
    if (one.claim.done) {
      lap();
      done(one.chunk, {one.claim.rows, 0, {}});
    }
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

bool ChunkCopier::run_colocated(const std::function<bool()>& leave,
                                std::unique_ptr<Colocation> colocation) {
  Source& source = *sessions_.reader;
  Session& session = sessions_.writer.session();
  const double bytes_per_row =
      table_.route.source.rows_estimate == 0
          ? 0
          : static_cast<double>(table_.route.source.bytes_estimate) /
                static_cast<double>(table_.route.source.rows_estimate);
  std::optional<Chunk> chunk;
  const auto take_next = [&]() -> std::optional<Chunk> {
    if (leave()) return std::nullopt;
    return table_.next_chunk(source, context_);
  };
  while (true) {
    if (!chunk) {
      const std::optional<Chunk> cut = take_next();
      if (!cut) return true;
      session.begin();
      const Claimed claimed = claim({*cut}).front();
      session.commit();
      lap();
      if (claimed.claim.done) {
        done(claimed.chunk, {claimed.claim.rows, 0, {}});
        continue;
      }
      chunk = claimed.chunk;
    }
    context_.pacer.between_chunks();
    const std::optional<Chunk> following = take_next();
    std::vector<Claimed> claimed;
    std::optional<Error> failure;
    ChunkDone result;
    try {
      session.begin();
      context_.fence.lock(session, *chunk, chunk->epoch);
      stop_point("chunk_locked");
      const LoadCount count =
          colocation->copy(table_.route.read, table_.route.write, chunk->range,
                          table_.expects_present ? LoadMode::merge : LoadMode::direct);
      stop_point("chunk_loaded");
      if (following) claimed = claim({*following});
      result.rows = count.inserted + count.present;
      result.bytes = static_cast<std::uint64_t>(bytes_per_row * static_cast<double>(result.rows));
      context_.fence.complete(session, *chunk, chunk->epoch, result.rows);
      session.commit();
      stop_point("chunk_committed");
      table_.expects_present = count.present > 0;
    } catch (const Error& error) {
      session.rollback();
      failure = error;
    }
    if (failure) {
      // Recovery goes over the usual road, and may have to replace the session: so the co-location ends here,
      // and a new one begins with the chunk that had been cut already.
      colocation.reset();
      if (failure->scope() == ErrorScope::session) sessions_.writer.close();
      recover(*chunk, *failure);
      if (following) table_.chunker.give_back(*following);
      return false;
    }
    context_.pacer.admit(result.rows, result.bytes);
    done(*chunk, result);
    chunk.reset();
    for (const Claimed& one : claimed) {
      if (one.claim.done) {
        done(one.chunk, {one.claim.rows, 0, {}});
      } else {
        chunk = one.chunk;
      }
    }
  }
}

}  // namespace migrator
