/* limit_test.c: limits: of processes, of sizes, of names; what is asked where it can't be done; and sends from places
 * where nobody may yield. */
#include "support.h"

#include <pthread.h>
#include <unistd.h>

/* ---- no pid is left */

enum { PROCESSES = 1000 }; /* more than there are, rounded up to a page of the table */

/* A grace period has given back the pid of somebody who had ended before. */
static bool found_room(tr_pid pid)
{
    bool alive = tr_is_alive(pid);
    if (alive)
        tr_exit_signal(pid, TR_KILL);
    return alive;
}

static void linked_to_nobody(const tr_msg *arg)
{
    (void)arg;
    tr_ref monitor;
    await_tag(GO);
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_with(waiter, "x", 1,
                               &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
    if (found_room(pid))
        return;
    CHECK_EQ(await_down(monitor).why, TR_WHY_SYSTEM_LIMIT);
    CHECK_EQ(await_exit(pid).why, TR_WHY_SYSTEM_LIMIT);
    pid = tr_spawn_with(waiter, NULL, 0,
                        &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR }); /* the reference is not wanted */
    if (found_room(pid))
        return;
    CHECK_EQ(tr_reason_of(tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .from = pid }, TR_INFINITY))->why,
             TR_WHY_SYSTEM_LIMIT);
}

static void *outside(void *unused)
{
    tr_ref monitor = { 7, 7 };
    (void)unused;
    tr_pid pid = tr_spawn_with(waiter, NULL, 0,
                               &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitor });
    CHECK(!tr_is_alive(pid) && monitor.owner == 0);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, NULL, &pid), TR_ENOMEM); /* not even a pid to wait with */
    return NULL;
}

static void no_more_processes(void)
{
    static tr_pid pids[PROCESSES], started;
    size_t count = 0;
    tr_ref monitor;
    tr_pid linker = tr_spawn_monitor(linked_to_nobody, NULL, 0, &monitor);
    while (count < PROCESSES && tr_is_alive(pids[count] = tr_spawn(waiter, NULL, 0)))
        count++;
    CHECK(count > 0 && count < PROCESSES);
    CHECK_EQ(tr_start_entry(waiter, NULL, 0, false, NULL, &started), TR_ELIMIT);
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, outside, NULL), 0);
    pthread_join(thread, NULL);
    go(linker);
    CHECK_EQ(await_down(monitor).why, TR_WHY_NORMAL);
    for (size_t i = 0; i < count; i++)
        end_with(pids[i], TR_KILL);
    while (tr_start_entry(waiter, NULL, 0, false, NULL, &started) == TR_ELIMIT)
        tr_sleep(1); /* a grace period later there is room again */
    CHECK(tr_is_alive(started));
}
TEST(limit, without_a_pid_a_process_is_dead_on_arrival)
{
    the_body = no_more_processes;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 1, .log = drop_record, .max_processes = 12 }, enter_body, NULL, 0), 0);
}

/* ---- sizes */

static const tr_actor idle_actor = { .label = "idle" };
static void detailed(const tr_msg *arg)
{
    tr_exit_with(because(4), tr_body(arg), (size_t)UINT32_MAX + 1); /* never read: it does not fit */
}
static void absurd_sizes(void)
{
    tr_msg *message;
    tr_ref monitor;
    CHECK(tr_new(WORD, SIZE_MAX, &message) == NULL && message == NULL);
    CHECK(tr_new(WORD, SIZE_MAX - 16, &message) == NULL && message == NULL);
    CHECK_EQ(tr_give(tr_self(), message), TR_EINVAL);
    CHECK(tr_alloc(SIZE_MAX) == NULL && tr_alloc(SIZE_MAX / 2) == NULL);
    CHECK_EQ(tr_send(tr_self(), WORD, "x", SIZE_MAX - 100), TR_ENOMEM);
    tr_spawn_actor(
        &idle_actor, NULL, 0,
        &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .extra_state = (size_t)UINT32_MAX + 1 });
    CHECK_EQ(await_down(monitor).why, TR_WHY_SYSTEM_LIMIT);
    tr_spawn_monitor(detailed, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .ref = monitor }, TR_INFINITY);
    CHECK_EQ(tr_reason_of(down)->code, 4);
    RULE("EXIT-11");
    CHECK_EQ(tr_size(down), 0); /* the reason matters more */
    tr_send(tr_self(), WORD, NULL, 0);
    CHECK(tr_reason_of(tr_receive(0)) == NULL); /* of other messages there is none */
    CHECK_EQ(tr_send_interval(INT64_MAX, tr_self(), WORD, NULL, 0, NULL), TR_EINVAL);
    CHECK_EQ(tr_send_interval(5, tr_self(), 0, NULL, 0, NULL), TR_EINVAL);
}
TEST(limit, absurd_sizes_are_refused) { run(absurd_sizes); }

/* A body whose size does not fit into the header stands behind a wide one. */
static void wide_body(size_t size)
{
    tr_msg *message;
    char *body = tr_new(WORD, size, &message);
    CHECK(body != NULL && body[size] == 0);
    body[0] = 'a';
    body[size - 1] = 'z';
    CHECK_EQ(tr_give(tr_self(), message), TR_OK);
    const tr_msg *received = tr_receive(TR_INFINITY);
    CHECK_EQ(tr_size(received), size);
    const char *found = tr_expect(received, size);
    CHECK(found == tr_body(received) && found[0] == 'a' && found[size - 1] == 'z');
}
static void wide_bodies(void)
{
    wide_body(20 << 20);
    wide_body((1 << 24) - 2); /* the last that fits, and the first that does not */
    wide_body((1 << 24) - 1);
}
TEST(limit, bodies_may_be_of_many_megabytes) { run(wide_bodies); }

static void resizes(void)
{
    char *text = tr_alloc(10);
    strcpy(text, "abcdefghi");
    char *same = tr_realloc(text, 12); /* it fits where it is */
    CHECK_STR(same, "abcdefghi");
    CHECK(same[10] == 0 && same[11] == 0);
    char *shorter = tr_realloc(same, 4);
    CHECK(shorter == same && memcmp(shorter, "abcd", 4) == 0);
    char *grown = tr_realloc(shorter, 9);
    CHECK(memcmp(grown, "abcd\0\0\0\0\0", 9) == 0); /* what was cut off is gone */
    char *large = tr_realloc(grown, 100000);
    CHECK(memcmp(large, "abcd\0\0\0\0\0", 9) == 0 && large[99999] == 0);
    large[200] = 'x';
    CHECK_EQ(((char *)tr_realloc(large, 300))[200], 'x');
    CHECK(tr_realloc(NULL, 0) != NULL);
}
TEST(limit, memory_keeps_its_contents_when_it_is_resized) { run(resizes); }

static void resizes_absurdly(const tr_msg *arg)
{
    (void)arg;
    tr_realloc(tr_alloc(10), SIZE_MAX - 8);
}
static void no_such_size(void)
{
    tr_ref monitor;
    tr_spawn_monitor(resizes_absurdly, NULL, 0, &monitor);
    tr_reason reason = await_down(monitor);
    CHECK(reason.why == TR_WHY_STATUS && reason.code == TR_ENOMEM);
}
TEST(limit, an_absurd_resize_ends_its_process) { run(no_such_size); }

/* ---- many names */

static void many_names(void)
{
    enum { NAMES = 3000 };
    static tr_pid pids[NAMES];
    char name[20];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "name %d", i);
        pids[i] = tr_spawn(waiter, NULL, 0);
        CHECK_EQ(tr_register(name, pids[i]), TR_OK);
    }
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "name %d", i);
        RULE("REG-04");
        CHECK(tr_same(tr_whereis(name), pids[i]));
        if (i % 2 == 0)
            CHECK_EQ(tr_unregister(name), TR_OK);
        end_with(pids[i], TR_KILL);
        CHECK(tr_nobody(tr_whereis(name)));
    }
}
TEST(limit, thousands_of_names_are_found_and_forgotten)
{
    if (HARNESS_SIMULATED)
        SKIP("nothing in it depends on the order, and it takes many steps");
    run(many_names);
}

/* ---- sends where nobody may yield */

static bool send_and_refuse(const tr_msg *message, const void *to)
{
    for (int i = 0; i < 300; i++)
        CHECK_EQ(tr_send(*(const tr_pid *)to, WORD, NULL, 0), TR_OK);
    return tr_tag(message) == LAST;
}
static void counts(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < 1200; i++)
        await_tag(WORD);
}
static void chatter(const tr_msg *arg)
{
    tr_pid to = *(const tr_pid *)tr_expect(arg, sizeof to);
    tr_send(tr_self(), LAST, NULL, 0);
    tr_receive_match(&(tr_match){ .accept = send_and_refuse, .arg = &to }, TR_INFINITY);
    tr_critical_begin();
    for (int i = 0; i < 300; i++)
        tr_send(to, WORD, NULL, 0);
    tr_critical_end();
    tr_critical_end(); /* one too many changes nothing */
    for (int i = 0; i < 600; i++)
        tr_send(to, WORD, NULL, 0);
}
static void sends_in_odd_places(void)
{
    tr_ref monitors[2], counted;
    tr_pid to = tr_spawn_monitor(counts, NULL, 0, &counted);
    for (int i = 0; i < 2; i++)
        tr_spawn_with(chatter, &to, sizeof to,
                      &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR | (i == 0 ? TR_SPAWN_PIN_THREAD : 0),
                                           .monitor = &monitors[i] });
    for (int i = 0; i < 2; i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    CHECK_EQ(await_down(counted).why, TR_WHY_NORMAL);
}
TEST(limit, many_sends_where_nobody_may_yield_arrive) { run(sends_in_odd_places); }

/* ---- bounded mailboxes, from everywhere */

static void full_boxes(void)
{
    tr_msg *reply;
    tr_pid full = tr_spawn_with(waiter, NULL, 0, &(tr_spawn_options){ .mailbox_bytes = 10 });
    tr_ref request = tr_send_request(full, QUESTION, "more than 10 bytes", 18);
    CHECK_EQ(tr_wait_response(request, TR_INFINITY, &reply), TR_EDOWN);
    CHECK_EQ(tr_last_reason()->why, TR_WHY_SYSTEM_LIMIT);
    CHECK_EQ(tr_call(full, QUESTION, "more than 10 bytes", 18, NULL, 0, TR_INFINITY), TR_EFULL);
    CHECK_EQ(tr_exit_signal(full, TR_KILL), TR_OK);
}
TEST(limit, requests_that_do_not_fit_are_refused) { run(full_boxes); }

static int answer_any(void *state, const tr_msg *message)
{
    (void)state;
    return tr_kind_of(message) == TR_KIND_CALL ? tr_reply(tr_from_of(message), "yes", 4) : TR_OK;
}
static const tr_actor answerer = { .label = "answerer", .state_size = 8, .handle = answer_any };

static void bounded_server(void)
{
    tr_msg *reply;
    char state[8], answer[4];
    tr_process_info info;
    tr_pid pid = tr_spawn_actor(&answerer, NULL, 0, &(tr_spawn_options){ .mailbox_messages = 1 });
    for (int i = 0; i < 20; i++) { /* each gives its room back */
        CHECK_EQ(tr_call(pid, QUESTION, NULL, 0, answer, sizeof answer, TR_INFINITY), TR_OK);
        tr_ref request = tr_send_request(pid, QUESTION, NULL, 0);
        CHECK_EQ(tr_wait_response(request, TR_INFINITY, &reply), TR_OK);
        tr_drop(reply);
        CHECK_EQ(tr_info(pid, &info), TR_OK); /* these need no room */
        CHECK_EQ(tr_get_state(pid, state, sizeof state, TR_INFINITY), TR_OK);
    }
    end_with(pid, TR_KILL);
}
static void calls_in_turn(const tr_msg *arg)
{
    char answer[4];
    for (int i = 0; i < 5; i++)
        CHECK_EQ(tr_call(*(const tr_pid *)tr_expect(arg, sizeof(tr_pid)), QUESTION, NULL, 0, answer, 4, TR_INFINITY),
                 TR_OK);
}
static void queue_for_room(void)
{
    tr_ref monitors[6];
    tr_pid pid = tr_spawn_actor(
        &answerer, NULL, 0,
        &(tr_spawn_options){ .mailbox_messages = 1, .overflow = TR_OVERFLOW_WAIT, .overflow_wait_ms = 60000 });
    CHECK_EQ(tr_suspend(pid, TR_INFINITY), TR_OK); /* all but one have to wait */
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        tr_spawn_monitor(calls_in_turn, &pid, sizeof pid, &monitors[i]);
    tr_sleep(3);
    CHECK_EQ(tr_resume(pid, TR_INFINITY), TR_OK);
    for (size_t i = 0; i < TR_COUNT(monitors); i++)
        CHECK_EQ(await_down(monitors[i]).why, TR_WHY_NORMAL);
    end_with(pid, TR_KILL);
}
TEST(limit, callers_wait_for_room) { run(queue_for_room); }

TEST(limit, a_server_with_room_for_one_answers_all) { run(bounded_server); }

static void slow_reader(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++) {
        tr_sleep(3);
        await_tag(WORD);
    }
}
TEST(limit, a_thread_waits_for_room_in_a_bounded_mailbox)
{
    CHECK_EQ(tr_boot(&(tr_config){ .workers = 2, .log = drop_record }), TR_OK);
    tr_pid pid = tr_spawn_with(
        slow_reader, NULL, 0,
        &(tr_spawn_options){ .mailbox_messages = 1, .overflow = TR_OVERFLOW_WAIT, .overflow_wait_ms = 60000 });
    for (int i = 0; i < 6; i++)
        CHECK_EQ(tr_send(pid, WORD, NULL, 0), TR_OK);
    while (tr_is_alive(pid))
        tr_sleep(1);
    CHECK_EQ(tr_halt(1000), TR_OK);
}
