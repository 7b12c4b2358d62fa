#include "key_streams.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { kStreamsMax = 64 };

struct job {
  struct key_stream stream;
  copy_stream copy;
  pthread_t thread;
};

void fail(const char* what, const char* detail) {
  fprintf(stderr, "%s: %s\n", what, detail);
  exit(1);
}

void* grow(void* memory, size_t bytes) {
  void* grown = realloc(memory, bytes);
  if (!grown) fail("realloc", "out of memory");
  return grown;
}

static void* run_job(void* argument) {
  struct job* job = argument;
  job->copy(&job->stream);
  return NULL;
}

int run_key_streams(int argc, char** argv, void (*thread_safe_setup)(void), copy_stream copy) {
  if (argc != 7) {
    fprintf(stderr,
            "usage: %s SOURCE_PORT SOURCE_DATABASE TARGET_PORT TARGET_DATABASE STREAMS ROWS\n",
            argv[0]);
    return 2;
  }
  const int streams = atoi(argv[5]);
  const int64_t rows = atoll(argv[6]);
  if (streams < 1 || streams > kStreamsMax || rows < 1)
    fail("arguments", "1..64 streams, 1 row or more");
  if (thread_safe_setup) thread_safe_setup();

  struct job* jobs = calloc((size_t)streams, sizeof *jobs);
  if (!jobs) fail("calloc", "out of memory");
  for (int i = 0; i < streams; ++i) {
    jobs[i].copy = copy;
    jobs[i].stream = (struct key_stream){.source_port = (unsigned)atoi(argv[1]),
                                         .source_database = argv[2],
                                         .target_port = (unsigned)atoi(argv[3]),
                                         .target_database = argv[4],
                                         .after = rows * i / streams,
                                         .upto = rows * (i + 1) / streams,
                                         .whole = streams == 1};
    if (i + 1 < streams && pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0)
      fail("pthread_create", "no thread");
  }
  run_job(&jobs[streams - 1]);  // the last one runs here: a single stream needs no thread at all
  for (int i = 0; i + 1 < streams; ++i) pthread_join(jobs[i].thread, NULL);
  free(jobs);
  return 0;
}
