/* tour.h: one walk through everything that a program can ask of the runtime, in which every step may be refused.
 *
 * What refuses (memory, threads, descriptors) is the including program's: `refused` says whether it has. The walk has
 * parts, each a process of its own. A part may end early, but only with a clear error: a status or a reason that speaks
 * of a limit. Whatever was accepted must have happened, exactly once: messages arrive, calls are answered, DOWN and
 * EXIT come, timers fire, clean-ups run. If nothing was refused, every part must have gone to its end. */
#ifndef TROUPE_TESTS_STRESS_TOUR_H
#define TROUPE_TESTS_STRESS_TOUR_H

#include "stress.h"

#include <signal.h>
#include <unistd.h>

static bool (*refused)(void);
static bool lasting; /* what is refused once is refused until the end */

/* Far longer than anything here takes, and still shorter than the alarm. */
enum { LONG_MS = 20000, TRIES = 4 };

static bool limit_status(int status)
{
    return status == TR_ENOMEM || status == TR_ELIMIT || status == TR_EDOWN || status == TR_ENOPROC ||
           status == TR_ESTART || status == TR_EIO;
}

/* True: it was done. False: it was not, which is only right if something was refused. */
#define fine(status) fine_at((status), __LINE__)
static bool fine_at(int status, int line)
{
    if (status >= 0)
        return true;
    if (!limit_status(status) || !refused())
        fprintf(stderr, "line %d: status %d (%s)\n", line, status, tr_status_text(status));
    MUST(limit_status(status));
    MUST(refused());
    return false;
}

static bool limit_reason(const tr_reason *reason)
{
    return reason->why == TR_WHY_SYSTEM_LIMIT || reason->why == TR_WHY_NOPROC || reason->why == TR_WHY_START ||
           (reason->why == TR_WHY_STATUS && limit_status(reason->code));
}

static void must_be_limit(const tr_reason *reason)
{
    char text[128];
    if (!limit_reason(reason) || !refused())
        fprintf(stderr, "ended with: %s\n", tr_reason_text(reason, text, sizeof text));
    MUST(limit_reason(reason));
    MUST(refused());
}

/* ---- messages */

static void collector(const tr_msg *arg)
{
    int64_t count = 0;
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_kind_of(message) == TR_KIND_CALL) {
            tr_reply(tr_from_of(message), &count, sizeof count);
            continue;
        }
        MUST_EQ(*(const int64_t *)tr_body(message), count);
        count++;
    }
}

/* Asks a collector until it answers; -1: it has ended, or memory does not come back. */
static int64_t collected(tr_pid to)
{
    int64_t count;
    for (int i = 0; i < TRIES; i++) {
        int status = tr_call(to, QUESTION, NULL, 0, &count, sizeof count, LONG_MS);
        if (fine(status))
            return count;
        if (status == TR_EDOWN || status == TR_ENOPROC)
            return -1;
    }
    return -1;
}

static void collected_all(tr_pid to, int64_t accepted)
{
    int64_t count = collected(to);
    MUST(count < 0 || count == accepted);
}

static void tour_messages(void)
{
    static const char bytes[40000];
    int64_t accepted = 0;
    tr_pid to = tr_spawn(collector, NULL, 0);
    for (size_t i = 0; i < 40; i++) {
        size_t size = sizeof accepted + i * i * 20; /* the last ones are mappings of their own */
        tr_msg *message;
        int64_t *body = tr_new(WORD, size, &message);
        MUST((body == NULL) == (message == NULL));
        if (body != NULL) {
            *body = accepted;
            memcpy(body + 1, bytes, size - sizeof *body);
            accepted += fine(tr_give(to, message));
        }
        accepted += fine(tr_send(to, WORD, &accepted, sizeof accepted));
    }
    collected_all(to, accepted);
    tr_exit_signal(to, TR_KILL);
}

static void tour_bounds(void)
{
    for (int policy = TR_OVERFLOW_FAIL; policy <= TR_OVERFLOW_STOP; policy++) {
        tr_ref monitor;
        tr_pid to = tr_spawn_with(waiter, NULL, 0,
                                  &(tr_spawn_options){ .mailbox_messages = 3,
                                                       .flags = TR_SPAWN_MONITOR,
                                                       .monitor = &monitor,
                                                       .overflow = policy,
                                                       .overflow_wait_ms = 1 });
        for (int i = 0; i < 20; i++) {
            int status = tr_send(to, WORD, NULL, 0);
            MUST(status == TR_EFULL || fine(status) || refused());
        }
        if (!fine(tr_exit_signal(to, TR_KILL)))
            return;
        tr_reason reason;
        MUST_EQ(tr_await_down(monitor, LONG_MS, &reason), TR_OK);
    }
}

/* ---- calls */

static int double_it(void *state, const tr_msg *request, tr_from from)
{
    int64_t number = *(const int64_t *)tr_expect(request, sizeof number);
    ++*(int64_t *)state;
    number *= 2;
    return tr_reply(from, &number, sizeof number);
}

static int count_it(void *state, const tr_msg *message)
{
    (void)message;
    ++*(int64_t *)state;
    return TR_OK;
}

static const tr_gen_server doubler = {
    .label = "doubler", .state_size = sizeof(int64_t), .handle_call = double_it, .handle_cast = count_it
};

static void is_double(tr_msg *reply, int64_t number)
{
    MUST_EQ(tr_size(reply), sizeof number);
    MUST_EQ(*(const int64_t *)tr_body(reply), 2 * number);
    tr_drop(reply);
}

static void call_all_ways(tr_pid server)
{
    int64_t number = 21, result = 0;
    tr_msg *reply = NULL;
    if (fine(tr_call(server, QUESTION, &number, sizeof number, &result, sizeof result, LONG_MS)))
        MUST_EQ(result, 42);
    if (fine(tr_call_msg(server, QUESTION, &number, sizeof number, LONG_MS, &reply)))
        is_double(reply, number);
    MUST_EQ(tr_cast(server, WORD, NULL, 0), TR_OK);
    tr_ref request = tr_send_request(server, QUESTION, &number, sizeof number);
    if (fine(tr_wait_response(request, LONG_MS, &reply)))
        is_double(reply, number);
    int statuses[2];
    tr_msg *replies[2];
    int answered = tr_multi_call(&(const tr_pid[]){ server, server }[0], 2, QUESTION, &number, sizeof number, LONG_MS,
                                 statuses, replies);
    if (!fine(answered))
        return;
    for (int i = 0; i < 2; i++)
        if (fine(statuses[i]))
            is_double(replies[i], number);
}

static void tour_calls(void)
{
    tr_pid server;
    if (!fine(tr_start_server(&doubler, NULL, 0, &(tr_start_options){ .name = "doubler" }, &server)))
        return;
    call_all_ways(server);
    call_all_ways(tr_name("doubler"));
    int64_t state;
    if (fine(tr_suspend(server, LONG_MS)))
        while (!fine(tr_resume(server, LONG_MS)) && tr_is_alive(server) && refused())
            if (tr_send(server, WORD, NULL, 0) != TR_OK) /* memory does not come back */
                break;
    (void)fine(tr_get_state(server, &state, sizeof state, LONG_MS));
    tr_status_info info;
    (void)fine(tr_get_status(server, &info, LONG_MS));
    int status = tr_stop_server(server, TR_NORMAL, LONG_MS);
    if (!fine(status))
        tr_exit_signal(server, TR_KILL);
}

/* ---- links, monitors, names */

static void ends_at_go(const tr_msg *arg)
{
    (void)arg;
    await(GO);
    tr_exit(tr_because(TR_WHY_USER, 5, "as asked"));
}

/* One DOWN and one EXIT for each, whatever was refused. */
static void tour_relations(void)
{
    enum { COUNT = 10 };
    tr_pid pids[COUNT];
    tr_ref monitors[COUNT];
    tr_trap_exit(true);
    for (int i = 0; i < COUNT; i++)
        pids[i] = tr_spawn_with(
            ends_at_go, NULL, 0,
            &(tr_spawn_options){ .flags = TR_SPAWN_LINK | TR_SPAWN_MONITOR, .monitor = &monitors[i] });
    for (int i = 0; i < COUNT; i++)
        if (!fine(tr_send(pids[i], GO, NULL, 0)) && !fine(tr_exit_signal(pids[i], TR_SHUTDOWN)))
            return;
    for (int i = 0; i < COUNT; i++) {
        tr_reason reason;
        MUST_EQ(tr_await_down(monitors[i], LONG_MS, &reason), TR_OK);
        if (reason.why != TR_WHY_USER && reason.why != TR_WHY_SHUTDOWN)
            must_be_limit(&reason);
        const tr_msg *exit = tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pids[i] }, 0);
        MUST(exit != NULL || refused());
    }
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    int linked = tr_link(pid);
    (void)fine(linked);
    tr_ref alias = tr_alias();
    if (!tr_same_ref(alias, (tr_ref){ 0, 0 }) && fine(tr_send_alias(alias, WORD, NULL, 0)))
        MUST(tr_receive_match(&(tr_match){ .tag = WORD }, LONG_MS) != NULL);
    if (fine(tr_exit_signal(pid, TR_KILL)) && linked == TR_OK)
        MUST(tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, LONG_MS) != NULL);
}

static void tour_names(void)
{
    char name[80];
    for (int i = 0; i < 10; i++) {
        tr_pid pid = tr_spawn(waiter, NULL, 0);
        snprintf(name, sizeof name, "a name that is long enough to be no small one %d", i);
        bool mine = fine(tr_register(name, pid));
        MUST(tr_same(tr_whereis(name), mine ? pid : (tr_pid){ 0 }) || refused());
        if (mine && i % 2 == 0)
            MUST(fine(tr_unregister(name)) || !tr_is_alive(pid));
        tr_exit_signal(pid, TR_KILL);
    }
}

/* ---- timers */

static void tour_timers(void)
{
    int64_t started = 0, delivered = 0;
    tr_timer timers[12];
    for (int i = 0; i < 12; i++) {
        timers[i].id = 0;
        if (fine(tr_send_after(i % 4, tr_self(), WORD, NULL, 0, &timers[i])))
            started++;
    }
    for (int i = 0; i < 12; i += 3)
        if (timers[i].id != 0 && tr_timer_cancel(timers[i]) >= 0)
            started--;
    while (delivered < started && tr_receive_match(&(tr_match){ .tag = WORD }, LONG_MS) != NULL)
        delivered++;
    MUST_EQ(delivered, started);
    MUST(tr_receive_match(&(tr_match){ .tag = WORD }, 10) == NULL);
}

/* ---- what a process owns */

static int64_t cleaned; /* atomic */

static void clean_up(void *arg) { __atomic_fetch_add(&cleaned, *(int *)arg, __ATOMIC_RELAXED); }

static void owner(const tr_msg *arg)
{
    int *promised = *(int *const *)tr_expect(arg, sizeof promised);
    char key[16];
    for (int i = 0; i < 10; i++) {
        int *one = tr_alloc(sizeof *one);
        MUST(one != NULL || refused());
        if (one == NULL)
            continue;
        *one = 1;
        if (fine(tr_defer(clean_up, one)))
            __atomic_fetch_add(promised, 1, __ATOMIC_RELAXED);
        snprintf(key, sizeof key, "k%d", i);
        tr_put(key, one);
        MUST(tr_get(key) == one);
    }
    char *text = tr_realloc(tr_alloc(10), 100000);
    text[99999] = 1;
}

static void tour_belongings(void)
{
    int promised = 0, *at = &promised;
    tr_ref monitor;
    tr_reason reason;
    __atomic_store_n(&cleaned, 0, __ATOMIC_RELAXED);
    tr_spawn_with(owner, &at, sizeof at,
                  &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor, .stack_size = 1 << 20 });
    MUST_EQ(tr_await_down(monitor, LONG_MS, &reason), TR_OK);
    if (reason.why != TR_WHY_NORMAL)
        must_be_limit(&reason);
    MUST_EQ(__atomic_load_n(&cleaned, __ATOMIC_RELAXED), __atomic_load_n(&promised, __ATOMIC_RELAXED));
}

static void tour_info(void)
{
    tr_pid *list, pid = tr_spawn(waiter, NULL, 0);
    size_t count;
    tr_process_info info;
    tr_message_info *messages;
    (void)fine(tr_info(pid, &info));
    if (fine(tr_processes(&list, &count)))
        tr_free(list);
    if (fine(tr_info_links(pid, &list, &count)))
        tr_free(list);
    if (fine(tr_info_monitors(pid, &list, &count)))
        tr_free(list);
    if (fine(tr_info_monitored_by(pid, &list, &count)))
        tr_free(list);
    if (fine(tr_info_messages(pid, &messages, &count)))
        tr_free(messages);
    (void)tr_is_alive(pid);
    tr_exit_signal(pid, TR_KILL);
}

static int seven(void *arg)
{
    (void)arg;
    return 7;
}

static void tour_blocking(void)
{
    int result = tr_blocking(seven, NULL);
    MUST(result == 7 || !fine(result));
    (void)fine(tr_signal_subscribe(SIGUSR1));
}

/* ---- supervisors */

static int announce(void *state, const tr_msg *arg)
{
    *(tr_pid *)state = *(const tr_pid *)tr_expect(arg, sizeof(tr_pid));
    return tr_continue(GO, NULL, 0);
}

static int announce_now(void *state, const tr_msg *message)
{
    (void)message;
    tr_pid self = tr_self();
    return tr_send(*(const tr_pid *)state, READY, &self, sizeof self);
}

static const tr_gen_server announcer = {
    .label = "announcer", .state_size = sizeof(tr_pid), .init = announce, .handle_continue = announce_now
};

/* Takes the announcement of a child, or learns that the supervisor has given up; false then. */
static bool announced(tr_ref supervisor, tr_pid *child)
{
    for (;;) {
        const tr_msg *message = tr_receive(LONG_MS);
        MUST(message != NULL);
        if (tr_tag(message) == READY) {
            *child = *(const tr_pid *)tr_body(message);
            return true;
        }
        if (tr_tag(message) == TR_MSG_DOWN && tr_same_ref(tr_ref_of(message), supervisor)) {
            MUST(refused());
            return false;
        }
    }
}

static void tour_supervisor(void)
{
    tr_pid self = tr_self(), supervisor, child, first;
    tr_ref monitor;
    tr_child children[] = {
        { .id = "a", .server = &announcer, .arg = &self, .arg_size = sizeof self },
        { .id = "b", .name = "tour b", .server = &announcer, .arg = &self, .arg_size = sizeof self },
    };
    tr_supervisor spec = { .strategy = TR_ONE_FOR_ALL, .intensity = 20, .children = children, .child_count = 2 };
    if (!fine(tr_start_monitor(&(tr_child){ .id = "tree", .supervisor = &spec }, &supervisor, &monitor)))
        return;
    if (!announced(monitor, &first) || !announced(monitor, &child))
        return;
    if (!fine(tr_exit_signal(first, TR_KILL)) || !announced(monitor, &first) || !announced(monitor, &child))
        return;
    tr_child_info *list;
    size_t count;
    tr_child extra = { .id = "c", .server = &announcer, .arg = &self, .arg_size = sizeof self };
    int status = tr_start_child(supervisor, &extra, &child);
    bool there = fine(status);
    status = tr_which_children(supervisor, &list, &count);
    if (fine(status)) {
        MUST(count == 2 + (size_t)there || refused());
        tr_free(list);
    }
    if (there && !fine(tr_terminate_child(supervisor, "c")) && !tr_is_alive(supervisor))
        return;
    if (fine(tr_exit_signal(supervisor, TR_KILL)))
        MUST_EQ(tr_await_down(monitor, LONG_MS, NULL), TR_OK);
}

/* ---- sockets */

static void talk(tr_socket here, tr_socket there)
{
    char buffer[16];
    size_t size;
    if (!fine(tr_write(here, "hello", 5, LONG_MS)) || !fine(tr_read(there, buffer, sizeof buffer, LONG_MS, &size)))
        return;
    MUST(size == 5 && memcmp(buffer, "hello", 5) == 0);
    if (!fine(tr_socket_active(there, 10)) || !fine(tr_write(here, "again", 5, LONG_MS)))
        return;
    const tr_msg *message = tr_receive_match(&(tr_match){ .tag = TR_MSG_SOCKET }, lasting ? 100 : LONG_MS);
    MUST(message != NULL || lasting);
    if (message == NULL)
        return;
    const tr_socket_event *event = tr_body(message);
    MUST(event->what == TR_SOCKET_DATA || event->what == TR_SOCKET_ERROR);
    MUST(event->what == TR_SOCKET_DATA ? event->size == 5 : refused());
}

static void tour_sockets(void)
{
    char address[40];
    tr_socket listener, here, there;
    if (!fine(tr_listen("tcp://127.0.0.1:0", &listener)))
        return;
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", tr_socket_port(listener));
    if (!fine(tr_connect(address, LONG_MS, &here)))
        return;
    int status = tr_accept(listener, 1000, &there);
    if (status == TR_ETIMEDOUT ? refused() : !fine(status))
        return;
    talk(here, there);
    tr_close(here);
    tr_close(there);
}

/* ---- all of it */

static void (*const tour_parts[])(void) = { tour_messages, tour_bounds,     tour_calls,      tour_relations,
                                            tour_names,    tour_timers,     tour_belongings, tour_info,
                                            tour_blocking, tour_supervisor, tour_sockets };

static int64_t parts_done; /* atomic */

static void tour_part(const tr_msg *arg)
{
    tour_parts[*(const size_t *)tr_expect(arg, sizeof(size_t))]();
    __atomic_fetch_add(&parts_done, 1, __ATOMIC_RELAXED);
}

/* The root: one part after another. */
UNUSED static void tour(const tr_msg *arg)
{
    (void)arg;
    __atomic_store_n(&parts_done, 0, __ATOMIC_RELAXED);
    for (size_t i = 0; i < TR_COUNT(tour_parts); i++) {
        tr_ref monitor;
        tr_reason reason;
        tr_spawn_monitor(tour_part, &i, sizeof i, &monitor);
        int status = tr_await_down(monitor, 2 * LONG_MS, &reason);
        if (status != TR_OK)
            fprintf(stderr, "part %zu does not end\n", i);
        MUST_EQ(status, TR_OK);
        if (reason.why != TR_WHY_NORMAL)
            must_be_limit(&reason);
    }
}

UNUSED static bool tour_complete(void)
{
    return __atomic_load_n(&parts_done, __ATOMIC_RELAXED) == (int64_t)TR_COUNT(tour_parts);
}

#endif
