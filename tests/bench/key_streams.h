// The frame of a reference program: N threads, each of which copies one equal part of the key
// range.
//
// A program is called as
//   PROGRAM SOURCE_PORT SOURCE_DATABASE TARGET_PORT TARGET_DATABASE STREAMS ROWS
// with both servers on 127.0.0.1, user "bench" without a password, and the table `orders` with the
// keys 1 .. ROWS on the source and empty on the target. It exits 0 when every stream has committed,
// else 1 with a line on stderr that says which call failed.
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ORDERS_COLUMNS 10
#define BENCH_HOST "127.0.0.1"
#define BENCH_USER "bench"

struct key_stream {
  unsigned source_port;
  const char* source_database;
  unsigned target_port;
  const char* target_database;
  // The keys after < id <= upto. A single stream has whole == 1 and reads the table without a
  // condition.
  int64_t after;
  int64_t upto;
  int whole;
};

// Copies one range and commits once at its end, as the plain tools do. Ends the process on any
// error.
typedef void (*copy_stream)(const struct key_stream* stream);

// The main() of every program. `thread_safe_setup` is called once before the threads start; may be
// NULL.
int run_key_streams(int argc, char** argv, void (*thread_safe_setup)(void), copy_stream copy);

// Prints "what: detail" and ends the process with 1.
_Noreturn void fail(const char* what, const char* detail);

// malloc and realloc that end the process when there is no memory.
void* grow(void* memory, size_t bytes);
