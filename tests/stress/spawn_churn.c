/* spawn_churn.c: processes that come and go as fast as they can, from many spawners, straight-line and handler-style,
 * blocked and never blocked: all are counted, and the memory stays flat. */
#include "stress.h"

static void dies_young(const tr_msg *arg) { (void)arg; }

static void blocks_once(const tr_msg *arg)
{
    (void)arg;
    tr_receive(1);
}

static void waits_for_go(const tr_msg *arg)
{
    (void)arg;
    await(GO);
}

static int ends_on_go(void *state, const tr_msg *message)
{
    (void)state;
    return tr_tag(message) == GO ? tr_stop(TR_NORMAL) : TR_OK;
}

static const tr_actor handler = { .state_size = 200, .handle = ends_on_go };

static void spawn_some(struct dice *dice, int64_t count)
{
    for (int64_t i = 0; i < count; i++) {
        switch (roll(dice, 5)) {
        case 0: tr_spawn(dies_young, NULL, 0); break;
        case 1: tr_spawn(blocks_once, NULL, 0); break;
        case 2: tr_send(tr_spawn(waits_for_go, NULL, 0), GO, NULL, 0); break;
        case 3: tr_send(tr_spawn_actor(&handler, NULL, 0, NULL), GO, NULL, 0); break;
        default: tr_exit_signal(tr_spawn(waiter, NULL, 0), TR_KILL);
        }
        if (i % 64 == 0)
            tr_yield();
    }
}

static void spawner(const tr_msg *arg)
{
    struct dice dice = dice_of(*(const uint64_t *)tr_expect(arg, sizeof(uint64_t)));
    spawn_some(&dice, setting("count") / setting("spawners"));
}

static void round_of_spawners(uint64_t round)
{
    int64_t spawners = setting("spawners");
    tr_ref *monitors = tr_alloc((size_t)spawners * sizeof *monitors);
    for (int64_t i = 0; i < spawners; i++) {
        uint64_t number = round * 1000 + (uint64_t)i;
        tr_spawn_monitor(spawner, &number, sizeof number, &monitors[i]);
    }
    for (int64_t i = 0; i < spawners; i++)
        MUST_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
    tr_free(monitors);
}

static void churn(void)
{
    size_t before = processes_now(),
           least[2] = { SIZE_MAX, SIZE_MAX }; /* the least: what is on its way back comes on top, at times */
    int64_t rounds = setting("rounds");
    for (int64_t i = 0; i < rounds; i++) {
        round_of_spawners((uint64_t)i);
        must_count(before);
        size_t memory = memory_now();
        if (memory < least[i >= rounds / 2])
            least[i >= rounds / 2] = memory;
    }
    must_be_flat(least[0], least[1]);
}

int main(int argc, char **argv)
{
    known("count", 10000);
    known("rounds", 12);
    known("spawners", 8);
    return stress_main(argc, argv, churn);
}
