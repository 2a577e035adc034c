/* tour.h: one walk through everything that a program can ask of the runtime, in which every step may be refused.
 *
 * What refuses (memory, threads, descriptors) is the including program's: `refused` says whether it has. The walk has
 * parts, each a process of its own. A part may end early, but only with a clear error: a status or a reason that speaks
 * of a limit. Whatever was accepted must have happened, exactly once: messages arrive, calls are answered, DOWN and
 * EXIT come, timers fire, clean-ups run. If nothing was refused, every part must have gone to its end. */
#ifndef TROUPE_TESTS_STRESS_TOUR_H
#define TROUPE_TESTS_STRESS_TOUR_H

#include "tour_talk.h"

#include <signal.h>
#include <unistd.h>

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
