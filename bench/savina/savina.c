/* savina.c: what the programs share: starting actors, numbers by chance, checks. */
#include "savina.h"

#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tr_pid savina_start(const tr_actor *actor, const void *state) { return bench_start(actor, state, actor->state_size); }

int savina_begin(void *state, const tr_msg *arg)
{
    memcpy(state, tr_body(arg), tr_size(arg));
    return TR_OK;
}

tr_pid savina_start_with(const tr_actor *actor, const void *state, const void *more, size_t size)
{
    char *arg = savina_alloc(actor->state_size + size);
    memcpy(arg, state, actor->state_size);
    memcpy(arg + actor->state_size, more, size);
    tr_pid pid = bench_start(actor, arg, actor->state_size + size);
    tr_free(arg);
    return pid;
}

const void *savina_begin_with(void *state, size_t state_size, const tr_msg *arg)
{
    memcpy(state, tr_body(arg), state_size);
    return (const char *)tr_body(arg) + state_size;
}

void *savina_constant(size_t size)
{
    static struct constant {
        struct constant *before; /* all that there are: a search for leaks finds them */
        _Alignas(16) unsigned char bytes[];
    } * latest;
    struct constant *constant = calloc(1, sizeof *constant + size);
    if (constant == NULL)
        tr_exit(tr_because(TR_WHY_STATUS, TR_ENOMEM, "no memory"));
    constant->before = latest;
    latest = constant;
    return constant->bytes;
}

void savina_refuse(const char *needed)
{
    fprintf(stderr, "troupe bench: wrong parameters: this needs %s\n", needed);
    tr_exit(tr_because(TR_WHY_USER, 2, "wrong parameters"));
}

void *savina_alloc(size_t size)
{
    void *memory = tr_alloc(size);
    if (memory == NULL)
        tr_exit(tr_because(TR_WHY_STATUS, TR_ENOMEM, "no memory"));
    return memory;
}

const void *savina_await(int tag, size_t size)
{
    return tr_expect(tr_receive_match(&(tr_match){ .tag = tag }, TR_INFINITY), size);
}

uint64_t savina_mix(uint64_t value) { return kernel_mix(value); }

uint64_t savina_random(uint64_t *seed) { return kernel_random(seed); }

uint64_t savina_below(uint64_t *seed, uint64_t limit) { return savina_random(seed) % limit; }

uint64_t savina_busy(uint64_t steps)
{
    uint64_t seed = steps, sum = 0;
    while (steps-- > 0)
        sum += savina_random(&seed);
    return sum;
}

uint64_t savina_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

void savina_verify_near(const char *what, double got, double want, double tolerance)
{
    if (fabs(got - want) <= tolerance)
        return;
    fprintf(stderr, "troupe bench: wrong result: %s is %.17g, not %.17g\n", what, got, want);
    tr_exit(tr_because(TR_WHY_USER, 1, "wrong result: %s", what));
}
