// The MySQL side of the reference programs: connections, and the rows of one key range, unbuffered.
#pragma once

#include <mysql.h>

#include "key_streams.h"

// mysql_library_init, which is not safe to be left to the first threads.
void mysql_setup(void);

// A session in UTC, utf8mb4 and without autocommit, over TCP as a remote client would have it.
MYSQL* connect_mysql(unsigned port, const char* database);
void run_mysql(MYSQL* session, const char* sql);

// The rows of the stream's range in key order, as the server sends them (mysql_use_result). Columns
// come in the order of the table. The session is busy until the result is freed.
MYSQL_RES* read_orders(MYSQL* session, const struct key_stream* stream);
