/* counts.c: outcomes and how often each was seen. */
#include "counts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool counts_add(struct counts *counts, const char *outcome)
{
    size_t at = 0;
    while (at < counts->count && strcmp(counts->each[at].text, outcome) != 0)
        at++;
    if (at == OUTCOMES_MOST)
        return false;
    if (at == counts->count) {
        counts->count++;
        counts->each[at].times = 0;
        snprintf(counts->each[at].text, sizeof counts->each[at].text, "%s", outcome);
    }
    counts->each[at].times++;
    return true;
}

static const struct counts *sorted;

static int by_text(const void *a, const void *b)
{
    return strcmp(sorted->each[*(const size_t *)a].text, sorted->each[*(const size_t *)b].text);
}

void counts_print(struct counts *counts)
{
    static size_t order[OUTCOMES_MOST];
    for (size_t i = 0; i < counts->count; i++)
        order[i] = i;
    sorted = counts;
    qsort(order, counts->count, sizeof *order, by_text);
    for (size_t i = 0; i < counts->count; i++)
        printf("outcome %ld %s\n", counts->each[order[i]].times, counts->each[order[i]].text);
    counts->count = 0;
    fflush(stdout);
}
