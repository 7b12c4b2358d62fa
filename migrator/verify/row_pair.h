// A row as both sides have it now, side by side, for somebody who wants to know what differs.
//
// Threads: none of its own.
#pragma once

#include <string>
#include <vector>

#include "migrator/copy/endpoints.h"
#include "migrator/copy/interrupt.h"
#include "plans/route.h"

namespace migrator {

struct RowPair {
  struct Column {
    std::string name;  // the source's
    std::string source,
        target;            // as ValueWords shows them, in the target's types; "" without a row
    bool differs = false;  // and both rows are there
  };
  bool on_source = false, on_target = false;
  std::vector<Column> columns;  // all that are compared

  bool equal() const;
};

// key: in the target's types. Each side is read on a connection of its own, and they are not of one
// moment: while the source is written to they may differ for that alone. Throws Error(permanent)
// where the key may be spelled otherwise on one of the sides, so that not to find it means nothing.
RowPair read_pair(const TableRoute& route, const Endpoints& endpoints, Interrupt& interrupt,
                  const Key& key);

}  // namespace migrator
