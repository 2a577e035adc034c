/* unix_path.h: a path for a Unix socket, in a directory of the test's own, and the address that names it. */
#ifndef TROUPE_TESTS_RULES_UNIX_PATH_H
#define TROUPE_TESTS_RULES_UNIX_PATH_H

#include "harness.h"

#include <stdlib.h>

static char directory[64], path[96], address[128];

static inline void make_path(void)
{
    snprintf(directory, sizeof directory, "%s", "/tmp/troupe-socket-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/here", directory);
    snprintf(address, sizeof address, "unix://%s", path);
}

#endif
