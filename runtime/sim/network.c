/* network.c: what the simulated network is like: how long segments take, how much is under way, and what the program
 * does to it (tr_sim_link_...).
 *
 * Latency and capacity are drawn for each seed, and anew around that for each connection: some seeds have a network
 * without latency and large buffers, others one that is slower than everything else and gives back-pressure at once. */
#include "sim/link.h"
#include "sim/machine.h"

#include <errno.h>

enum { CONDITIONS_MOST = 64 };

/* What the program has said of a port. */
struct condition {
    int port; /* 0: all */
    int64_t delay_ns;
    bool parted;
};

static struct condition conditions[CONDITIONS_MOST];
static unsigned condition_count;
static int64_t latency_ns;
static size_t capacity;

uint32_t sim_network_choose(uint32_t below) { return (uint32_t)(((sim_draw(&machine.network) >> 32) * below) >> 32); }

/* Around the average: half of it to one and a half. */
static int64_t around(int64_t average)
{
    return average <= 0 ? 0 : average / 2 + (int64_t)(sim_draw(&machine.network) % ((uint64_t)average + 1));
}

void sim_network_start(void)
{
    static const int64_t latencies_ns[] = { 0, 2000, 20000, 200000, 2000000, 20000000 };
    static const size_t capacities[] = { 512, 4096, 16384, 65536, 262144 };
    condition_count = 0;
    latency_ns = latencies_ns[sim_network_choose(TR_COUNT(latencies_ns))];
    capacity = capacities[sim_network_choose(TR_COUNT(capacities))];
    if (machine.options.latency_ns != 0)
        latency_ns = machine.options.latency_ns;
    if (machine.options.buffer_bytes > 0)
        capacity = machine.options.buffer_bytes;
}

bool sim_network_ideal(void) { return latency_ns < 0; }

int64_t sim_network_latency(void) { return around(latency_ns); }

size_t sim_network_capacity(void) { return capacity / 2 + 1 + sim_network_choose((uint32_t)capacity); }

/* ---- conditions */

static bool concerns(const struct condition *condition, const struct sim_link *link)
{
    return !link->local && (condition->port == 0 || condition->port == link->name[CLIENT].port ||
                            condition->port == link->name[SERVER].port);
}

int64_t sim_network_delay(const struct sim_link *link)
{
    int64_t delay_ns = around(link->latency_ns);
    for (unsigned i = 0; i < condition_count; i++)
        if (concerns(&conditions[i], link))
            delay_ns += conditions[i].delay_ns;
    return delay_ns;
}

bool sim_network_parted(const struct sim_link *link)
{
    for (unsigned i = 0; i < condition_count; i++)
        if (conditions[i].parted && concerns(&conditions[i], link))
            return true;
    return false;
}

static struct condition *condition_of(int port)
{
    for (unsigned i = 0; i < condition_count; i++)
        if (conditions[i].port == port)
            return &conditions[i];
    if (condition_count == CONDITIONS_MOST)
        sim_fail("the program has said something of %d ports already", CONDITIONS_MOST);
    conditions[condition_count] = (struct condition){ .port = port };
    return &conditions[condition_count++];
}

/* ---- for the program */

TR_API int tr_sim_link_cut(int port)
{
    const struct condition wanted = { .port = port };
    int count = 0;
    sim_point();
    for (struct sim_link *link = sim_links; link != NULL; link = link->next)
        if (concerns(&wanted, link) && !link->end[CLIENT].reset && !link->end[SERVER].reset) {
            sim_link_cut(link);
            count++;
        }
    return count;
}

TR_API void tr_sim_link_delay(int port, int64_t delay_ns)
{
    sim_trace_note("delay-all", (uint64_t)port, (uint64_t)delay_ns);
    condition_of(port)->delay_ns = delay_ns < 0 ? 0 : delay_ns;
}

TR_API void tr_sim_link_part(int port)
{
    sim_trace_note("part", (uint64_t)port, 0);
    condition_of(port)->parted = true;
}

TR_API void tr_sim_link_heal(int port)
{
    sim_trace_note("heal", (uint64_t)port, 0);
    if (port == 0)
        condition_count = 0;
    else
        *condition_of(port) = (struct condition){ .port = port };
    for (struct sim_link *link = sim_links; link != NULL; link = link->next)
        if (!sim_network_parted(link))
            sim_link_release(link);
}
