// The rows of one range of one side, in the order that both sides share, or in any.
//
// There is no thread that reads ahead, on purpose: whoever compares asks both servers first and
// then reads a batch of the one and a batch of the other, and the sockets hold what comes
// meanwhile. With a thread for each side, woken by every packet, both servers of a comparison on
// one machine took a quarter more time.
//
// Threads: the caller's.
#pragma once

#include <functional>
#include <memory>

#include "adapters/adapter.h"
#include "migrator/copy/transcoder.h"

namespace migrator {

class RangeRows {
 public:
  // Called with the rows and bytes of each batch; may wait, and throws to end the reading.
  using Took = std::function<void(std::uint64_t rows, std::uint64_t bytes)>;

  // transcoder: turns the rows into the other side's types; null if they are to be as they are.
  RangeRows(Source& source, const ReadSpec& spec, const KeyRange& range, const RowLayout& layout,
            const Transcoder* transcoder, Took took, ReadOrder order = ReadOrder::canonical)
      : stream_(source.read(spec, range, layout, order)),
        transcoder_(transcoder),
        took_(std::move(took)) {}

  // As RowStream::next().
  bool next(RowBatch& batch) {
    if (!stream_->next(batch)) return false;
    if (transcoder_) transcoder_->apply(batch, Misfits::mark);
    took_(batch.rows(), batch.bytes());
    return true;
  }

 private:
  const std::unique_ptr<RowStream> stream_;
  const Transcoder* const transcoder_;
  const Took took_;
};

}  // namespace migrator
