// How the rows of a table, and its keys, travel from one session to another: chosen once, from what
// the two engines can do.
#pragma once

#include <memory>

#include "adapters/adapter.h"
#include "migrator/copy/transcoder.h"
#include "plans/route.h"

namespace migrator {

// The layout in which a table's rows travel, and what turns them into the target's types.
struct RowForm {
  RowLayout layout;
  std::unique_ptr<const Transcoder> transcoder;  // null where the layout is wire rows
};
// Sessions of one side are all alike, so this holds for every pair of them.
RowForm row_form(const TableRoute& route, Source& source, Target& target);

// The same for keys, as Target::replace() takes them.
struct KeyForm {
  ReadSpec read;  // of the key's columns alone
  RowForm form;
};
KeyForm key_form(const TableRoute& route, Source& source, Target& target);
// The keys as rows in that form, in the target's types.
void key_rows(const KeyForm& form, Source& source, std::span<const Key> keys, RowBatch& batch);

}  // namespace migrator
