// Keys that an earlier version wrote to a journal are read as what they were.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "adapters/adapter.h"

namespace migrator {
namespace {

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

TEST(GoldenJournal, Version1IsRead) {
  std::ifstream file(MIGRATOR_GOLDEN "/journal-v1.tsv");
  int lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    SCOPED_TRACE(line);
    ++lines;
    const std::vector<std::string> fields = split(line, '\t');
    ASSERT_EQ(fields.size(), 4u);
    const Engine engine = fields[0] == "postgres" ? Engine::postgres
                          : fields[0] == "mysql"  ? Engine::mysql
                                                  : Engine::sqlite;
    const Dialect& dialect = adapter_for(engine).dialect();
    std::vector<Column> key;
    for (const std::string& type : split(fields[1], '|')) {
      key.push_back(dialect.column_of_type("k" + std::to_string(key.size()), type));
    }
    EXPECT_EQ(encode_key(dialect.capture().decode(key, fields[2])), fields[3]);
  }
  EXPECT_EQ(lines, 23);
}

}  // namespace
}  // namespace migrator
