#include "migrator/verify/multiset.h"

#include <algorithm>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <xxhash.h>

namespace migrator {
namespace {

// Of a hundred million rows a bucket has some 400: a thousand that differ are counted in one
// reading.
constexpr std::size_t kBuckets = 1 << 18;

struct Hash {
  std::uint64_t low = 0, high = 0;

  bool operator==(const Hash&) const = default;
  std::size_t bucket() const { return high % kBuckets; }
  // Modulo 2^128.
  void add(const Hash& other) {
    low += other.low;
    high += other.high + (low < other.low ? 1 : 0);
  }
};

struct HashOfHash {
  std::size_t operator()(const Hash& hash) const { return hash.low; }
};

struct Bucket {
  std::uint64_t rows = 0;
  Hash sum;

  bool operator==(const Bucket&) const = default;
};

class Multisets {
 public:
  Multisets(const ComparedTable& table, const std::function<RangeRows(bool of_source)>& open,
            std::size_t keep, std::uint64_t counted_at_once)
      : table_(table),
        open_(open),
        keep_(keep),
        counted_at_once_(counted_at_once),
        seed_(table.seed()) {}

  RangeFindings run() {
    add_up();
    std::vector<std::size_t> differing;
    for (std::size_t at = 0; at < kBuckets; ++at) {
      if (source_[at] != target_[at]) differing.push_back(at);
    }
    for (std::size_t at = 0; at < differing.size();) {
      if (wrong_.size() >= keep_) {
        count_at_least(differing[at++]);
        continue;
      }
      std::vector<bool> chosen(kBuckets);
      std::uint64_t rows = 0;
      do {
        chosen[differing[at]] = true;
        rows += rows_of(differing[at++]);
      } while (at < differing.size() && rows + rows_of(differing[at]) <= counted_at_once_);
      count_one_by_one(chosen);
    }
    if (!differing.empty()) name_them();
    return std::move(out_);
  }

 private:
  // Of a row: by how much it is there more often on the source.
  using Surplus = std::unordered_map<Hash, std::int64_t, HashOfHash>;

  Hash hash(const RowBatch& batch, const Cell* row, bool of_source) {
    form_.clear();
    table_.append_canonical(form_, batch, row, of_source);
    const XXH128_hash_t hash = XXH3_128bits_withSeed(form_.data(), form_.size(), seed_);
    return {hash.low64, hash.high64};
  }

  std::uint64_t rows_of(std::size_t bucket) const {
    return source_[bucket].rows + target_[bucket].rows;
  }

  // False at the end of a side's rows.
  template <typename Do>
  bool batch_of(RangeRows& rows, bool of_source, const Do& act) {
    if (!rows.next(batch_)) return false;
    out_.bytes += batch_.bytes();
    for (std::size_t at = 0; at < batch_.rows(); ++at) {
      act(batch_.row(at), hash(batch_, batch_.row(at), of_source));
    }
    return true;
  }

  // Both sides send at the same time.
  void add_up() {
    RangeRows here = open_(true), there = open_(false);
    const auto add_to = [](std::vector<Bucket>& side, std::uint64_t& rows) {
      return [&](const Cell*, const Hash& hash) {
        Bucket& bucket = side[hash.bucket()];
        ++bucket.rows;
        ++rows;
        bucket.sum.add(hash);
      };
    };
    bool more_here = true, more_there = true;
    while (more_here || more_there) {
      more_here = more_here && batch_of(here, true, add_to(source_, out_.rows_source));
      more_there = more_there && batch_of(there, false, add_to(target_, out_.rows_target));
    }
  }

  void count_at_least(std::size_t bucket) {
    const std::uint64_t here = source_[bucket].rows, there = target_[bucket].rows;
    out_.missing += here > there ? here - there : here == there ? 1 : 0;
    out_.extra += there > here ? there - here : here == there ? 1 : 0;
  }

  void count_one_by_one(const std::vector<bool>& chosen) {
    Surplus surplus;
    RangeRows here = open_(true), there = open_(false);
    const auto count = [&](std::int64_t one) {
      return [&surplus, &chosen, one](const Cell*, const Hash& hash) {
        if (chosen[hash.bucket()]) surplus[hash] += one;
      };
    };
    bool more_here = true, more_there = true;
    while (more_here || more_there) {
      more_here = more_here && batch_of(here, true, count(1));
      more_there = more_there && batch_of(there, false, count(-1));
    }
    std::erase_if(surplus, [](const auto& row) { return row.second == 0; });
    if (surplus.empty()) throw changed();
    // The same ones each time: those of the lowest hashes.
    std::vector<std::pair<Hash, std::int64_t>> rows(surplus.begin(), surplus.end());
    std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) {
      return std::pair(a.first.high, a.first.low) < std::pair(b.first.high, b.first.low);
    });
    for (const auto& [hash, copies] : rows) {
      (copies > 0 ? out_.missing : out_.extra) +=
          static_cast<std::uint64_t>(copies > 0 ? copies : -copies);
      if (wrong_.size() < keep_) wrong_.emplace(hash, copies);
    }
  }

  void name_them() {
    name_side(true);
    name_side(false);
    if (!wrong_.empty()) throw changed();
  }

  void name_side(bool of_source) {
    const auto wanted = [&](const auto& row) { return (row.second > 0) == of_source; };
    auto left = std::count_if(wrong_.begin(), wrong_.end(), wanted);
    if (left == 0) return;
    RangeRows rows = open_(of_source);
    const auto look = [&](const Cell* row, const Hash& hash) {
      const auto found = wrong_.find(hash);
      if (found == wrong_.end() || !wanted(*found)) return;
      Difference difference;
      difference.kind = of_source ? DifferenceKind::missing : DifferenceKind::extra;
      difference.key = table_.name_of(batch_, row);
      difference.copies = static_cast<std::uint64_t>(of_source ? found->second : -found->second);
      out_.found.push_back(std::move(difference));
      out_.keys.end_cell_row();  // it has no columns
      wrong_.erase(found);
      --left;
    };
    while (left > 0 && batch_of(rows, of_source, look)) {
    }
  }

  Error changed() const {
    return Error(ErrorKind::transient,
                 fmt::format("{}: its rows changed while they were compared", table_.route.name))
        .table(table_.route.name)
        .remedy("run the same command again while nobody writes to either side");
  }

  const ComparedTable& table_;
  const std::function<RangeRows(bool of_source)>& open_;
  const std::size_t keep_;
  const std::uint64_t counted_at_once_;
  // Not to be foreseen, so that nobody can make two rows that are counted as one.
  const std::uint64_t seed_;
  std::vector<Bucket> source_ = std::vector<Bucket>(kBuckets);
  std::vector<Bucket> target_ = std::vector<Bucket>(kBuckets);
  Surplus wrong_;  // to be named
  RangeFindings out_;
  RowBatch batch_;
  std::string form_;
};

}  // namespace

RangeFindings compare_multisets(const ComparedTable& table,
                                const std::function<RangeRows(bool of_source)>& open,
                                std::size_t keep, std::uint64_t counted_at_once) {
  return Multisets(table, open, keep, counted_at_once).run();
}

}  // namespace migrator
