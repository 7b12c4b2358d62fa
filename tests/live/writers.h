// Writers that do to two tables what applications do: insert, update, delete, change keys, and swap
// unique values between two rows, each in a transaction, all at once, at random from a seed. By SQL
// of their own, or through the shim.
//
//   items(id bigint key, u int unique, v text, n int)
//   docs(k varchar(40) key, body text)
//
// Threads: one for each writer; the object is its owner's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "adapters/adapter.h"
#include "migrator/shim.h"

namespace migrator::test {

// The tables, for any engine; the unique index is part of them.
std::string writers_tables(Engine engine);

// What the shim opens.
Database database_at(const std::string& url);

struct WriterOptions {
  int threads = 8;
  int keys = 3000;  // items that there are at first; ids go up to twice that
  unsigned seed = 1;
  std::chrono::microseconds pause{500};  // between two transactions of one writer
};

// One transaction, which the dice decide; false if it had nothing to do and was rolled back. Throws
// Error, and is over then.
using WriterAct = std::function<bool(std::uint64_t dice)>;
// Makes it for the thread of this number; again where its connection is lost.
using WriterMaker = std::function<WriterAct(int number)>;

WriterMaker sql_writer(const Url& source, const WriterOptions& options);
// The shim outlives it.
WriterMaker shim_writer(Shim& shim, const Url& source, const WriterOptions& options);

class Writers {
 public:
  // The rows there are at first. In a session of its own.
  static void fill(const Url& source, const WriterOptions& options);

  Writers(WriterMaker maker, const WriterOptions& options);
  ~Writers();

  // Ends them, each after its transaction in hand. Throws what one of them did not expect.
  void stop();
  std::uint64_t commits() const { return commits_; }

 private:
  void work(const std::stop_token& stop, int number);

  const WriterMaker maker_;
  const WriterOptions options_;
  std::atomic<std::uint64_t> commits_{0};
  std::atomic<bool> failed_{false};
  std::string failure_;
  std::vector<std::jthread> threads_;
};

}  // namespace migrator::test
