#include "migrator/verify/changed_keys.h"

#include <utility>

namespace migrator {

ChangedKeys::Taken ChangedKeys::take() {
  const std::lock_guard lock(mutex_);
  count_ = 0;
  return std::exchange(changed_, {});
}

void ChangedKeys::give_back(const std::string& relation, std::span<const std::string> row_keys) {
  const std::lock_guard lock(mutex_);
  for (const std::string& key : row_keys) put(relation, key);
}

std::vector<Change> ChangedKeys::read(Session& source, std::size_t limit) const {
  std::vector<Change> changes = feed_.read(source, limit);
  const std::lock_guard lock(mutex_);
  read_.clear();
  for (const Change& change : changes) read_.emplace(change.seq, change);
  return changes;
}

void ChangedKeys::retire(Session& source, std::span<const std::int64_t> seqs) const {
  {
    // First, as the answer may be lost of what is done: a key too many does no harm.
    const std::lock_guard lock(mutex_);
    for (const std::int64_t seq : seqs) {
      const auto found = read_.find(seq);
      if (found != read_.end()) put(found->second.relation, found->second.row_key);
    }
  }
  feed_.retire(source, seqs);
}

void ChangedKeys::put(const std::string& relation,
                      const std::optional<std::string>& row_key) const {
  if (changed_.whole.contains(relation)) return;
  std::set<std::string>& keys = changed_.keys[relation];
  if (row_key && count_ < most_) {
    if (keys.insert(*row_key).second) ++count_;
    return;
  }
  count_ -= keys.size();
  changed_.keys.erase(relation);
  changed_.whole.insert(relation);
}

}  // namespace migrator
