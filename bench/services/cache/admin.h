/* admin.h: the commands that a connection runs itself: QUIT RESET HELLO CLIENT COMMAND CONFIG DEBUG. */
#ifndef CACHE_ADMIN_H
#define CACHE_ADMIN_H

#include "connection.h"

/* All before it was answered. Appends the reply to connection->out; false: the connection is over. */
bool admin_run(struct connection *connection, const struct request *request);

#endif
