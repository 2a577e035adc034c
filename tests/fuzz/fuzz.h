/* fuzz.h: what a fuzz target is: one function that takes any bytes at all and comes back.
 *
 * Linked with libFuzzer (clang, preset fuzz, tools/fuzz) it is driven by coverage; elsewhere driver.c calls it with the
 * seeds of seeds/TARGET and with mutations of them. A target's own checks abort: both count that as a find. */
#ifndef TROUPE_TESTS_FUZZ_H
#define TROUPE_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOLDS(condition) ((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))

__attribute__((noreturn, unused)) static void fuzz_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: HOLDS(%s) failed\n", file, line, what);
    abort();
}

/* The input as a string of its own: to be freed. */
__attribute__((unused)) static char *fuzz_text(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    HOLDS(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

#endif
