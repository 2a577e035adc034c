/* trace.c: the trace of a run: what happened in which order. Its hash is what two runs of a seed are compared by; its
 * text (TR_SIM_TRACE=file) is for people, and the same byte for byte.
 *
 * Events: who runs next (a switch), and those of the flight recorder, in which processes have their numbers. */
#include "sim/machine.h"

#include "base/trace.h"

#include <stdlib.h>

static const char *kind_name(unsigned kind)
{
    switch (kind) {
#define TRACE_X(kind_, number, name, word) \
    case kind_: return name;
        TRACE_KINDS(TRACE_X)
#undef TRACE_X
    default: return "?";
    }
}

static void mix(uint64_t word)
{
    machine.hash = (machine.hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    machine.hash ^= machine.hash >> 29;
}

void sim_trace_start(void)
{
    const char *path = getenv("TR_SIM_TRACE");
    machine.hash = UINT64_C(0x54524f555045);
    machine.trace = path == NULL ? NULL : fopen(path, "we");
}

void sim_trace_end(void)
{
    if (machine.trace != NULL)
        fclose(machine.trace);
    machine.trace = NULL;
}

void sim_trace_note(const char *kind, uint64_t a, uint64_t b)
{
    machine.events++;
    for (const char *at = kind; *at != '\0'; at++)
        mix((unsigned char)*at);
    mix(a);
    mix(b);
    if (machine.trace != NULL)
        fprintf(machine.trace, "%12lld %3u %s %llu %llu\n", (long long)(sim_now() - machine.start_ns),
                machine.current->id, kind, (unsigned long long)a, (unsigned long long)b);
}

/* A label's address differs from process to process: only that there was one. */
void sim_event(unsigned kind, uint64_t word)
{
    if (machine.running)
        sim_trace_note(kind_name(kind), kind == TRACE_LABEL ? 0 : word, machine.current->id);
}
