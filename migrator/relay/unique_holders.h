// Keys of rows that the target has, in the words of the source.
//
// Of those in the way, above all: rows of the target that hold a unique value which rows of the
// source need. On the source the value has moved from one row to the other, so the row that still
// has it on the target is out of date, and can be made equal together with the one that needs it.
//
// Threads: none of its own.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "plans/route.h"

namespace migrator {

class UniqueHolders {
 public:
  UniqueHolders(const Endpoints& endpoints, Interrupt& interrupt)
      : endpoints_(endpoints), interrupt_(interrupt) {}

  // The keys, as the source has them, of the target's rows that hold a value of these keys' rows in
  // a unique index other than the key's. Some may be among the keys themselves. Rows whose key or
  // value has no form on the other side are left out.
  std::vector<Key> find(const TableRoute& route, Source& source, std::span<const Key> keys);
  // The keys of the next rows that the target has, some `count` of them, behind `after`; which
  // becomes the target's own key of the last one, or absent at the end. Throws Error(permanent)
  // where there is no way back from the key's types.
  std::vector<Key> next_keys(const TableRoute& route, Source& source, std::optional<Key>& after,
                             std::uint64_t count);
  // The session to the target is lost.
  void close() { reader_.close(); }

 private:
  void open();
  // The columns of the route that the index is on; empty if one of them does not travel.
  static std::vector<std::size_t> columns_of(const TableRoute& route,
                                             const std::vector<std::string>& index);
  void find_by(const TableRoute& route, const std::vector<std::size_t>& columns, Source& source,
               std::span<const Key> keys, std::vector<Key>& holders);

  const Endpoints& endpoints_;
  Interrupt& interrupt_;
  Opened<Source> reader_;  // of the target
};

}  // namespace migrator
