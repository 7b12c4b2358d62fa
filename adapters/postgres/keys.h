// Ranges of keys as SQL. Bounds are rendered by the driver's escaping and cast to the column's
// type, because COPY cannot bind; comparison and order are the database's own, by the column's
// collation.
#pragma once

#include <span>
#include <string>

#include "adapters/adapter.h"
#include "adapters/postgres/connection.h"

namespace migrator::postgres {

// The value as the server reads it for the column's type.
std::string key_text(const Column& column, const Value& value);
// The value as a literal of the column's type: '2024-02-29'::date.
std::string key_literal(const Connection& connection, const Column& column, const Value& value);

// The condition for (lower, upper], or "" if neither is there. Throws Error(invariant) if a bound
// has not a value that is not NULL for each column of the key.
std::string range_condition(const Connection& connection, const std::vector<Column>& key,
                            const KeyRange& range);

// "'1'::bigint, 'a'::text"
std::string key_literals(const Connection& connection, const std::vector<Column>& key,
                         const Key& values);

// The condition for having one of these keys. REQUIRES: at least one.
std::string key_condition(const Connection& connection, const std::vector<Column>& key,
                          std::span<const Key> keys);

// " ORDER BY" for the key: in the order of the database, or in the canonical one of ReadOrder.
std::string order_clause(const Connection& connection, const std::vector<Column>& key,
                         ReadOrder order, bool descending = false);

}  // namespace migrator::postgres
