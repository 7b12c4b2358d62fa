// What a PostgreSQL error means to a caller: the classifier, by SQLSTATE, and what of a message may
// be shown. Pure: safe from any thread.
#pragma once

#include <string>
#include <string_view>

#include "migrator/include/migrator/error.h"

namespace migrator::postgres {

// The fields of an error response that are looked at. DETAIL, HINT and CONTEXT are left out on
// purpose: they quote rows ("Key (id)=(5) already exists", "COPY t, line 7: ...").
struct Diagnostic {
  std::string sqlstate;
  std::string severity;  // not localized: ERROR, FATAL, PANIC
  std::string message;
  std::string schema, table, column, constraint;
};

// The Error for it. Scope: session for FATAL and lost connections, else transaction if
// in_transaction. A 57014 whose message does not speak of the statement timeout is `cancelled`.
Error classify(const Diagnostic& diagnostic, bool in_transaction);

// The Error for a statement that ran into statement_timeout, however the server words it.
Error statement_timed_out(bool in_transaction);

// The connection is gone in the middle of things: transient, scope session.
Error connection_lost(std::string_view libpq_message);

// The Error for a connection that could not be made, from libpq's message, in which a server's
// refusal has its SQLSTATE if the connection was opened with PQERRORS_VERBOSE. `where` is the URL,
// masked.
Error connection_failed(std::string_view libpq_message, std::string_view where);

// The message with every row value taken out.
std::string message_without_values(const Diagnostic& diagnostic);

}  // namespace migrator::postgres
