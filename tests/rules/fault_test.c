/* fault_test.c: hardware faults: which become exit signals, what is released, what the reports say; and which end the program. */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define NOT_SANITIZED() \
    do { \
        if (SANITIZED) \
            SKIP("the sanitizer instruments the fault itself, or its interceptors stand where libc's leaf would"); \
    } while (0)

/* ---- faults */

static int *volatile nowhere;
static int volatile zero;
static void (*volatile no_function)(void);
static const char *volatile no_text;
static volatile size_t sink;

#define FAULT __attribute__((noinline, no_sanitize("undefined")))

FAULT static void write_null(void) { *nowhere = 1; }
FAULT static void read_null(void) { sink = (size_t)*nowhere; }
FAULT static void read_near_null(void) { sink = (size_t)nowhere[1000]; }
FAULT static void call_null(void) { no_function(); }
FAULT static void divide(void) { sink = (size_t)(7 / zero); }
FAULT static void measure_null(void) { sink = strlen(no_text); }
FAULT static void copy_to_null(void)
{
    static const char bytes[3000];
    size_t volatile size = sizeof bytes;
    memcpy(nowhere, bytes, size);
}
static size_t (*volatile deeper)(size_t depth); /* a pointer, so that compilers do not see the recursion */
FAULT static size_t recurse(size_t depth)
{
    volatile char frame[200];
    frame[depth % sizeof frame] = (char)depth;
    size_t below = deeper(depth + 1);
    return below + (size_t)frame[(depth + 1) % sizeof frame];
}
FAULT static void overflow(void)
{
    deeper = recurse;
    sink = deeper(1);
}

struct kind {
    const char *what;
    void (*fault)(void);
    int signal_number;
    bool frames;
};
static const struct kind kinds[] = {
    { "null access", write_null, SIGSEGV, true },   { "null access", read_null, SIGSEGV, true },
    { "null access", read_near_null, SIGSEGV, true }, { "null access", call_null, SIGSEGV, true },
    { "division", divide, SIGFPE, true },
    { "stack overflow", overflow, SIGSEGV, true },  { "null access", measure_null, SIGSEGV, true },
    { "null access", copy_to_null, SIGSEGV, true },
};
/* What a sanitizer lets pass to the runtime as it is. */
static bool possible(const struct kind *kind) { return !SANITIZED || (kind->fault != measure_null && kind->fault != copy_to_null && kind->fault != overflow); }

static void straight(const tr_msg *arg)
{
    const struct kind *kind = *(const struct kind *const *)tr_expect(arg, sizeof kind);
    kind->fault();
}

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
        tr_spawn_with(straight, &kind, sizeof kind, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .stack_size = 1 << 20 });
        check_down(monitor, kind);
        tr_pid pid = tr_spawn_actor(&handler, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
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
    for (int i = 0; i < 200 && open_descriptors() > before; i++)
        tr_sleep(10); /* a descriptor is closed after a grace period at the latest */
    CHECK_EQ(open_descriptors(), before);
}
TEST(fault, closes_sockets) { run(sockets_are_closed); }

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
static const tr_actor undescribable = { .label = "undescribable", .state_size = 64, .handle = crash_on_any, .describe = describe_badly };

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
    tr_pid pid = tr_spawn_actor(&undescribable, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    tr_send(pid, WORD, NULL, 0);
    tr_reason reason = await_down(monitor);
    CHECK_EQ(reason.why, TR_WHY_USER); /* it ends for its first reason */
    CHECK_EQ(reason.code, 7);
    pid = tr_spawn_actor(&undescribable, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
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
static const tr_gen_server frail = { .label = "frail", .state_size = 8, .init = server_init, .handle_cast = server_cast, .handle_call = server_call };

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
    size_t after_first = 0;
    for (int half = 0; half < 2; half++) {
        for (int i = 0; i < many; i++) {
            const struct kind *kind = &kinds[i % 5];
            tr_ref monitor;
            tr_spawn_monitor(straight, &kind, sizeof kind, &monitor);
            CHECK_EQ(await_down(monitor).why, TR_WHY_FAULT);
        }
        if (half == 0)
            after_first = resident();
    }
    if (!SANITIZED)
        CHECK(resident() < after_first + (1 << 20));
}
TEST(fault, leaves_nothing_behind_twenty_thousand_times) { run_on(4, fault_many); }

/* ---- the log */

static char logged[8][1024];
static int log_count;
static void keep_record(const tr_log_record *record, void *arg)
{
    (void)arg;
    if (log_count < 8)
        snprintf(logged[log_count], sizeof logged[0], "%s|%s", record->event, record->text);
    log_count++;
}
static void one_fault(void)
{
    const struct kind *kind = &kinds[0];
    tr_ref monitor;
    tr_spawn_monitor(straight, &kind, sizeof kind, &monitor);
    await_down(monitor);
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

/* ---- the end of the program */

struct outcome {
    int status;
    char text[20000];
};

/* Runs the body as the root process of a runtime in a child. */
static struct outcome *in_child(void (*body)(void), tr_faults faults)
{
    static struct outcome outcome;
    int ends[2];
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        alarm(60);
        the_body = body;
        _exit(tr_main(&(tr_config){ .workers = 2, .log = drop_record, .faults = faults }, enter_body, NULL, 0));
    }
    close(ends[1]);
    size_t used = 0;
    for (ssize_t got; (got = read(ends[0], outcome.text + used, sizeof outcome.text - 1 - used)) > 0;)
        used += (size_t)got;
    outcome.text[used] = '\0';
    close(ends[0]);
    CHECK_EQ(waitpid(child, &outcome.status, 0), child);
    return &outcome;
}

static void check_crash(void (*body)(void), int signal_number, const char *why)
{
    const struct outcome *outcome = in_child(body, TR_FAULTS_CONTAIN);
    if (!WIFSIGNALED(outcome->status) || WTERMSIG(outcome->status) != signal_number || strstr(outcome->text, why) == NULL)
        printf("status %x, wanted signal %d, \"%s\"; report:\n%s\n", (unsigned)outcome->status, signal_number, why, outcome->text);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK_EQ(WTERMSIG(outcome->status), signal_number);
    CHECK(strstr(outcome->text, why) != NULL);
    CHECK(strstr(outcome->text, "not contained") != NULL);
    CHECK(strstr(outcome->text, "backtrace:") != NULL);
}

static void wild_non_canonical(void)
{
    nowhere = (int *)(uintptr_t)UINT64_C(0x8000000000000000);
    write_null();
}
static void wild_read_only(void)
{
    nowhere = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    write_null();
}
static void wild_unmapped(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    nowhere = (int *)(void *)page;
    write_null();
}
TEST(fault, of_a_wild_pointer_ends_the_program_with_a_report)
{
    NOT_SANITIZED();
    check_crash(wild_non_canonical, SIGSEGV, "memory may be damaged");
    check_crash(wild_read_only, SIGSEGV, "memory may be damaged");
    check_crash(wild_unmapped, SIGSEGV, "memory may be damaged");
}

static void inside_critical(void)
{
    tr_critical_begin();
    write_null();
}
static void critical_survives_a_block(void)
{
    tr_critical_begin();
    tr_critical_begin();
    tr_sleep(2);
    tr_critical_end();
    write_null();
}
TEST(fault, inside_tr_critical_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(inside_critical, SIGSEGV, "tr_critical");
    check_crash(critical_survives_a_block, SIGSEGV, "tr_critical");
}

static void critical_and_gone(const tr_msg *arg)
{
    (void)arg;
    tr_critical_begin();
}
static void critical_is_not_inherited(void)
{
    for (int i = 0; i < 8; i++) {
        await_end(tr_spawn(critical_and_gone, NULL, 0));
        one_fault();
    }
}
TEST(fault, is_contained_on_a_worker_where_another_forgot_its_bracket) { run(critical_is_not_inherited); }

static void print_null(void)
{
    char *text = (char *)(uintptr_t)8; /* vfprintf calls strlen */
    volatile int size = snprintf((char *)&sink, 0, "%s", text);
    (void)size;
}
static void free_damaged(void)
{
    /* A chunk whose neighbours are found at address 0 or about: free reads through them. */
    struct {
        size_t before, size;
        char body[64];
    } *chunk = (void *)(uintptr_t)64;
    void *volatile block = (char *)chunk + 16;
    free(block);
}
static int compare_badly(const void *a, const void *b)
{
    (void)a;
    (void)b;
    write_null();
    return 0;
}
static void sort_badly(void)
{
    int numbers[4] = { 4, 3, 2, 1 };
    qsort(numbers, 4, sizeof numbers[0], compare_badly);
}
TEST(fault, inside_libc_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(print_null, SIGSEGV, "library");
    check_crash(free_damaged, SIGSEGV, "library");
    check_crash(sort_badly, SIGSEGV, "callback of a library");
}

static void send_damaged(void)
{
    tr_send(tr_self(), WORD, (const void *)(uintptr_t)8, 100); /* the copy of the body faults in the runtime */
}
static void clean_up_badly(void *arg)
{
    (void)arg;
    write_null();
}
static void defer_badly(void) { CHECK_EQ(tr_defer(clean_up_badly, NULL), TR_OK); }
TEST(fault, inside_the_runtime_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(send_damaged, SIGSEGV, "inside the runtime");
    check_crash(defer_badly, SIGSEGV, "inside the runtime");
}

static int fail_in_pool(void *arg)
{
    (void)arg;
    write_null();
    return 0;
}
static void fault_in_blocking_pool(void) { tr_blocking(fail_in_pool, NULL); }
TEST(fault, on_another_thread_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(fault_in_blocking_pool, SIGSEGV, "outside any process");
}

static void sent_from_outside(void)
{
    kill(getpid(), SIGFPE);
    tr_sleep(10000);
}
TEST(fault, signal_that_was_sent_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(sent_from_outside, SIGFPE, "not contained");
}

static int handle_and_wander(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    wild_read_only();
    return TR_OK;
}
static const tr_actor wanderer = { .label = "wanderer", .handle = handle_and_wander };
static void crash_of_a_handler(void)
{
    tr_pid pid = tr_spawn_actor(&wanderer, NULL, 0, NULL);
    tr_send(pid, 4711, "abc", 3);
    tr_sleep(10000);
}
TEST(fault, report_names_process_message_and_latest_events)
{
    NOT_SANITIZED();
    const struct outcome *outcome = in_child(crash_of_a_handler, TR_FAULTS_CONTAIN);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK(strstr(outcome->text, "wanderer") != NULL);
    CHECK(strstr(outcome->text, "last message: message, tag 4711, 3 bytes, from <0.") != NULL);
    CHECK(strstr(outcome->text, "spawn") != NULL); /* the flight recorder */
}

static void fault_plainly(void) { write_null(); }
TEST(fault, policy_abort_contains_nothing)
{
    NOT_SANITIZED();
    const struct outcome *outcome = in_child(fault_plainly, TR_FAULTS_ABORT);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK_EQ(WTERMSIG(outcome->status), SIGSEGV);
    CHECK(strstr(outcome->text, "tr_config.faults") != NULL);
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
