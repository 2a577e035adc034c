/* said.h: what is said on stderr, by this process and those that it makes. */
#ifndef TROUPE_TESTS_SIMULATOR_SAID_H
#define TROUPE_TESTS_SIMULATOR_SAID_H

#include "harness.h"

#include <unistd.h>

static char text[65536];
static int stderr_before;
static FILE *heard;

static inline void listen_to_stderr(void)
{
    fflush(stderr);
    heard = tmpfile();
    stderr_before = dup(STDERR_FILENO);
    CHECK(heard != NULL && stderr_before >= 0);
    CHECK(dup2(fileno(heard), STDERR_FILENO) >= 0);
}

static inline const char *what_was_said(void)
{
    fflush(stderr);
    CHECK(dup2(stderr_before, STDERR_FILENO) >= 0);
    close(stderr_before);
    rewind(heard);
    text[fread(text, 1, sizeof text - 1, heard)] = '\0';
    fclose(heard);
    return text;
}

#define CHECK_SAID(part) \
    (strstr(text, (part)) != NULL ? (void)0 : harness_fail(__FILE__, __LINE__, "\"%s\" is not in: %s", (part), text))

#endif
