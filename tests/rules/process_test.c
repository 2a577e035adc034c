/* process_test.c: processes, pids, references: PROC. */
#include "support.h"

static void pid_reuse(void);
TEST(process, pid_of_the_dead_is_never_anothers) { run(pid_reuse); }
static void pid_reuse(void)
{
    tr_pid first = dead_pid();
    int met = 0;
    for (int i = 0; i < 20000; i++)
        met += tr_same(first, tr_spawn(waiter, NULL, 0)) ||
               (i % 1000 == 0 && end_with(tr_spawn(waiter, NULL, 0), TR_KILL).why != TR_WHY_KILLED);
    RULE("PROC-01");
    CHECK_EQ(met, 0);
    CHECK(!tr_is_alive(first));
    CHECK_EQ(tr_send(first, WORD, NULL, 0), TR_OK);
}

static void recycled_pid(void);
TEST(process, pid_differs_though_its_place_is_used_again) { run(recycled_pid); }
static void recycled_pid(void)
{
    tr_pid old[64] = { { 0 } };
    int met = 0;
    for (int i = 0; i < 20000; i++) {
        tr_pid pid = dead_pid();
        for (size_t j = 0; j < TR_COUNT(old); j++)
            met += tr_same(old[j], pid);
        old[i % (int)TR_COUNT(old)] = pid;
    }
    RULE("PROC-01");
    CHECK_EQ(met, 0);
}

static int compare_refs(const void *a, const void *b)
{
    const tr_ref *left = a, *right = b;
    return left->serial < right->serial ? -1 : left->serial > right->serial;
}

static void unique_refs(void);
TEST(process, references_are_unique) { run(unique_refs); }
static void unique_refs(void)
{
    enum { REFS = 10000 };
    static tr_ref refs[REFS];
    tr_pid target = tr_spawn(waiter, NULL, 0);
    for (int i = 0; i < REFS; i++) {
        refs[i] = i % 2 == 0 ? tr_alias() : tr_monitor(target);
        if (i % 2 == 0)
            tr_unalias(refs[i]);
        else
            tr_demonitor(refs[i], true);
    }
    qsort(refs, REFS, sizeof *refs, compare_refs);
    int same = 0;
    for (int i = 1; i < REFS; i++)
        same += tr_same_ref(refs[i - 1], refs[i]);
    RULE("PROC-02");
    CHECK_EQ(same, 0);
}

static void crash_at_once(const tr_msg *arg)
{
    (void)arg;
    tr_assert(arg == NULL);
}

static void spawn_of_a_crasher(void);
TEST(process, spawn_succeeds_whatever_the_child_does) { run(spawn_of_a_crasher); }
static void spawn_of_a_crasher(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(crash_at_once, NULL, 0, &monitor);
    RULE("PROC-03");
    CHECK(!tr_nobody(pid));
    CHECK_EQ(await_down(monitor).why, TR_WHY_ASSERT);
}

static void spawn_races(void);
TEST(process, link_and_monitor_are_made_with_the_process) { race(spawn_races); }
static void spawn_races(void)
{
    int wrong = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_reason reason = because(i);
        tr_ref monitor;
        tr_pid pid = tr_spawn_with(
            ender, &reason, sizeof reason,
            &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
        tr_reason exit = await_exit(pid), down = await_down(monitor);
        wrong += !tr_reason_same(&exit, &reason) || !tr_reason_same(&down, &reason);
    }
    RULE("PROC-04");
    CHECK_EQ(wrong, 0);
    CHECK(mailbox_empty());
}

/* Spawns a linked child that would wait for ever, says who it is, and ends. */
static void short_parent(const tr_msg *arg)
{
    tr_pid child = tr_spawn_link(waiter, NULL, 0);
    tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), WORD, &child, sizeof child);
    tr_exit(TR_SHUTDOWN);
}

static void no_orphans(void);
TEST(process, child_hears_of_a_parent_that_ends_at_once) { race(no_orphans); }
static void no_orphans(void)
{
    tr_pid self = tr_self();
    int orphans = 0;
    for (int i = 0; i < RACES; i++) {
        tr_spawn(short_parent, &self, sizeof self);
        tr_reason reason;
        orphans += tr_await_down(tr_monitor(RECEIVE(tr_pid, WORD)), 10000, &reason) != TR_OK;
    }
    RULE("PROC-05");
    CHECK_EQ(orphans, 0);
}

static void return_at_once(const tr_msg *arg) { (void)arg; }

static void ends(void);
TEST(process, ends_by_return_exit_error_and_signal) { run(ends); }
static void ends(void)
{
    tr_ref monitor;
    RULE("PROC-06");
    tr_spawn_monitor(return_at_once, NULL, 0, &monitor);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
    tr_reason mine = because(7);
    tr_spawn_monitor(ender, &mine, sizeof mine, &monitor);
    mine = await_down(monitor);
    CHECK_EQ(mine.code, 7);
    CHECK_STR(mine.text, "7");
    tr_spawn_monitor(crash_at_once, NULL, 0, &monitor);
    CHECK_EQ(await_down(monitor).why, TR_WHY_ASSERT);
    CHECK_EQ(end_with(tr_spawn(waiter, NULL, 0), TR_KILL).why, TR_WHY_KILLED);
}

static void no_entry(void);
TEST(process, without_an_entry_it_is_spawned_and_dies) { run(no_entry); }
static void no_entry(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_monitor(NULL, NULL, 0, &monitor);
    RULE("PROC-07");
    CHECK(!tr_nobody(pid));
    tr_reason reason = await_down(monitor);
    CHECK(!tr_reason_clean(&reason));
}

static void unread(void);
TEST(process, unread_messages_end_with_their_receiver) { run(unread); }
static void unread(void)
{
    tr_pid pid = spawn_ender_on_go(1);
    char body[1000] = { 0 };
    for (int i = 0; i < 100; i++)
        tr_send(pid, WORD, body, 10 * (size_t)i);
    go(pid);
    await_end(pid);
    RULE("PROC-08"); /* that none is leaked, AddressSanitizer says */
    CHECK(mailbox_empty());
}

static int cleaned, ended_runs;

static void clean(void *arg) { __atomic_fetch_add(&cleaned, *(const int *)arg, __ATOMIC_RELAXED); }

static const int one = 1, ten = 10;

static int tidy_start(void *state, const tr_msg *arg)
{
    (void)state;
    (void)arg;
    return tr_defer(clean, (void *)(uintptr_t)&one);
}

static int tidy_handle(void *state, const tr_msg *message)
{
    (void)state;
    return tr_tag(message) == GO ? tr_stop(TR_SHUTDOWN) : TR_OK;
}

static void tidy_ended(void *state, const tr_reason *reason)
{
    (void)state;
    (void)reason;
    __atomic_fetch_add(&ended_runs, 1, __ATOMIC_RELAXED);
}

static const tr_actor tidy_actor = { .start = tidy_start, .handle = tidy_handle, .ended = tidy_ended };

static void handlers_at_the_end(void);
TEST(process, handlers_run_at_its_own_end_and_deferred_cleanups_at_every_end) { run(handlers_at_the_end); }
static void handlers_at_the_end(void)
{
    __atomic_store_n(&cleaned, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&ended_runs, 0, __ATOMIC_RELAXED);
    tr_pid pid = tr_spawn_actor(&tidy_actor, NULL, 0, NULL);
    tr_ref monitor = tr_monitor(pid);
    go(pid);
    await_down(monitor);
    RULE("PROC-09");
    CHECK_EQ(__atomic_load_n(&ended_runs, __ATOMIC_RELAXED), 1);
    CHECK_EQ(__atomic_load_n(&cleaned, __ATOMIC_RELAXED), 1);
    CHECK_EQ(tr_start_actor(&tidy_actor, NULL, 0, NULL, &pid), TR_OK);
    end_with(pid, TR_KILL);
    RULE("PROC-09");
    CHECK_EQ(__atomic_load_n(&ended_runs, __ATOMIC_RELAXED), 1);
    CHECK_EQ(__atomic_load_n(&cleaned, __ATOMIC_RELAXED), 2);
}

static void keeper(const tr_msg *arg)
{
    (void)arg;
    char *memory = tr_alloc(100000);
    memory = tr_realloc(memory, 200000);
    memset(memory, 1, 200000);
    tr_alloc(10);
    CHECK_EQ(tr_defer(clean, (void *)(uintptr_t)&one), TR_OK);
    CHECK_EQ(tr_defer(clean, (void *)(uintptr_t)&ten), TR_OK);
    waiter(arg);
}

static void ledger(void);
TEST(process, what_it_owns_is_released_when_it_is_killed) { run(ledger); }

/* What a clean-up does that is neither blocking nor sending nor exiting is allowed, whatever else is on its way. */
static void lets_go(void *arg)
{
    tr_unlink(*(tr_pid *)arg);
    tr_trap_exit(false);
}
static void ends_with_a_clean_up(const tr_msg *arg)
{
    static tr_pid nobody_now;
    (void)arg;
    nobody_now = tr_parent();
    CHECK_EQ(tr_defer(lets_go, &nobody_now), TR_OK);
    dawdle();
}
static void clean_up_and_signal(void)
{
    for (int i = 0; i < RACES / 5; i++) {
        tr_ref monitor;
        tr_pid pid = tr_spawn_monitor(ends_with_a_clean_up, NULL, 0, &monitor);
        dawdle();
        tr_exit_signal(pid, TR_KILL);
        RULE("EXIT-05");
        int why = await_down(monitor).why;
        CHECK(why == TR_WHY_NORMAL || why == TR_WHY_KILLED);
    }
}
TEST(process, a_clean_up_is_not_disturbed_by_a_signal) { race(clean_up_and_signal); }
static void ledger(void)
{
    __atomic_store_n(&cleaned, 0, __ATOMIC_RELAXED);
    tr_pid pid = tr_spawn(keeper, NULL, 0);
    tr_sleep(5);
    end_with(pid, TR_KILL);
    RULE("PROC-09");
    CHECK(__atomic_load_n(&cleaned, __ATOMIC_RELAXED) % 11 == 0); /* both, or it had not begun */
}

static void spinner(const tr_msg *arg)
{
    int way = *(const int *)tr_expect(arg, sizeof(int));
    tr_pid nobody = dead_pid();
    for (;;) {
        if (way == 0)
            tr_yield();
        else if (way == 1)
            tr_send(nobody, WORD, NULL, 0);
        else if (way == 2)
            tr_receive(0);
        else
            tr_sleep(0);
    }
}

static void endless_loops(void);
TEST(process, endless_loop_with_cancellation_points_dies_of_a_signal) { run(endless_loops); }
static void endless_loops(void)
{
    for (int way = 0; way < 4; way++) {
        tr_pid pid = tr_spawn(spinner, &way, sizeof way);
        tr_sleep(2);
        RULE("PROC-10");
        CHECK_EQ(end_with(pid, TR_SHUTDOWN).why, TR_WHY_SHUTDOWN);
    }
}

static void dictionary(void);
TEST(process, dictionary_gives_the_old_value_back) { run(dictionary); }
static void dictionary(void)
{
    static int a, b;
    char key[8] = "key";
    RULE("PROC-11");
    CHECK(tr_put(key, &a) == NULL);
    key[0] = 'x'; /* it was copied */
    CHECK(tr_get("key") == &a);
    CHECK(tr_put("key", &b) == &a);
    CHECK(tr_put("key", NULL) == &b);
    CHECK(tr_get("key") == NULL);
}

static void first_life(const tr_msg *arg)
{
    static int value;
    (void)arg;
    tr_put("private", &value);
    await_tag(GO);
}

static void own_dictionaries(void);
TEST(process, dictionary_is_its_own) { run(own_dictionaries); }
static void own_dictionaries(void)
{
    tr_pid pid = tr_spawn(first_life, NULL, 0);
    tr_sleep(2);
    RULE("PROC-11");
    CHECK(tr_get("private") == NULL);
    tr_ref monitor = tr_monitor(pid);
    go(pid);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
}
