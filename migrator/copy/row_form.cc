#include "migrator/copy/row_form.h"

#include <algorithm>

namespace migrator {
namespace {

RowLayout first_common(const std::vector<RowLayout>& gives, const std::vector<RowLayout>& takes,
                       const std::string& table) {
  for (const RowLayout& layout : gives) {
    if (std::find(takes.begin(), takes.end(), layout) != takes.end()) return layout;
  }
  throw Error(ErrorKind::invariant, "the two sides share no row layout for " + table).table(table);
}

}  // namespace

RowForm row_form(const TableRoute& route, Source& source, Target& target) {
  RowForm form;
  form.layout = first_common(source.layouts(route.read), target.layouts(route.write), route.name);
  if (form.layout == cells_layout()) {
    form.transcoder =
        std::make_unique<Transcoder>(route.read.columns, route.write.columns, route.name);
  }
  return form;
}

KeyForm key_form(const TableRoute& route, Source& source, Target& target) {
  KeyForm key;
  key.read = route.read;
  key.read.columns = route.read.key;
  const WriteSpec write{route.write.table, route.write.key, route.write.key};
  key.form.layout = first_common(source.key_layouts(key.read), target.layouts(write), route.name);
  if (key.form.layout == cells_layout()) {
    key.form.transcoder = std::make_unique<Transcoder>(route.read.key, route.write.key, route.name);
  }
  return key;
}

void key_rows(const KeyForm& form, Source& source, std::span<const Key> keys, RowBatch& batch) {
  source.key_cells(form.read, keys, form.form.layout, batch);
  if (form.form.transcoder) form.form.transcoder->apply(batch);
}

}  // namespace migrator
