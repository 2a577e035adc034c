/* gen_server_system_test.c: the system messages of a server: SYS-01, SYS-02, SYS-03, SYS-06, SYS-07. */
#include "behaviour.h"

enum { SET = 1, GET, HOLD };

struct box {
    int64_t value;
    char text[16];
};

static int box_call(void *state, const tr_msg *request, tr_from from)
{
    if (tr_tag(request) == GET)
        return tr_reply(from, state, sizeof(struct box));
    return tr_unexpected(request);
}

static int box_cast(void *state, const tr_msg *message)
{
    struct box *box = state;
    if (tr_tag(message) == HOLD) {
        tr_receive_match(&(tr_match){ .tag = 77 }, TR_INFINITY);
        return TR_OK;
    }
    box->value = *(const int64_t *)tr_expect(message, sizeof(int64_t));
    note("set%d", (int)box->value);
    return TR_OK;
}

static void box_describe(const void *state, tr_out *out)
{
    const struct box *box = state;
    tr_print(out, "value %d", (int)box->value);
}

static void box_terminate(void *state, const tr_reason *reason)
{
    (void)state;
    note("terminate%d", (int)reason->why);
}

static const tr_gen_server box = { .label = "box",
                                   .state_size = sizeof(struct box),
                                   .handle_call = box_call,
                                   .handle_cast = box_cast,
                                   .describe = box_describe,
                                   .terminate = box_terminate };
static const tr_gen_server trapping_box = { .label = "trapping box",
                                            .state_size = sizeof(struct box),
                                            .trap_exit = true,
                                            .handle_call = box_call,
                                            .handle_cast = box_cast,
                                            .terminate = box_terminate };

static tr_pid start_box(void)
{
    tr_pid pid;
    CHECK_EQ(tr_start(&(tr_child){ .name = "box", .server = &box }, &pid), TR_OK);
    return pid;
}

static void set(tr_pid pid, int64_t value) { tr_cast(pid, SET, &value, sizeof value); }

static void suspended(void)
{
    struct box now;
    tr_pid pid = start_box();
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    set(pid, 1);
    set(pid, 2);
    CHECK_EQ(tr_call(pid, GET, NULL, 0, &now, sizeof now, 20), TR_ETIMEDOUT);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-01"); /* only system messages are handled */
    CHECK_EQ(now.value, 0);
    CHECK_STR(happened(), "");
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    CHECK_EQ(tr_resume(pid, 5000), TR_OK);
    CHECK_EQ(tr_call(pid, GET, NULL, 0, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-01"); /* then the queue, in order */
    CHECK_STR(happened(), "set1 set2");
    CHECK_EQ(now.value, 2);
    end_with(pid, TR_KILL);
}
TEST(gen_server_system, a_suspended_server_queues_all_but_system_messages) { run(suspended); }

static int double_it(void *state, const void *arg)
{
    struct box *state_of_box = state;
    state_of_box->value = state_of_box->value * 2 + *(const int64_t *)arg;
    return TR_OK;
}

static int refuse(void *state, const void *arg)
{
    (void)arg;
    memset(state, 0xff, sizeof(struct box));
    return 5;
}

static int crash_in_it(void *state, const void *arg)
{
    memset(state, 0xff, sizeof(struct box));
    tr_assert(arg == NULL);
    return TR_OK;
}

static void state(void)
{
    struct box now;
    char other[3];
    const int64_t one = 1;
    tr_pid pid = start_box();
    set(pid, 20);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-02");
    CHECK_EQ(now.value, 20);
    CHECK_EQ(tr_get_state(pid, other, sizeof other, 5000), TR_ESIZE);
    CHECK_EQ(tr_replace_state(pid, double_it, &one, sizeof one, 5000), TR_OK);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    CHECK_EQ(now.value, 41);
    CHECK_EQ(tr_replace_state(pid, refuse, NULL, 0, 5000), TR_ECALLBACK);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-02"); /* a change that fails changes nothing */
    CHECK_EQ(now.value, 41);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    CHECK_EQ(tr_replace_state(pid, double_it, &one, sizeof one, 5000), TR_OK);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    CHECK_EQ(now.value, 83);
    end_with(pid, TR_KILL);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_ENOPROC);
}
TEST(gen_server_system, the_state_can_be_read_and_replaced) { run(state); }

static void crashing_change(void)
{
    struct box now;
    const int64_t one = 1;
    tr_pid pid = start_box();
    set(pid, 20);
    CHECK_EQ(tr_replace_state(pid, crash_in_it, &one, sizeof one, 5000), TR_ECALLBACK);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-02");
    CHECK_EQ(now.value, 20);
    end_with(pid, TR_KILL);
}
TEST(gen_server_system, a_crash_while_the_state_is_replaced_changes_nothing) { run(crashing_change); }

static void status(void)
{
    tr_status_info info;
    tr_pid pid;
    CHECK_EQ(tr_start_link(&(tr_child){ .name = "box", .server = &box }, &pid), TR_OK);
    set(pid, 3);
    CHECK_EQ(tr_get_status(pid, &info, 5000), TR_OK);
    RULE("SYS-03");
    CHECK(tr_same(info.pid, pid) && tr_same(info.parent, tr_self()));
    CHECK_STR(info.label, "box");
    CHECK_STR(info.name, "box");
    CHECK_STR(info.state, "value 3");
    CHECK_EQ(info.suspended, false);
    CHECK_EQ(tr_suspend(pid, 5000), TR_OK);
    CHECK_EQ(tr_get_status(pid, &info, 5000), TR_OK);
    CHECK_EQ(info.suspended, true);
    tr_unlink(pid);
    end_with(pid, TR_KILL);
}
TEST(gen_server_system, get_status_tells_who_it_is_and_what_it_holds) { run(status); }

static void held_up(void)
{
    struct box now;
    tr_pid pid = start_box();
    tr_cast(pid, HOLD, NULL, 0);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 20), TR_ETIMEDOUT);
    set(pid, 9);
    tr_send(pid, 77, NULL, 0);
    CHECK_EQ(tr_get_state(pid, &now, sizeof now, 5000), TR_OK);
    RULE("SYS-02"); /* in mailbox order: after what was sent before it */
    CHECK_EQ(now.value, 9);
    end_with(pid, TR_KILL);
}
TEST(gen_server_system, system_messages_keep_their_place) { run(held_up); }

static void suspended_parent(const tr_msg *arg)
{
    tr_pid pid;
    (void)arg;
    tr_must(tr_start_link(&(tr_child){ .name = "box", .server = &trapping_box }, &pid));
    tr_must(tr_suspend(pid, 5000));
    tr_receive(TR_INFINITY);
    tr_exit(tr_because(TR_WHY_USER, 5, "parent"));
}

static void parent_exit(void)
{
    tr_pid parent = tr_spawn(suspended_parent, NULL, 0), pid;
    tr_status_info info = { .suspended = false };
    tr_reason reason;
    while (tr_nobody(pid = tr_whereis("box")))
        tr_yield();
    while (!info.suspended)
        CHECK_EQ(tr_get_status(pid, &info, 5000), TR_OK);
    tr_ref monitor = tr_monitor(pid);
    set(pid, 1);
    tr_send(parent, 1, NULL, 0);
    CHECK_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    RULE("SYS-07");
    CHECK_STR(happened(), "terminate13");
    CHECK_EQ(reason.code, 5);
}
TEST(gen_server_system, the_parents_exit_ends_a_suspended_server) { run(parent_exit); }
