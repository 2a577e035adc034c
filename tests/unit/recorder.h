/* recorder.h: the flight recorder switched on with given settings, and its dump, for the tests of what is recorded and
 * of what becomes of it. */
#ifndef TROUPE_TESTS_UNIT_RECORDER_H
#define TROUPE_TESTS_UNIT_RECORDER_H

#include "base/trace.h"
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PID = 120 | 3 << 26 };

/* file: written at the end (NULL: none). */
static inline void use(const char *classes, const char *events, const char *file)
{
    CHECK_EQ(setenv("TROUPE_TRACE", classes, 1), 0);
    CHECK_EQ(setenv("TROUPE_TRACE_EVENTS", events, 1), 0);
    CHECK_EQ(file == NULL ? unsetenv("TROUPE_TRACE_FILE") : setenv("TROUPE_TRACE_FILE", file, 1), 0);
    trace_start_from_environment();
}

/* What has been recorded until now; the caller closes it. */
static inline FILE *dumped(void)
{
    FILE *file = tmpfile();
    CHECK(file != NULL);
    CHECK_EQ(trace_dump(fileno(file)), 0);
    rewind(file);
    return file;
}

static inline int count_of(const char *text, const char *part)
{
    int count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

#endif
