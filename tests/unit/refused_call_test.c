/* refused_call_test.c: calls without memory: messages, links, names, timers, questions, requests. */
#include "refused.h"

#include <signal.h>

static tr_ref own_alias;

/* ---- the calls: what they return; a negative status: refused */

static int given(const void *memory) { return memory == NULL ? TR_ENOMEM : TR_OK; }

static int try_alloc(void) { return given(tr_alloc(100)); }
static int try_alloc_large(void) { return given(tr_alloc(LARGE)); }
static int try_alloc_absurd(void) { return given(tr_alloc(SIZE_MAX - 8)) == TR_ENOMEM ? given(tr_alloc(1)) : TR_EIO; }
static int try_realloc(void) { return given(tr_realloc(tr_alloc(10), 10000)); }
static void clean_up(void *arg) { (void)arg; }
static int try_defer(void) { return tr_defer(clean_up, NULL); }
static int try_put(void) { return tr_put("key", &idle) == NULL && tr_get("key") == &idle ? TR_OK : TR_EIO; }

static int try_new(void)
{
    tr_msg *message;
    void *body = tr_new(WORD, 300, &message);
    CHECK((body == NULL) == (message == NULL));
    tr_drop(message);
    return given(body);
}

static int try_send_large(void)
{
    static const char body[LARGE];
    return tr_send(idle, WORD, body, sizeof body);
}
static int try_send_self(void)
{
    int status = tr_send(tr_self(), WORD, "x", 1);
    CHECK((tr_receive(0) != NULL) == (status == TR_OK));
    return status;
}

static int try_keep(void)
{
    int status = tr_send(tr_self(), WORD, "x", 1);
    const tr_msg *message = status == TR_OK ? tr_receive(0) : NULL;
    return status == TR_OK ? given(tr_keep(message)) : status;
}

static int try_alias(void)
{
    tr_ref alias = tr_alias();
    bool none = tr_same_ref(alias, (tr_ref){ 0, 0 });
    CHECK(tr_unalias(alias) == !none);
    return none ? TR_ENOMEM : TR_OK;
}
static int try_send_alias(void) { return tr_send_alias(own_alias, WORD, NULL, 0); }

static int try_link(void)
{
    int status = tr_link(idle);
    tr_unlink(idle);
    return status;
}
static int try_link_dead(void)
{
    tr_trap_exit(true);
    int status = tr_link((tr_pid){ (UINT64_C(1) << 40) | 77 });
    CHECK((tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0) != NULL) == (status == TR_OK));
    return status;
}
static int try_monitor(void) { return tr_demonitor(tr_monitor(idle), true) ? TR_OK : TR_EIO; }
static int try_monitor_dead(void)
{
    tr_ref monitor = tr_monitor((tr_pid){ (UINT64_C(1) << 40) | 77 });
    return tr_await_down(monitor, TR_INFINITY, NULL);
}

static int try_register(void)
{
    static const char name[] = "a name that has to be copied, which needs memory";
    int status = tr_register(name, tr_self());
    CHECK(tr_same(tr_whereis(name), status == TR_OK ? tr_self() : (tr_pid){ 0 }));
    return status;
}

static int try_exit_signal(void)
{
    tr_trap_exit(true);
    int status = tr_exit_signal(tr_self(), tr_because(TR_WHY_USER, 1, "of a copied reason"));
    CHECK((tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT }, 0) != NULL) == (status == TR_OK));
    return status;
}

/* ---- calls that wait */

static int try_request(void)
{
    tr_msg *reply = NULL;
    int status = tr_wait_response(tr_send_request(server, QUESTION, NULL, 0), TR_INFINITY, &reply);
    return status == TR_EDOWN && tr_last_reason()->why == TR_WHY_SYSTEM_LIMIT ? TR_ENOMEM : status;
}
static int try_multi_call(void)
{
    int statuses[2];
    tr_msg *replies[2];
    const tr_pid servers[] = { server, server };
    int answered = tr_multi_call(servers, 2, QUESTION, NULL, 0, TR_INFINITY, statuses, replies);
    return answered < 0 ? answered : answered == 2 ? TR_OK : TR_ENOMEM;
}

/* ---- timers */

static int await_word(int status)
{
    if (status != TR_OK)
        return status;
    return tr_receive_match(&(tr_match){ .tag = WORD }, 10000) != NULL ? TR_OK : TR_EIO;
}
static int try_send_after(void) { return await_word(tr_send_after(0, tr_self(), WORD, "x", 1, NULL)); }
static int try_send_after_known(void)
{
    tr_timer timer;
    return await_word(tr_send_after(0, tr_self(), WORD, "x", 1, &timer));
}
static int try_interval(void)
{
    tr_timer timer;
    int status = tr_send_interval(3600000, tr_self(), WORD, NULL, 0, &timer);
    CHECK(status != TR_OK || tr_timer_cancel(timer) > 0);
    return status;
}
static int try_exit_after(void)
{
    tr_timer timer;
    int status = tr_exit_after(3600000, tr_self(), tr_because(TR_WHY_USER, 1, "late"), &timer);
    CHECK(status != TR_OK || tr_timer_cancel(timer) > 0);
    return status;
}
static int try_cancel_async(void)
{
    int status = tr_timer_cancel_async((tr_timer){ 99 });
    CHECK((tr_receive_match(&(tr_match){ .tag = TR_MSG_TIMER }, 0) != NULL) == (status == TR_OK));
    return status;
}

/* ---- questions */

static int try_lists(void)
{
    tr_pid *list;
    tr_message_info *messages;
    size_t count;
    int status = tr_info_links(idle, &list, &count);
    if (status == TR_OK)
        status = tr_info_monitors(idle, &list, &count);
    if (status == TR_OK)
        status = tr_info_monitored_by(idle, &list, &count);
    if (status == TR_OK)
        status = tr_info_messages(idle, &messages, &count);
    if (status == TR_OK)
        status = tr_info_links(tr_self(), &list, &count);
    return status == TR_OK ? tr_processes(&list, &count) : status;
}

static int set_to_five(void *state, const void *arg)
{
    *(int *)state = *(const int *)arg;
    return TR_OK;
}
static int try_system_messages(void)
{
    char state[STATE];
    int five = 5;
    tr_status_info info;
    int status = tr_suspend(server, TR_INFINITY);
    if (status == TR_OK)
        status = tr_get_state(server, state, sizeof state, TR_INFINITY);
    if (status == TR_OK)
        status = tr_replace_state(server, set_to_five, &five, sizeof five, TR_INFINITY);
    if (status == TR_OK)
        status = tr_get_status(server, &info, TR_INFINITY);
    return status == TR_OK ? tr_resume(server, TR_INFINITY) : status;
}

static int try_subscribe(void) { return tr_signal_subscribe(SIGUSR1); }

static const struct {
    int (*act)(void);
    bool onwards; /* one refusal may go unnoticed: a plain send tries twice */
} calls[] = {
    { try_alloc, false },        { try_alloc_large, false },
    { try_alloc_absurd, false }, { try_realloc, false },
    { try_defer, false },        { try_put, false },
    { try_new, false },          { try_send, true },
    { try_send_large, true },    { try_send_self, true },
    { try_keep, false },         { try_keep, true },
    { try_alias, false },        { try_send_alias, false },
    { try_link, false },         { try_link_dead, false },
    { try_monitor, false },      { try_monitor_dead, false },
    { try_register, false },     { try_exit_signal, false },
    { try_call, false },         { try_call_msg, false },
    { try_request, false },      { try_request, true },
    { try_multi_call, false },   { try_send_after, false },
    { try_interval, false },     { try_exit_after, false },
    { try_cancel_async, false }, { try_info, false },
    { try_lists, false },        { try_system_messages, false },
    { try_subscribe, false },    { try_send_after_known, false },
};
/* What needs memory only where no fiber is left over. */
static int (*const waits[])(void) = { try_sleep, try_receive, try_blocking };

static void all_calls(const tr_msg *arg)
{
    (void)arg;
    idle = tr_spawn(waiter, NULL, 0);
    own_alias = tr_alias();
    for (size_t i = 0; i < TR_COUNT(calls); i++)
        if (refusals(calls[i].act, calls[i].onwards) == 0)
            harness_fail(__FILE__, __LINE__, "call %zu was never refused", i);
    for (size_t i = 0; i < TR_COUNT(waits); i++)
        (void)refusals(waits[i], false);
    tr_process_info info;
    CHECK_EQ(tr_info(idle, &info), TR_OK);
    CHECK(info.links == 0 && info.monitored_by == 0); /* nobody who ended has left anything */
    tr_exit_signal(idle, TR_KILL);
}

TEST(refused_call, calls_without_memory_say_so_and_change_nothing)
{
    if (!POOL_COUNTS)
        SKIP("blocks of pools are not refused in this build");
    CHECK_EQ(tr_main(&quiet, all_calls, NULL, 0), 0);
}
