// A database as an application names it to the shim: made by postgres_at(), mysql_at() or
// sqlite_at() of the header of that name, so that a program links the client libraries of what it
// uses and no other.
#pragma once

#include <string>
#include <vector>

namespace migrator {

class Adapter;

struct Database {
  const Adapter* adapter = nullptr;
  std::string url;  // may hold a password; never logged
  // Run on every connection that the shim opens here, as the application's own would be set up:
  // "PRAGMA foreign_keys = ON", "SET lock_timeout = '2s'". Not what changes how values are printed
  // or where tables are looked for (DateStyle, TimeZone, search_path): keys would be spelled
  // otherwise.
  std::vector<std::string> session_sql;
};

}  // namespace migrator
