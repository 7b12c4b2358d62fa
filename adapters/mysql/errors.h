// What a MySQL or MariaDB error number means for the work in hand.
#pragma once

#include <string>
#include <string_view>

#include "migrator/include/migrator/error.h"

namespace migrator::mysql {

// Numbers that more than the classifier asks for. (mysqld_error.h of the two clients differ in what
// they define, so the few that matter are named here.)
inline constexpr unsigned kErrorDuplicateEntry = 1062;
inline constexpr unsigned kErrorInterrupted = 1317;
inline constexpr unsigned kErrorServerGone = 2006;
inline constexpr unsigned kErrorServerLost = 2013;

// The one classifier. `message` is the server's; values of rows in it are replaced by '***'.
// `doing` is a short phrase put before it ("reading shop.orders"), or "".
Error classify(unsigned number, std::string_view sqlstate, std::string_view message,
               std::string_view doing = {});

// For an error in answer to COMMIT: in_doubt wherever the server may have committed and could not
// say so.
Error classify_commit(unsigned number, std::string_view sqlstate, std::string_view message);

// The message without the values that it quotes; names of keys, columns and tables stay.
std::string without_values(unsigned number, std::string_view message);

}  // namespace migrator::mysql
