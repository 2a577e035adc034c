/* argument_test.c: what every function says to arguments that it does not take, to a foreign thread, and where no
 * runtime runs: an error or nobody, never an effect. What a process must not do at all ends the program with a line
 * that says so. */
#include "support.h"

#include <sys/wait.h>
#include <unistd.h>

/* ---- without a runtime, which is also how a forked child and the time after a stop look */

static const tr_actor idle_actor = { .label = "idle" };
static int nothing_at_all(void *arg) { return *(int *)arg; }

TEST(argument, without_a_runtime_every_call_fails_and_does_nothing)
{
    const tr_pid pid = { (UINT64_C(1) << 26) | 5 };
    tr_pid out;
    tr_pid *list;
    tr_process_info info;
    tr_message_info *messages;
    tr_status_info status;
    tr_socket socket;
    tr_timer timer;
    tr_msg *message, *reply;
    size_t count;
    int seven = 7;
    CHECK(tr_nobody(tr_self()) && tr_nobody(tr_parent()) && tr_data() == NULL);
    CHECK(tr_nobody(tr_spawn(waiter, NULL, 0)) && tr_nobody(tr_whereis("x")) && !tr_is_alive(pid));
    CHECK(tr_nobody(tr_spawn_link(waiter, NULL, 0)));
    CHECK(tr_new(WORD, 10, &message) == NULL && message == NULL);
    CHECK_EQ(tr_send(pid, WORD, NULL, 0), TR_ESTOPPED);
    CHECK_EQ(tr_exit_signal(pid, TR_KILL), TR_ESTOPPED);
    CHECK_EQ(tr_cast(pid, WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_reply((tr_from){ pid, 1 }, NULL, 0), TR_OK);
    CHECK_EQ(tr_reply_give((tr_from){ pid, 1 }, NULL), TR_OK);
    CHECK_EQ(tr_send_alias((tr_ref){ pid.id, 1 }, WORD, NULL, 0), TR_ESTOPPED);
    CHECK_EQ(tr_call(pid, WORD, NULL, 0, NULL, 0, 10), TR_ESTOPPED);
    CHECK_EQ(tr_call_msg(pid, WORD, NULL, 0, 10, &reply), TR_ESTOPPED);
    CHECK(tr_same_ref(tr_send_request(pid, WORD, NULL, 0), (tr_ref){ 0, 0 }));
    CHECK_EQ(tr_register("x", pid), TR_ESTOPPED);
    CHECK_EQ(tr_unregister("x"), TR_ESTOPPED);
    CHECK_EQ(tr_info(pid, &info), TR_ESTOPPED);
    CHECK_EQ(tr_peek(pid, &info), TR_ESTOPPED);
    CHECK_EQ(tr_info_links(pid, &list, &count), TR_ESTOPPED);
    CHECK_EQ(tr_info_messages(pid, &messages, &count), TR_ESTOPPED);
    CHECK_EQ(tr_processes(&list, &count), TR_ESTOPPED);
    CHECK_EQ(tr_send_after(1, pid, WORD, NULL, 0, NULL), TR_ESTOPPED);
    CHECK_EQ(tr_send_after(1, pid, WORD, NULL, 0, &timer), TR_ESTOPPED);
    CHECK_EQ(tr_send_interval(1, pid, WORD, NULL, 0, &timer), TR_ESTOPPED);
    CHECK_EQ(tr_exit_after(1, pid, TR_KILL, NULL), TR_ESTOPPED);
    CHECK_EQ(tr_timer_cancel_async((tr_timer){ 77 }), TR_ESTOPPED);
    CHECK_EQ(tr_defer(free, NULL), TR_ESTOPPED);
    CHECK_EQ(tr_start_actor(&idle_actor, NULL, 0, NULL, &out), TR_ESTOPPED);
    CHECK(tr_alloc(1) == NULL);
    CHECK_EQ(tr_timer_cancel((tr_timer){ 77 }), -1);
    CHECK_EQ(tr_timer_read((tr_timer){ 77 }), -1);
    CHECK_EQ(tr_suspend(pid, 10), TR_ESTOPPED);
    CHECK_EQ(tr_get_status(pid, &status, 10), TR_ESTOPPED);
    CHECK_EQ(tr_replace_state(pid, NULL, NULL, 0, 10), TR_ESTOPPED);
    CHECK_EQ(tr_stop_server(pid, TR_NORMAL, 10), TR_ESTOPPED);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, NULL, &out), TR_ESTOPPED);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", &socket), TR_ESTOPPED);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:9", 10, &socket), TR_ESTOPPED);
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_ESTOPPED);
    CHECK_EQ(tr_blocking(nothing_at_all, &seven), TR_ESTOPPED);
    CHECK(tr_reason_same(tr_last_reason(), &TR_NORMAL));
    CHECK_EQ(tr_fail(TR_EIO, &TR_KILLED), TR_EIO);
    CHECK(tr_stop_reason(TR_OK) == NULL);
    CHECK_EQ(tr_halt(0), TR_ESTOPPED);
    tr_drop(NULL);
    tr_free(NULL);
    tr_yield();
    tr_sleep(0);
    tr_started();
    tr_shutdown();
    tr_critical_begin();
    tr_critical_end();
    tr_log(TR_ERROR, "nobody reads this");
    tr_log_flush();
}

/* ---- settings */

TEST(argument, bad_settings_start_nothing)
{
    const tr_config bad[] = { { .workers = -1 },      { .workers = 257 },
                              { .slow_turn_ms = -2 }, { .stack_size = (size_t)1 << 40 },
                              { .log_level = 5 },     { .max_processes = (size_t)1 << 40 } };
    for (size_t i = 0; i < TR_COUNT(bad); i++)
        CHECK_EQ(tr_boot(&bad[i]), TR_EINVAL);
    CHECK_EQ(tr_main(&bad[0], waiter, NULL, 0), 1);
}

/* ---- arguments, from a process and from a foreign thread */

static void bad_times_and_tags(tr_pid pid)
{
    tr_pid out;
    tr_msg *message = NULL;
    tr_timer timer;
    int64_t state;
    int statuses[1];
    CHECK(tr_new(0, 10, &message) == NULL && message == NULL);
    CHECK_EQ(tr_send(pid, 0, NULL, 0), TR_EINVAL);
    CHECK_EQ(tr_send(pid, -1, NULL, 0), TR_EINVAL);
    CHECK_EQ(tr_cast(pid, 0, NULL, 0), TR_EINVAL);
    CHECK_EQ(tr_send_alias((tr_ref){ 1, 1 }, 0, NULL, 0), TR_EINVAL);
    CHECK_EQ(tr_call(pid, 0, NULL, 0, NULL, 0, 10), TR_EINVAL);
    CHECK_EQ(tr_call(pid, WORD, NULL, 0, NULL, 0, -5), TR_EINVAL);
    CHECK_EQ(tr_call_msg(pid, 0, NULL, 0, 10, &message), TR_EINVAL);
    CHECK_EQ(tr_call_msg(pid, WORD, NULL, 0, -5, &message), TR_EINVAL);
    CHECK(tr_multi_call(&pid, 1, 0, NULL, 0, 10, statuses, &message) < 0);
    CHECK(tr_multi_call(&pid, 1, WORD, NULL, 0, -5, statuses, &message) < 0);
    CHECK_EQ(tr_send_after(-1, pid, WORD, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_send_after(1, pid, 0, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_send_interval(0, pid, WORD, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_exit_after(-1, pid, TR_KILL, &timer), TR_EINVAL);
    CHECK_EQ(tr_start_timer(-1, pid, NULL, 0, &timer), TR_EINVAL);
    CHECK_EQ(tr_suspend(pid, -5), TR_EINVAL);
    CHECK_EQ(tr_get_state(pid, &state, sizeof state, -5), TR_EINVAL);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, &(tr_start_options){ .timeout_ms = -5 }, &out), TR_EINVAL);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false,
                            &(tr_start_options){ .spawn = &(tr_spawn_options){ .flags = TR_SPAWN_LINK } }, &out),
             TR_EINVAL);
    CHECK(tr_register("", pid) == TR_EINVAL && tr_register("x", tr_name("y")) == TR_EINVAL);
    CHECK(tr_unregister("nobody has this") == TR_ENOPROC && tr_nobody(tr_whereis("nobody has this")));
    CHECK_EQ(tr_exit_signal(tr_name("nobody has this"), TR_KILL), TR_ENOPROC);
}

static void bad_sockets(void)
{
    static const char *const bad[] = {
        "", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:65536", "udp://127.0.0.1:1", "tcp://localhost:1", "unix://"
    };
    tr_socket socket;
    for (size_t i = 0; i < TR_COUNT(bad); i++) {
        CHECK_EQ(tr_listen(bad[i], &socket), TR_EINVAL);
        CHECK_EQ(tr_connect(bad[i], 10, &socket), TR_EINVAL);
    }
    CHECK_EQ(tr_listen(NULL, &socket), TR_EINVAL);
    CHECK_EQ(tr_listen("tcp://127.0.0.1:0", NULL), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:0", 10, &socket), TR_EINVAL); /* no port: nobody is there */
    CHECK_EQ(tr_connect("tcp://*:80", 10, &socket), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:80", -5, &socket), TR_EINVAL);
    CHECK_EQ(tr_connect("tcp://127.0.0.1:80", 10, NULL), TR_EINVAL);
    CHECK_EQ(tr_accept((tr_socket){ 99 }, -5, &socket), TR_EINVAL);
    CHECK_EQ(tr_accept((tr_socket){ 99 }, 10, NULL), TR_EINVAL);
    CHECK_EQ(tr_signal_subscribe(SIGKILL), TR_EINVAL);
}

static void reads_a_string(const tr_msg *arg)
{
    (void)tr_string(arg);
    CHECK(false);
}

static void ends_at_once(const tr_msg *arg) { (void)arg; }
/* A DOWN is no message of so many bytes, though inside it has a pointer's. */
static void expects_of_a_down(const tr_msg *arg)
{
    (void)arg;
    tr_ref monitor;
    tr_spawn_monitor(ends_at_once, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .ref = monitor }, TR_INFINITY);
    CHECK(tr_expect(down, 0) != NULL);
    (void)tr_expect(down, sizeof(void *));
    CHECK(false);
}

static void no_string(void)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(reads_a_string, "abc", 3, &monitor); /* its end is missing */
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
    tr_spawn_monitor(expects_of_a_down, NULL, 0, &monitor);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    CHECK_EQ(reason.why, TR_WHY_UNEXPECTED);
}

static void in_a_process(const tr_msg *unused)
{
    (void)unused;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    tr_msg *reply;
    int status;
    bad_times_and_tags(pid);
    bad_sockets();
    no_string();
    CHECK(tr_data() == NULL && tr_nobody(tr_parent()));
    CHECK_EQ(tr_link(tr_name("nobody has this")), TR_EINVAL);
    CHECK_EQ(tr_link((tr_pid){ 0 }), TR_EINVAL);
    CHECK(!tr_demonitor((tr_ref){ 1, 1 }, true) && !tr_unalias((tr_ref){ 1, 1 }));
    CHECK_EQ(tr_wait_response((tr_ref){ 1, 1 }, -5, &reply), TR_EINVAL);
    tr_send(tr_self(), WORD, NULL, 0);
    CHECK_EQ(tr_check_response(tr_receive(0), (tr_ref){ tr_self().id, 1 }, &status, &reply), 0);
    tr_ref bad = tr_send_request(pid, 0, NULL, 0); /* what went wrong is the response */
    CHECK_EQ(tr_wait_response(bad, TR_INFINITY, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_SYSTEM_LIMIT);
    CHECK_EQ(tr_cast(tr_self(), TR_MSG_DOWN, NULL, 0), TR_EINVAL);
    CHECK(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN }, 0) == NULL); /* nothing was forged */
    CHECK(tr_put("key", NULL) == NULL && tr_get("key") == NULL);
    CHECK_EQ(tr_halt(0), TR_EINVAL); /* not from a process */
    tr_exit_signal(pid, TR_KILL);
}

/* ---- numbers that are larger than what they count can be */

static void huge(void)
{
    tr_pid out;
    tr_pid pid = tr_spawn_with(waiter, NULL, 0,
                               &(tr_spawn_options){ .mailbox_messages = SIZE_MAX, .mailbox_bytes = SIZE_MAX });
    CHECK_EQ(tr_send(pid, WORD, NULL, 0), TR_OK); /* as good as no bound */
    CHECK_EQ(tr_call(pid, WORD, NULL, 0, NULL, 0, 1), TR_ETIMEDOUT);
    end_with(pid, TR_KILL);
    static const tr_actor stateful = { .label = "stateful", .state_size = 4096 };
    const tr_spawn_options extra = { .extra_state = SIZE_MAX - 4000 };
    CHECK_EQ(tr_start_actor(&stateful, NULL, 0, &(tr_start_options){ .spawn = &extra }, &out), TR_ENOMEM);
    CHECK_EQ(tr_replace_state(tr_self(), NULL, "", SIZE_MAX - 4, TR_INFINITY), TR_ENOMEM);
}
TEST(argument, a_number_that_is_too_large_wraps_nowhere) { run(huge); }

static _Atomic int slow_records;
static void count_slow(const tr_log_record *record, void *arg)
{
    (void)arg;
    slow_records += strcmp(record->event, "slow") == 0;
}
static void takes_its_time(const tr_msg *arg)
{
    (void)arg;
    for (int64_t begin = tr_now_ns(); tr_now_ns() - begin < 30000000;)
        ;
}
TEST(argument, a_turn_is_never_longer_than_the_longest_time)
{
    const tr_config longest = { .workers = 1, .slow_turn_ms = INT64_MAX, .log = count_slow };
    CHECK_EQ(tr_main(&longest, takes_its_time, NULL, 0), 0);
    CHECK_EQ(slow_records, 0);
}

TEST(argument, a_process_is_told_what_is_wrong) { CHECK_EQ(tr_main(NULL, in_a_process, NULL, 0), 0); }

TEST(argument, a_foreign_thread_is_told_what_is_wrong)
{
    tr_pid out;
    int statuses[1];
    tr_msg *replies[1];
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 2 }), TR_OK);
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    bad_times_and_tags(pid);
    CHECK(tr_nobody(tr_self()) && tr_nobody(tr_parent()) && tr_data() == NULL);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, &(tr_start_options){ .flags = TR_START_LINK }, &out), TR_EFOREIGN);
    CHECK_EQ(tr_timer_cancel_async((tr_timer){ 1 }), TR_EFOREIGN);
    CHECK_EQ(tr_signal_subscribe(SIGUSR1), TR_EFOREIGN);
    CHECK_EQ(tr_defer(free, NULL), TR_EFOREIGN);
    CHECK_EQ(tr_multi_call(&pid, 1, WORD, NULL, 0, 10, statuses, replies), TR_EFOREIGN);
    CHECK(tr_stop_reason(TR_OK) == NULL);
    tr_timer timer;
    CHECK_EQ(tr_exit_after(3600000, pid, TR_KILL, &timer), TR_OK);
    CHECK(tr_timer_cancel(timer) > 0);
    CHECK_EQ(tr_send_alias((tr_ref){ pid.id, 1 }, WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_reply((tr_from){ pid, 1 }, NULL, 0), TR_OK); /* nobody waits */
    CHECK(tr_same_ref(tr_send_request(pid, WORD, NULL, 0), (tr_ref){ 0, 0 }));
    CHECK_EQ(tr_fail(TR_EDOWN, &TR_KILLED), TR_EDOWN);
    CHECK(tr_reason_same(tr_last_reason(), &TR_KILLED)); /* the thread's own */
    int seven = 7;
    CHECK_EQ(tr_blocking(nothing_at_all, &seven), 7);
    tr_yield();
    tr_started();
    CHECK_EQ(tr_halt(1000), TR_OK);
}

/* ---- misuse */

static void foreign_link(void) { (void)!tr_link((tr_pid){ 5 }); }
static void foreign_trap(void) { tr_trap_exit(true); }
static void foreign_monitor(void) { tr_monitor((tr_pid){ 5 }); }
static void foreign_receive(void) { tr_receive(0); }
static void foreign_idle(void) { (void)!tr_idle(5); }
static void foreign_stop(void) { (void)!tr_stop(TR_NORMAL); }
static void foreign_exit(void) { tr_exit(TR_NORMAL); }
static void foreign_put(void) { tr_put("key", NULL); }
static void foreign_get(void) { tr_get("key"); }
static void foreign_keep(void)
{
    tr_msg *message;
    tr_new(WORD, 1, &message);
    tr_keep(message);
}
/* A process keeps a DOWN, which a thread takes for a response. */
static tr_msg *kept_down;
static void keep_down(const tr_msg *arg)
{
    (void)arg;
    tr_ref monitor = tr_monitor(dead_pid());
    tr_msg *kept = tr_keep(tr_receive_match(&(tr_match){ .ref = monitor }, TR_INFINITY));
    __atomic_store_n(&kept_down, kept, __ATOMIC_RELEASE);
    waiter(arg);
}
static void foreign_response(void)
{
    int status;
    tr_msg *reply;
    tr_spawn(keep_down, NULL, 0);
    while (__atomic_load_n(&kept_down, __ATOMIC_ACQUIRE) == NULL)
        usleep(1000);
    CHECK_EQ(tr_ref_of(kept_down).owner, 0); /* whose it is, only its owner knows */
    tr_check_response(kept_down, tr_ref_of(kept_down), &status, &reply);
}
static void bare_keep(void) { tr_keep((const tr_msg *)(uintptr_t)64); }
static void clean_up_and_exit(void *arg)
{
    (void)arg;
    tr_exit(TR_NORMAL);
}
static void clean_up_and_wait(void *arg)
{
    (void)arg;
    tr_yield();
}
static void defers(const tr_msg *arg)
{
    void (*clean_up)(void *) = *(void (*const *)(void *))tr_expect(arg, sizeof clean_up);
    CHECK_EQ(tr_defer(clean_up, NULL), TR_OK);
}
static void misuse_in_clean_up(void (*clean_up)(void *arg))
{
    tr_spawn(defers, &clean_up, sizeof clean_up);
    usleep(10000000);
}
static void exit_in_clean_up(void) { misuse_in_clean_up(clean_up_and_exit); }
static void wait_in_clean_up(void) { misuse_in_clean_up(clean_up_and_wait); }

/* Whether it ended the child, and what it said. */
static bool ends_with_a_line(bool booted, void (*misuse)(void), char *said, size_t size)
{
    int out[2], status;
    CHECK_EQ(pipe(out), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        CHECK(!booted || tr_boot(&(tr_config){ .workers = 1 }) == TR_OK);
        misuse();
        _exit(0);
    }
    close(out[1]);
    size_t have = 0;
    for (ssize_t got; have + 1 < size && (got = read(out[0], said + have, size - 1 - have)) > 0;)
        have += (size_t)got;
    said[have] = '\0';
    close(out[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

TEST(argument, what_only_a_process_may_do_ends_a_foreign_thread_with_a_line)
{
    static const struct {
        void (*misuse)(void);
        const char *line;
    } cases[] = { { foreign_link, "tr_link" },
                  { foreign_trap, "tr_trap_exit" },
                  { foreign_monitor, "tr_monitor" },
                  { foreign_receive, "tr_receive" },
                  { foreign_idle, "tr_idle" },
                  { foreign_stop, "tr_stop" },
                  { foreign_exit, "tr_exit" },
                  { foreign_put, "tr_put" },
                  { foreign_get, "tr_get" },
                  { foreign_keep, "tr_keep" },
                  { foreign_response, "tr_check_response" },
                  { exit_in_clean_up, "a clean-up (tr_defer) may not exit" },
                  { wait_in_clean_up, "not allowed in a clean-up" } };
    char said[4096];
    for (size_t i = 0; i < TR_COUNT(cases); i++) {
        CHECK(ends_with_a_line(true, cases[i].misuse, said, sizeof said));
        CHECK(strstr(said, cases[i].line) != NULL);
    }
}

TEST(argument, what_only_a_process_may_do_ends_a_program_without_a_runtime_with_a_line)
{
    static const struct {
        void (*misuse)(void);
        const char *line;
    } cases[] = { { foreign_link, "tr_link" }, { foreign_receive, "tr_receive" }, { foreign_idle, "tr_idle" },
                  { foreign_exit, "tr_exit" }, { foreign_put, "tr_put" },         { foreign_get, "tr_get" },
                  { bare_keep, "tr_keep" } };
    char said[4096];
    for (size_t i = 0; i < TR_COUNT(cases); i++) {
        CHECK(ends_with_a_line(false, cases[i].misuse, said, sizeof said));
        CHECK(strstr(said, cases[i].line) != NULL);
    }
}
