// Neutral values for tests: the extremes of a type, and how a value looks in another type.
#pragma once

#include <string>
#include <vector>

#include "tests/conformance/rows.h"

namespace migrator::test {

// The least, the greatest and the awkward values of a column's neutral type, as cells, that both
// its own engine and every other can hold.
std::vector<Value> extremes_of(const Column& column, Engine engine, bool negative_zero);

// The cell of one type as the cell of another that stands for the same value: what lies between a
// source's codec and a target's. Throws std::logic_error for a pair of types that no mapping should
// make.
Value converted(const Value& value, const Type& from, const Type& to);

}  // namespace migrator::test
