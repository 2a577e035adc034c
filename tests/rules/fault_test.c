/* fault_test.c: hardware faults that become exit signals: which, what is released, what the reports say. */
#include "fault_kinds.h"

#include <fcntl.h>
#include <unistd.h>

static int handle_fault(void *state, const tr_msg *message)
{
    (void)state;
    const struct kind *kind = *(const struct kind *const *)tr_expect(message, sizeof kind);
    kind->fault();
    return TR_OK;
}
static int ended_count;
static void note_ended(void *state, const tr_reason *reason)
{
    (void)state;
    (void)reason;
    __atomic_add_fetch(&ended_count, 1, __ATOMIC_RELAXED);
}
static const tr_actor handler = { .label = "handler", .handle = handle_fault, .ended = note_ended };

static void check_down(tr_ref monitor, const struct kind *kind)
{
    const tr_msg *down = tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .ref = monitor }, TR_INFINITY);
    const tr_reason *reason = tr_reason_of(down);
    CHECK_EQ(reason->why, TR_WHY_FAULT);
    CHECK_EQ(reason->code, kind->signal_number);
    CHECK(strstr(reason->text, kind->what) == reason->text);
    const char *trace = tr_body(down);
    CHECK(tr_size(down) > 0);
    CHECK_EQ(trace[tr_size(down)], 0);
    CHECK(strstr(trace, "    ") == trace);
    size_t lines = 0;
    for (const char *at = trace; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    CHECK(lines >= 2);
    CHECK(strstr(trace, "on_fault") == NULL);
}

static void fault_each_way(void)
{
    for (size_t i = 0; i < TR_COUNT(kinds); i++) {
        const struct kind *kind = &kinds[i];
        if (!possible(kind))
            continue;
        tr_ref monitor;
        tr_spawn_monitor(straight, &kind, sizeof kind, &monitor);
        check_down(monitor, kind);
        tr_spawn_with(straight, &kind, sizeof kind,
                      &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .stack_size = 1 << 20 });
        check_down(monitor, kind);
        tr_pid pid = tr_spawn_actor(&handler, NULL, 0,
                                    &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
        tr_send(pid, WORD, &kind, sizeof kind);
        check_down(monitor, kind);
    }
    CHECK_EQ(ended_count, 0); /* `ended` never runs after a fault */
}
TEST(fault, becomes_an_exit_signal_with_reason_text_and_backtrace) { run(fault_each_way); }

/* ---- links, calls */

static void link_meets_fault(void)
{
    const struct kind *kind = &kinds[0];
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_link(straight, &kind, sizeof kind);
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, TR_INFINITY);
    CHECK_EQ(tr_reason_of(message)->why, TR_WHY_FAULT);
    RULE("EXIT-11");
    CHECK(tr_size(message) > 0); /* the backtrace */
    pid = tr_spawn_actor(&handler, NULL, 0, NULL);
    int64_t answer;
    CHECK_EQ(tr_call(pid, WORD, &kind, sizeof kind, &answer, sizeof answer, 5000), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_FAULT);
}
TEST(fault, reaches_links_and_callers) { run(link_meets_fault); }

/* ---- in the function of tr_replace_state */

static const tr_actor keeper = { .label = "keeper", .state_size = sizeof(int64_t), .handle = handle_fault };

static int change_and_fault(void *state, const void *arg)
{
    *(int64_t *)state = 1;
    (*(const struct kind *const *)arg)->fault();
    return TR_OK;
}
static void change_meets_fault(void)
{
    tr_pid pid = tr_spawn_actor(&keeper, NULL, 0, NULL);
    for (size_t i = 0; i < TR_COUNT(kinds); i++) {
        const struct kind *kind = &kinds[i];
        int64_t value = -1;
        if (!possible(kind))
            continue;
        CHECK_EQ(tr_replace_state(pid, change_and_fault, &kind, sizeof kind, TR_INFINITY), TR_ECALLBACK);
        CHECK_EQ(tr_get_state(pid, &value, sizeof value, TR_INFINITY), TR_OK);
        RULE("SYS-02");
        CHECK_EQ(value, 0);
    }
    end_with(pid, TR_KILL);
}
TEST(fault, in_a_change_of_the_state_fails_the_change_alone) { run(change_meets_fault); }

/* ---- what it owned */

static int released;
static void count_release(void *arg) { __atomic_add_fetch(&released, (int)(intptr_t)arg, __ATOMIC_RELAXED); }

static void owner(const tr_msg *arg)
{
    (void)arg;
    CHECK_EQ(tr_defer(count_release, (void *)(intptr_t)1), TR_OK);
    CHECK(tr_alloc(100000) != NULL);
    CHECK_EQ(tr_register("owner", tr_self()), TR_OK);
    tr_timer timer;
    CHECK_EQ(tr_send_after(3600000, tr_self(), WORD, NULL, 0, &timer), TR_OK);
    CHECK_EQ(tr_defer(count_release, (void *)(intptr_t)10), TR_OK);
    write_null();
}

static void owned_is_released(void)
{
    released = 0;
    for (int i = 0; i < 100; i++) {
        tr_ref monitor;
        tr_spawn_monitor(owner, NULL, 0, &monitor);
        CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
        CHECK(tr_nobody(tr_whereis("owner")));
    }
    CHECK_EQ(released, 1100);
}
TEST(fault, releases_everything_that_was_owned) { run(owned_is_released); }

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void socket_owner(const tr_msg *arg)
{
    (void)arg;
    tr_socket listener;
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &listener), TR_OK);
    write_null();
}

static void sockets_are_closed(void)
{
    tr_ref monitor;
    tr_spawn_monitor(socket_owner, NULL, 0, &monitor);
    CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
    int before = open_descriptors();
    for (int i = 0; i < 50; i++) {
        tr_spawn_monitor(socket_owner, NULL, 0, &monitor);
        CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
    }
    while (open_descriptors() > before) /* a descriptor is closed after a grace period at the latest */
        tr_sleep(10);
}
TEST(fault, closes_sockets)
{
    if (HARNESS_SIMULATED)
        SKIP("the sockets are the system's");
    run(sockets_are_closed);
}

/* ---- after a block, on another worker */

static void blocks_then_fails(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        tr_yield();
    tr_sleep(1);
    await_tag(GO);
    write_null();
}

static void fault_after_block(void)
{
    enum { MANY = 200 };
    static tr_ref monitors[MANY];
    static tr_pid pids[MANY];
    for (int i = 0; i < MANY; i++)
        pids[i] = tr_spawn_monitor(blocks_then_fails, NULL, 0, &monitors[i]);
    for (int i = 0; i < MANY; i++)
        go(pids[i]);
    for (int i = 0; i < MANY; i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_FAULT);
}
TEST(fault, is_contained_after_blocking_and_moving) { race(fault_after_block); }

/* ---- callbacks of reports */

static int crash_on_any(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    tr_exit(because(7));
}
static void describe_badly(const void *state, tr_out *out)
{
    (void)state;
    tr_print(out, "half");
    write_null();
}
static const tr_actor undescribable = {
    .label = "undescribable", .state_size = 64, .handle = crash_on_any, .describe = describe_badly
};

static const tr_message_type *type_badly(const void *state, int tag)
{
    (void)state;
    (void)tag;
    write_null();
    return NULL;
}
static void print_badly(const tr_msg *message, tr_out *out)
{
    (void)message;
    tr_print(out, "half");
    write_null();
}
static const tr_message_type *type_of(const void *state, int tag)
{
    static const tr_message_type type = { .tag = WORD, .name = "word", .print = print_badly };
    (void)state;
    return tag == WORD ? &type : NULL;
}
static const tr_actor untyped = { .label = "untyped", .handle = crash_on_any, .type_of = type_badly };
static const tr_actor unprintable = { .label = "unprintable", .handle = crash_on_any, .type_of = type_of };

static int stop_on_any(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return tr_stop(because(8));
}
static void ended_badly(void *state, const tr_reason *reason)
{
    (void)state;
    (void)reason;
    write_null();
}
static const tr_actor bad_end = { .label = "bad_end", .handle = stop_on_any, .ended = ended_badly };

static void callbacks_fail(void)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&undescribable, NULL, 0,
                                &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_send(pid, WORD, NULL, 0);
    tr_reason reason = await_down(monitor);
    CHECK_EQ(reason.why, TR_WHY_USER); /* it ends for its first reason */
    CHECK_EQ(reason.code, 7);
    static const tr_actor *const unspeakable[] = { &untyped, &unprintable };
    for (size_t i = 0; i < TR_COUNT(unspeakable); i++) {
        pid = tr_spawn_actor(unspeakable[i], NULL, 0,
                             &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
        tr_send(pid, WORD, NULL, 0);
        CHECK_EQ(await_down(monitor).code, 7);
    }
    pid = tr_spawn_actor(&undescribable, NULL, 0,
                         &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_status_info info;
    int status = tr_get_status(pid, &info, 5000);
    CHECK_EQ(status, TR_EDOWN);
    CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
    pid = tr_spawn_actor(&bad_end, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_send(pid, WORD, NULL, 0);
    RULE("GS-34");
    CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
}
TEST(fault, in_describe_or_ended_is_contained) { run(callbacks_fail); }

/* ---- supervisors */

static int server_init(void *state, const tr_msg *arg)
{
    (void)state;
    (void)arg;
    return TR_OK;
}
static int server_cast(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    write_null();
    return TR_OK;
}
static int server_call(void *state, const tr_msg *message, tr_from from)
{
    (void)state;
    (void)message;
    return tr_reply(from, NULL, 0);
}
static const tr_gen_server frail = {
    .label = "frail", .state_size = 8, .init = server_init, .handle_cast = server_cast, .handle_call = server_call
};

static void supervisor_restarts(void)
{
    static const tr_child children[] = { { .name = "frail", .server = &frail } };
    static const tr_supervisor spec = { .children = children, .child_count = 1, .intensity = 1000 };
    tr_pid supervisor;
    CHECK_EQ(tr_start_link(&(tr_child){ .id = "sup", .supervisor = &spec }, &supervisor), TR_OK);
    for (int i = 0; i < 50; i++) {
        tr_pid old = tr_whereis("frail");
        CHECK(!tr_nobody(old));
        tr_ref monitor = tr_monitor(old);
        tr_cast(old, WORD, NULL, 0);
        CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
        while (tr_nobody(tr_whereis("frail")))
            tr_yield();
        CHECK(!tr_same(old, tr_whereis("frail")));
        CHECK_EQ(tr_call(tr_name("frail"), WORD, NULL, 0, NULL, 0, 5000), TR_OK);
    }
    tr_unlink(supervisor);
    end_with(supervisor, TR_KILL);
}
TEST(fault, is_repaired_by_the_supervisor) { run(supervisor_restarts); }

/* ---- many */

static size_t resident(void)
{
    size_t pages = 0, unused = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file != NULL);
    CHECK_EQ(fscanf(file, "%zu %zu", &unused, &pages), 2);
    fclose(file);
    return pages * 4096;
}

static void fault_many(void)
{
    int const many = SANITIZED ? 500 : 10000;
    size_t before = SIZE_MAX;
    bool grew = true;
    for (int half = 0; half < 2 || (grew && half < 6); half++) { /* what is left behind is left each time */
        for (int i = 0; i < many; i++) {
            const struct kind *kind = possible(&kinds[i % 5]) ? &kinds[i % 5] : &kinds[0];
            tr_ref monitor;
            tr_spawn_monitor(straight, &kind, sizeof kind, &monitor);
            CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
        }
        size_t now = resident();
        /* elsewhere an emulator may run it, whose own memory this is */
        grew = !SANITIZED && ON_X86_64 && (half == 0 || now >= before + (1 << 20));
        before = now;
    }
    CHECK(!grew);
}
TEST(fault, leaves_nothing_behind_twenty_thousand_times) { run_on(4, fault_many); }

/* ---- the log */

static char logged[8][1024];
static int log_count;
static void keep_record(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (strcmp(record->event, "slow") == 0)
        return; /* on a slow machine a backtrace may take its time */
    if (log_count < 8)
        snprintf(logged[log_count], sizeof logged[0], "%s|%s", record->event, record->text);
    log_count++;
}
TEST(fault, is_logged_with_its_backtrace)
{
    the_body = one_fault;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 2, .log = keep_record }, enter_body, NULL, 0), 0);
    CHECK_EQ(log_count, 2);
    RULE("LOG-02");
    CHECK(strncmp(logged[0], "crash|", 6) == 0);
    CHECK(strstr(logged[0], "null access") != NULL);
    CHECK(strncmp(logged[1], "backtrace|    ", 14) == 0);
}

/* ---- blocking calls near the end of the stack */

static size_t sleep_deep(size_t depth)
{
    volatile char frame[64];
    frame[depth % sizeof frame] = 1;
    tr_yield();
    return deeper(depth + 1) + (size_t)frame[0];
}
static void sleep_deep_entry(const tr_msg *arg)
{
    (void)arg;
    deeper = sleep_deep;
    sink = deeper(0);
}
static void overflow_in_a_blocking_call(void)
{
    tr_ref monitor;
    tr_spawn_monitor(sleep_deep_entry, NULL, 0, &monitor);
    tr_reason reason = await_down(monitor);
    CHECK_EQ(reason.why, TR_WHY_FAULT);
    CHECK(strstr(reason.text, "stack overflow") == reason.text);
}
TEST(fault, stack_overflow_in_a_blocking_call_is_an_exit) { run(overflow_in_a_blocking_call); }
