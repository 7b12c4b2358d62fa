// The parts of the PostgreSQL backend that need no server: the classifier, the codecs, types, DDL.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "adapters/codec.h"
#include "adapters/postgres/adapter.h"
#include "adapters/postgres/codec_binary.h"
#include "adapters/postgres/codec_text.h"
#include "adapters/postgres/dialect.h"
#include "adapters/postgres/errors.h"
#include "adapters/postgres/source.h"
#include "adapters/postgres/types.h"

namespace migrator::postgres {

using std::string_literals::operator""s;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

inline Column column(const std::string& name, const std::string& type) {
  return dialect().column_of_type(name, type);
}

inline Diagnostic diagnostic(const std::string& sqlstate, const std::string& message = "message") {
  return {sqlstate, "ERROR", message, "", "", "", ""};
}

}  // namespace migrator::postgres
