/* timer_churn.c: timers set, moved, cancelled by their receiver and by others, receivers that die: each timer is
 * delivered or cancelled, exactly one of the two, and never early. */
#include "stress.h"

enum { SLOTS = 64 };

static int64_t started, delivered, cancelled, by_others; /* atomic */

static void count(int64_t *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

/* Timers that anybody may cancel. */
static uint64_t shared[SLOTS];

static void cancel_anothers(struct dice *dice)
{
    tr_timer timer = { __atomic_exchange_n(&shared[roll(dice, SLOTS)], 0, __ATOMIC_ACQ_REL) };
    if (timer.id != 0 && tr_timer_cancel(timer) >= 0)
        count(&by_others);
}

static void take(const tr_msg *message)
{
    int64_t due = *(const int64_t *)tr_expect(message, sizeof due);
    MUST(tr_now_ns() >= due);
    count(&delivered);
}

static void churner(const tr_msg *arg)
{
    struct dice dice = dice_of(*(const uint64_t *)tr_expect(arg, sizeof(uint64_t)));
    tr_timer mine[SLOTS] = { { 0 } };
    for (int64_t i = 0; i < setting("count"); i++) {
        uint32_t slot = roll(&dice, SLOTS);
        if (mine[slot].id != 0 && tr_timer_cancel(mine[slot]) >= 0)
            count(&cancelled);
        int64_t ms = roll(&dice, 20), due = tr_now_ns() + ms * 1000000;
        MUST_EQ(tr_start_timer(ms, tr_self(), &due, sizeof due, &mine[slot]), TR_OK);
        count(&started);
        if (roll(&dice, 4) == 0)
            __atomic_store_n(&shared[roll(&dice, SLOTS)], mine[slot].id, __ATOMIC_RELEASE);
        cancel_anothers(&dice);
        for (const tr_msg *message; (message = tr_receive(roll(&dice, 50) == 0 ? 1 : 0)) != NULL;)
            take(message);
    }
    for (const tr_msg *message; (message = tr_receive(100)) != NULL;) /* the last ones: all are due within 20 ms */
        take(message);
}

/* Dies while timers for it run: what becomes of those is that nothing comes of them. */
static void short_lived(const tr_msg *arg)
{
    struct dice dice = dice_of(*(const uint64_t *)tr_expect(arg, sizeof(uint64_t)));
    for (int i = 0; i < 20; i++)
        MUST_EQ(tr_send_after(roll(&dice, 10), tr_self(), WORD, NULL, 0, NULL), TR_OK);
    tr_sleep(roll(&dice, 8));
}

static void churn(void)
{
    uint64_t processes = (uint64_t)setting("processes");
    tr_ref *monitors = tr_alloc(processes * sizeof *monitors);
    size_t before = processes_now();
    for (uint64_t i = 0; i < processes; i++)
        tr_spawn_monitor(churner, &i, sizeof i, &monitors[i]);
    for (uint64_t i = 0; i < processes * 50; i++) {
        tr_spawn(short_lived, &i, sizeof i);
        if (i % 20 == 0)
            tr_sleep(1);
    }
    for (uint64_t i = 0; i < processes; i++)
        MUST_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
    must_count(before);
    printf("started %" PRId64 " delivered %" PRId64 " cancelled %" PRId64 " by others %" PRId64 "\n", started,
           delivered, cancelled, by_others);
    MUST_EQ(delivered + cancelled + by_others, started);
}

int main(int argc, char **argv)
{
    known("count", 5000);
    known("processes", 12);
    return stress_main(argc, argv, churn);
}
