/* support.h: what the rule tests share: running a body as the root process, and small processes that end or wait as
 * told.
 *
 *     static void body(void);
 *     TEST(link, is_unique_per_pair) { run(body); }
 *     static void body(void) { ...; RULE("LINK-01"); CHECK_EQ(exits, 1); }
 *
 * `run` runs the body on one worker, on as many as most machines have cores, and on more; `race` only on several, and
 * prints the seed if the body fails. Nothing that the bodies cause on purpose is logged. */
#ifndef TROUPE_TESTS_RULES_SUPPORT_H
#define TROUPE_TESTS_RULES_SUPPORT_H

#include <stdlib.h>
#include <troupe/troupe.h>

#include "harness.h"

#define UNUSED __attribute__((unused))

enum { READY = 1001, GO, QUESTION, ANSWER, WORD, LAST };
enum { RACES = HARNESS_SIMULATED ? 50 : 2000 }; /* in simulation each seed is another try */

/* ---- running */

static void (*the_body)(void);

static void enter_body(const tr_msg *arg)
{
    (void)arg;
    the_body();
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

UNUSED static void run_on(int workers, void (*body)(void))
{
    the_body = body;
    CHECK_EQ(tr_main(&(tr_config){ .workers = workers, .log = drop_record }, enter_body, NULL, 0), 0);
}

UNUSED static void run(void (*body)(void))
{
    run_on(1, body);
    run_on(4, body);
}

/* ---- chance: repeatable with TROUPE_TEST_SEED */

static uint64_t chance_state;

UNUSED static uint32_t chance(uint32_t below)
{
    uint64_t z = __atomic_add_fetch(&chance_state, 0x9e3779b97f4a7c15u, __ATOMIC_RELAXED);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % below);
}

/* Lets a little time pass, from nothing to some microseconds, without giving up the worker. */
UNUSED static void dawdle(void)
{
    for (volatile uint32_t i = chance(2000); i > 0; i--)
        ;
}

UNUSED static void race(void (*body)(void))
{
    const char *given = getenv("TROUPE_TEST_SEED");
    uint64_t seed = given == NULL ? 20 : strtoull(given, NULL, 0);
    static const int workers[] = { 2, 4, 8 };
    for (size_t i = 0; i < TR_COUNT(workers); i++) {
        chance_state = seed + i;
        printf("race: rerun with TROUPE_TEST_SEED=%" PRIu64 "\n", seed);
        run_on(workers[i], body);
    }
}

/* ---- small processes */

/* Waits for ever. */
UNUSED static void waiter(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        tr_receive(TR_INFINITY);
}

/* Ends with the reason that is its start argument. */
UNUSED static void ender(const tr_msg *arg) { tr_exit(*(const tr_reason *)tr_expect(arg, sizeof(tr_reason))); }

/* Waits for GO, then ends with the reason that is its start argument. */
UNUSED static void ender_on_go(const tr_msg *arg)
{
    tr_receive_match(&(tr_match){ .tag = GO }, TR_INFINITY);
    ender(arg);
}

UNUSED static tr_reason because(int code) { return tr_because(TR_WHY_USER, code, "%d", code); }

UNUSED static tr_pid spawn_ender(int code)
{
    tr_reason reason = because(code);
    return tr_spawn(ender, &reason, sizeof reason);
}

UNUSED static tr_pid spawn_ender_on_go(int code)
{
    tr_reason reason = because(code);
    return tr_spawn(ender_on_go, &reason, sizeof reason);
}

/* ---- shorthands */

UNUSED static void go(tr_pid pid) { tr_send(pid, GO, NULL, 0); }

/* Waits for the next message with the tag; its body is one T. */
#define RECEIVE(T, tag_) (*(const T *)tr_expect(tr_receive_match(&(tr_match){ .tag = (tag_) }, TR_INFINITY), sizeof(T)))

UNUSED static void await_tag(int tag) { tr_receive_match(&(tr_match){ .tag = tag }, TR_INFINITY); }

UNUSED static tr_reason await_down(tr_ref monitor)
{
    tr_reason reason;
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    return reason;
}

/* Waits until the process has ended; why. noproc if it had before. */
UNUSED static tr_reason await_end(tr_pid pid) { return await_down(tr_monitor(pid)); }

UNUSED static tr_reason end_with(tr_pid pid, tr_reason reason)
{
    tr_ref monitor = tr_monitor(pid);
    tr_exit_signal(pid, reason);
    return await_down(monitor);
}

UNUSED static bool mailbox_empty(void) { return tr_receive(0) == NULL; }

UNUSED static tr_reason await_exit(tr_pid pid)
{
    return *tr_reason_of(tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, TR_INFINITY));
}

/* A process that is dead, and was of this node. */
UNUSED static tr_pid dead_pid(void)
{
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    end_with(pid, TR_KILL);
    return pid;
}

UNUSED static size_t queue_len(tr_pid pid)
{
    tr_process_info info;
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    return info.message_queue_len;
}

#endif
