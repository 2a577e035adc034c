/* counts.h: outcomes of a scenario, and how often each was seen. No pointers, so that it may lie in shared memory. */
#ifndef TROUPE_TESTS_DIFFERENTIAL_COUNTS_H
#define TROUPE_TESTS_DIFFERENTIAL_COUNTS_H

#include <stdbool.h>
#include <stddef.h>

enum { OUTCOME_SIZE = 4096, OUTCOMES_MOST = 4096 };

struct counts {
    size_t count;
    struct {
        long times;
        char text[OUTCOME_SIZE];
    } each[OUTCOMES_MOST];
};

/* False: there is no room for another one. */
bool counts_add(struct counts *counts, const char *outcome);
/* Prints them as the checks read them, in the order of their texts, and empties it. */
void counts_print(struct counts *counts);

#endif
