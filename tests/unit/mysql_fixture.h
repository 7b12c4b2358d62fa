#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "adapters/mysql/adapter.h"
#include "adapters/mysql/catalog.h"
#include "adapters/mysql/codec.h"
#include "adapters/mysql/connection.h"
#include "adapters/mysql/dialect.h"
#include "adapters/mysql/errors.h"
#include "adapters/mysql/key_range.h"
#include "adapters/mysql/load_data.h"
#include "adapters/mysql/native_type.h"
#include "adapters/mysql/source.h"
#include "adapters/mysql/value_encoder.h"

namespace migrator::mysql {

inline Column column(const std::string& name, const std::string& native, bool nullable = true) {
  Column c = common_dialect().column_of_type(name, native);
  c.nullable = nullable;
  return c;
}

template <typename Work>
inline Error error_of(const Work& work) {
  try {
    work();
  } catch (const Error& error) {
    return error;
  }
  return Error(ErrorKind::invariant, "nothing was thrown");
}

}  // namespace migrator::mysql
