/* crash_storm.c: processes that end in every way, in waves, each accounted for: one DOWN and one EXIT each, with the
 * right reason; spawned = exited + alive; and the memory of the second half is that of the first. */
#include "stress.h"

enum way { RETURNS, EXITS, ASSERTS, UNEXPECTED, KILLED, SHUT, BY_LINK, STOPS, WAYS };

static void subject(const tr_msg *arg)
{
    enum way way = *(const enum way *)tr_expect(arg, sizeof way);
    tr_alloc(100);
    const tr_msg *message = await(GO);
    switch (way) {
    case RETURNS: return;
    case EXITS: tr_exit(tr_because(TR_WHY_USER, 5, "five"));
    case ASSERTS: tr_assert(way != ASSERTS); break;
    case UNEXPECTED: tr_expect(message, 77); break;
    case BY_LINK: tr_spawn_link(subject, &(enum way){ EXITS }, sizeof way); break;
    default: break;
    }
    if (way == BY_LINK) {
        tr_pid *list;
        size_t count;
        MUST_EQ(tr_info_links(tr_self(), &list, &count), TR_OK);
        for (size_t i = 0; i < count; i++)
            if (!tr_same(list[i], tr_parent()))
                tr_send(list[i], GO, NULL, 0); /* the root gets one, too, and passes it over */
        tr_free(list);
    }
    waiter(arg);
}

static int stopping(void *state, const tr_msg *message)
{
    (void)state;
    return tr_tag(message) == GO ? tr_stop(TR_SHUTDOWN) : TR_OK;
}

static const tr_actor stopper = { .label = "stopper", .state_size = 64, .handle = stopping };

static int why_of(enum way way)
{
    static const int why[WAYS] = { TR_WHY_NORMAL, TR_WHY_USER,     TR_WHY_ASSERT, TR_WHY_UNEXPECTED,
                                   TR_WHY_KILLED, TR_WHY_SHUTDOWN, TR_WHY_USER,   TR_WHY_SHUTDOWN };
    return why[way];
}

static void wave(struct dice *dice, int size)
{
    enum way *ways = tr_alloc((size_t)size * sizeof *ways);
    tr_pid *pids = tr_alloc((size_t)size * sizeof *pids);
    tr_ref *monitors = tr_alloc((size_t)size * sizeof *monitors);
    for (int i = 0; i < size; i++) {
        ways[i] = roll(dice, WAYS);
        tr_spawn_options options = { .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitors[i] };
        pids[i] = ways[i] == STOPS ? tr_spawn_actor(&stopper, NULL, 0, &options)
                                   : tr_spawn_with(subject, &ways[i], sizeof ways[i], &options);
    }
    for (int i = 0; i < size; i++)
        if (ways[i] == KILLED || ways[i] == SHUT)
            tr_exit_signal(pids[i], ways[i] == KILLED ? TR_KILL : TR_SHUTDOWN);
        else
            tr_send(pids[i], GO, NULL, 0);
    for (int i = 0; i < size; i++) {
        tr_reason down;
        MUST_EQ(tr_await_down(monitors[i], 60000, &down), TR_OK);
        const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pids[i] },
                                              0); /* EXIT-12: it came before */
        MUST(exit != NULL);
        MUST_EQ(down.why, why_of(ways[i]));
        MUST(tr_reason_same(&down, tr_reason_of(exit)));
    }
    for (const tr_msg *message; (message = tr_receive(0)) != NULL;)
        MUST_EQ(tr_tag(message), GO);
    tr_free(ways);
    tr_free(pids);
    tr_free(monitors);
}

static void storm(void)
{
    struct dice dice = dice_of(1);
    int64_t count = setting("count"), size = setting("wave");
    size_t before = processes_now(),
           least[2] = { SIZE_MAX, SIZE_MAX }; /* the least: what is on its way back comes on top, at times */
    tr_trap_exit(true);
    for (int64_t done = 0; done < count; done += size) {
        wave(&dice, (int)size);
        must_count(before);
        size_t memory = memory_now();
        if (memory < least[done >= count / 2])
            least[done >= count / 2] = memory;
    }
    must_be_flat(least[0], least[1]);
}

int main(int argc, char **argv)
{
    known("count", 20000);
    known("wave", 500);
    return stress_main(argc, argv, storm);
}
