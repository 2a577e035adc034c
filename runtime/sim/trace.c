/* trace.c: the trace of a run: what happened in which order. Its hash is what two runs of a seed are compared by; its
 * text (TR_SIM_TRACE=file) is for people, and the same byte for byte.
 *
 * Events: who runs next (a switch), and those of the flight recorder, in which processes have their numbers. */
#include "sim/machine.h"

#include "base/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* In the hash: beside the numbers of the recorder's kinds. */
#define SWITCH UINT64_C(0x100)

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

void sim_trace_start(void)
{
    const char *path = getenv("TR_SIM_TRACE");
    machine.hash = UINT64_C(0x54524f555045);
    machine.trace = path == NULL ? NULL : fopen(path, "we");
    if (path != NULL && machine.trace == NULL)
        sim_fail("TR_SIM_TRACE: %s: %s", path, strerror(errno));
}

void sim_trace_end(void)
{
    if (machine.trace != NULL)
        fclose(machine.trace);
    machine.trace = NULL;
}

/* `kind` stands for `name` in the hash. */
static void put(uint64_t kind, const char *name, uint64_t a, uint64_t b)
{
    machine.events++;
    machine.hash = mix(mix(mix(machine.hash, kind), a), b);
    if (machine.trace != NULL)
        fprintf(machine.trace, "%12lld %3u %s %llu %llu\n", (long long)(sim_now() - machine.start_ns),
                machine.current->id, name, (unsigned long long)a, (unsigned long long)b);
}

void sim_trace_note(const char *kind, uint64_t a, uint64_t b)
{
    uint64_t hash = 0;
    for (const char *at = kind; *at != '\0'; at++)
        hash = mix(hash, (unsigned char)*at);
    put(hash, kind, a, b);
}

void sim_trace_switch(const struct sim_thread *next)
{
    put(SWITCH, "run", next->id, (uint64_t)(machine.now_ns - machine.start_ns));
}

/* A label's address differs from process to process: only that there was one. */
void sim_event(unsigned kind, uint64_t word)
{
    if (machine.running)
        put(kind, machine.trace == NULL ? NULL : trace_kind_name(kind), kind == TRACE_LABEL ? 0 : word,
            machine.current->id);
}
