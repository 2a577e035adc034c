/* explore_test.c: the exhaustive mode: its bounds say that they were hit, what can't be repeated is told, and a list of
 * choices is one order. */
#include "refusals/refuse.h"

#include "sim/machine.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <troupe/troupe.h>
#include <unistd.h>

WRAP(void *, mmap, (void *at, size_t size, int protection, int flags, int fd, off_t offset),
     (at, size, protection, flags, fd, offset), MAP_FAILED)

enum { WORD = 1 };

static void drop(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static int with_root(void *root)
{
    const tr_config config = { .workers = 1, .log = drop, .quiet_restarts = true };
    return tr_main(&config, *(tr_entry **)root, NULL, 0);
}

static tr_sim_explored explore(tr_entry *root, uint64_t most_runs, int expected)
{
    tr_sim_explored explored;
    const tr_sim_case test = { .name = "small", .program = with_root, .arg = &root };
    CHECK_EQ(tr_sim_explore(&test, most_runs, &explored), expected);
    CHECK_EQ(explored.failures, expected == TR_ECALLBACK);
    return explored;
}

/* ---- programs */

static void says_a_word(const tr_msg *arg) { tr_send(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), WORD, NULL, 0); }

static void hears(int words)
{
    tr_pid self = tr_self();
    tr_sim_inject(true);
    for (int i = 0; i < words; i++)
        tr_spawn(says_a_word, &self, sizeof self);
    for (int i = 0; i < words; i++)
        tr_receive_match(&(tr_match){ .tag = WORD }, TR_INFINITY);
    tr_sim_inject(false);
}

static void two_words(const tr_msg *unused) { (void)unused, hears(2); }
static void many_words(const tr_msg *unused) { (void)unused, hears(20); }

static void long_one(const tr_msg *unused)
{
    (void)unused;
    tr_sim_inject(true);
    for (int i = 0; i < 1000; i++)
        tr_is_alive(tr_self());
    tr_sim_inject(false);
}

TEST(explore_bounds, an_exploration_that_hits_a_bound_is_not_complete)
{
    tr_sim_explored all = explore(two_words, 100000, TR_OK);
    CHECK(all.complete && all.runs > 2);
    CHECK(!explore(two_words, all.runs - 1, TR_OK).complete);
    CHECK_EQ(explore(two_words, 2, TR_OK).runs, 2);
    CHECK(!explore(many_words, 20, TR_OK).complete); /* too wide */
    tr_sim_explored deep = explore(long_one, 100, TR_OK);
    CHECK(!deep.complete && deep.longest >= 500);
}

TEST(explore_bounds, other_cases_pass_at_once_and_without_memory_there_is_none)
{
    CHECK_EQ(setenv("TR_SIM_ONLY", "large", 1), 0);
    tr_sim_explored none = explore(two_words, 100000, TR_OK);
    CHECK(none.complete && none.runs == 0);
    CHECK_EQ(setenv("TR_SIM_ONLY", "small", 1), 0);
    CHECK(explore(two_words, 100000, TR_OK).runs > 0);
    REFUSE(mmap, 1, ENOMEM);
    CHECK(!explore(two_words, 100000, TR_ENOMEM).complete);
}

TEST(explore_bounds, a_list_of_choices_is_one_order)
{
    char many[3000];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 == 0 ? '0' : ',';
    many[sizeof many - 1] = '\0';
    CHECK_EQ(setenv("TR_SIM_CHOICES", many, 1), 0); /* more than there can be: the first count */
    CHECK_EQ(explore(two_words, 100000, TR_OK).runs, 1);
}

/* ---- what is not a function of the choices alone */

static int *runs_so_far; /* shared by all runs */

static void changes_in_number(const tr_msg *unused)
{
    (void)unused;
    hears(2 + ++*runs_so_far % 2);
}

static void starts_and_ends(const tr_msg *unused) { (void)unused; }

static void changes_in_kind(const tr_msg *unused)
{
    (void)unused;
    tr_reason reason;
    for (int i = ++*runs_so_far; i > 0; i--) { /* pids go on from there */
        tr_ref monitor;
        tr_spawn_monitor(starts_and_ends, NULL, 0, &monitor);
        if (tr_await_down(monitor, TR_INFINITY, &reason) != TR_OK)
            tr_sim_fail("no end");
    }
    hears(2);
}

TEST(explore_bounds, a_program_that_is_another_at_each_run_is_told)
{
    runs_so_far = mmap(NULL, sizeof *runs_so_far, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(runs_so_far != MAP_FAILED);
    explore(changes_in_number, 100000, TR_ECALLBACK);
    *runs_so_far = 0;
    explore(changes_in_kind, 100000, TR_ECALLBACK);
}

/* ---- time, ends that reach many, and code that runs at an end */

static void sleeps(const tr_msg *unused)
{
    (void)unused;
    for (int i = 0; i < 4; i++)
        tr_sleep(1);
}

static void spins(const tr_msg *unused)
{
    (void)unused;
    for (int64_t until = tr_now_ns() + 20 * INT64_C(1000000); tr_now_ns() < until;)
        ;
    tr_is_alive(tr_self());
}

static void times_body(const tr_msg *unused)
{
    (void)unused;
    tr_ref monitors[2];
    tr_reason reason;
    tr_sim_inject(true);
    tr_spawn_monitor(sleeps, NULL, 0, &monitors[0]);
    tr_sleep(1);
    tr_sim_inject(false);
    tr_spawn_monitor(spins, NULL, 0, &monitors[1]);
    for (int i = 0; i < 2; i++)
        if (tr_await_down(monitors[i], TR_INFINITY, &reason) != TR_OK || reason.why != TR_WHY_NORMAL)
            tr_sim_fail("it did not end well");
}

static void late_body(const tr_msg *unused)
{
    (void)unused;
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(sleeps, NULL, 0, &monitor);
    tr_sim_inject(true);
    tr_yield();
    spins(NULL); /* what was due meanwhile has long been due when time may pass */
    tr_sim_inject(false);
    if (tr_await_down(monitor, TR_INFINITY, &reason) != TR_OK || reason.why != TR_WHY_NORMAL)
        tr_sim_fail("it did not end well");
}

TEST(explore_bounds, time_passes_a_few_times_at_most_by_choice)
{
    CHECK(explore(times_body, 100000, TR_OK).complete);
    explore(late_body, 300, TR_OK);
}

static int linked_ends;
static void counts_its_end(void *watcher)
{
    linked_ends++;
    tr_send(*(tr_pid *)watcher, WORD, NULL, 0); /* a call of Troupe at its end: no choice is made here */
}
static tr_pid watcher;

static void waits_linked(const tr_msg *unused)
{
    (void)unused;
    if (tr_defer(counts_its_end, &watcher) != TR_OK)
        tr_sim_fail("no defer");
    tr_receive(TR_INFINITY);
}

static void ends_many(const tr_msg *unused)
{
    (void)unused;
    for (int i = 0; i < 25; i++)
        tr_spawn_with(waits_linked, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
    tr_receive(TR_INFINITY);
}

static void many_ends_body(const tr_msg *unused)
{
    (void)unused;
    watcher = tr_self();
    tr_pid center = tr_spawn(ends_many, NULL, 0);
    tr_sleep(10);
    tr_sim_inject(true);
    tr_exit_signal(center, TR_KILL);
    tr_yield();
    tr_sim_inject(false);
    for (int i = 0; i < 25; i++)
        tr_receive_match(&(tr_match){ .tag = WORD }, TR_INFINITY);
    if (linked_ends != 25)
        tr_sim_fail("%d ends", linked_ends);
}

TEST(explore_bounds, an_end_that_reaches_more_than_can_be_noted_counts_as_reaching_all)
{
    tr_sim_explored explored = explore(many_ends_body, 50, TR_OK);
    CHECK(explored.runs >= 1);
}
