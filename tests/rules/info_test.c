/* info_test.c: what can be known about processes: INFO. */
#include "support.h"

static void of_the_dead(void);
TEST(info, of_the_dead_is_noproc) { run(of_the_dead); }
static void of_the_dead(void)
{
    tr_process_info info;
    tr_pid *pids;
    tr_message_info *messages;
    size_t count;
    tr_pid dead = dead_pid();
    RULE("INFO-01");
    CHECK_EQ(tr_info(dead, &info), TR_ENOPROC);
    CHECK_EQ(tr_peek(dead, &info), TR_ENOPROC);
    CHECK_EQ(tr_info_links(dead, &pids, &count), TR_ENOPROC);
    CHECK_EQ(tr_info_monitors(dead, &pids, &count), TR_ENOPROC);
    CHECK_EQ(tr_info_monitored_by(dead, &pids, &count), TR_ENOPROC);
    CHECK_EQ(tr_info_messages(dead, &messages, &count), TR_ENOPROC);
    CHECK_EQ(tr_info((tr_pid){ 0 }, &info), TR_ENOPROC);
}

static void subject(const tr_msg *arg)
{
    static int value;
    tr_pid root = *(const tr_pid *)tr_body(arg);
    tr_trap_exit(true);
    tr_put("key", &value);
    tr_monitor(root);
    CHECK(tr_alloc(5000) != NULL);
    tr_send(root, READY, NULL, 0);
    await_tag(GO);
}

static void items(void);
TEST(info, tells_what_users_rely_on) { run(items); }
static void items(void)
{
    tr_pid self = tr_self();
    tr_pid pid = tr_spawn_with(subject, &self, sizeof self,
                               &(tr_spawn_options){ .flags = TR_SPAWN_LINK, .label = "subject" });
    await_tag(READY);
    CHECK_EQ(tr_register("studied", pid), TR_OK);
    tr_monitor(pid);
    tr_monitor(pid);
    for (int i = 0; i < 3; i++)
        tr_send(pid, WORD, NULL, 0);
    tr_process_info info;
    CHECK_EQ(tr_info(pid, &info), TR_OK);
    RULE("INFO-02");
    CHECK(tr_same(info.pid, pid));
    CHECK_STR(info.label, "subject");
    CHECK_STR(info.name, "studied");
    CHECK_EQ(info.trap_exit, true);
    CHECK_EQ(info.message_queue_len, 3);
    CHECK_EQ(info.links, 1);
    CHECK_EQ(info.monitors, 1);
    CHECK_EQ(info.monitored_by, 2);
    CHECK_EQ(info.dictionary, 1);
    CHECK(info.memory >= 5000);
    CHECK(info.stack_size > 0);
    CHECK(info.status == TR_STATUS_WAITING || info.status == TR_STATUS_RUNNABLE || info.status == TR_STATUS_RUNNING);
}

static void lists(void);
TEST(info, lists_links_monitors_and_messages) { run(lists); }
static void lists(void)
{
    tr_pid self = tr_self(), *list, pid = tr_spawn_link(subject, &self, sizeof self);
    size_t count;
    await_tag(READY);
    tr_monitor(pid);
    RULE("INFO-02");
    CHECK_EQ(tr_info_links(pid, &list, &count), TR_OK);
    CHECK(count == 1 && tr_same(list[0], self));
    tr_free(list);
    CHECK_EQ(tr_info_monitors(pid, &list, &count), TR_OK);
    CHECK(count == 1 && tr_same(list[0], self));
    tr_free(list);
    CHECK_EQ(tr_info_monitored_by(pid, &list, &count), TR_OK);
    CHECK(count == 1 && tr_same(list[0], self));
    tr_free(list);
    tr_message_info *messages;
    tr_send(pid, 5, "12345", 5);
    tr_send(pid, 6, NULL, 0);
    CHECK_EQ(tr_info_messages(pid, &messages, &count), TR_OK);
    CHECK_EQ(count, 2);
    CHECK(messages[0].tag == 5 && messages[0].size == 5 && tr_same(messages[0].sender, self) && messages[1].tag == 6);
    tr_free(messages);
}

static void only_active(void);
TEST(info, monitors_are_those_that_are_active) { run(only_active); }
static void only_active(void)
{
    tr_pid *list;
    size_t count;
    tr_ref alias = tr_alias(), over = tr_monitor(dead_pid());
    tr_process_info info;
    CHECK_EQ(tr_info(tr_self(), &info), TR_OK);
    CHECK_EQ(tr_info_monitors(tr_self(), &list, &count), TR_OK);
    tr_free(list);
    RULE("INFO-02");
    CHECK_EQ(count, 0);
    CHECK_EQ(info.monitors, 0);
    CHECK(tr_unalias(alias));
    await_down(over);
}

static void of_itself(void);
TEST(info, a_running_process_may_ask_about_itself) { run(of_itself); }
static void of_itself(void)
{
    tr_process_info info;
    tr_send(tr_self(), WORD, NULL, 0);
    CHECK_EQ(tr_info(tr_self(), &info), TR_OK);
    RULE("INFO-02");
    CHECK_EQ(info.status, TR_STATUS_RUNNING);
    CHECK_EQ(info.message_queue_len, 1);
    CHECK_EQ(tr_peek(tr_self(), &info), TR_OK);
    CHECK_EQ(info.status, TR_STATUS_RUNNING);
}

static void sleeper(const tr_msg *arg)
{
    (void)arg;
    tr_sleep(1000000);
}

/* Spawned and not yet begun; unless a spare worker is quicker, then the next one is tried. */
static tr_pid seen_runnable(void)
{
    for (;;) {
        tr_process_info info;
        tr_pid pid = tr_spawn(sleeper, NULL, 0);
        CHECK_EQ(tr_peek(pid, &info), TR_OK);
        if (info.status == TR_STATUS_RUNNABLE)
            return pid;
        tr_exit_signal(pid, TR_KILL);
    }
}

static void glances(void)
{
    tr_process_info info = { .status = TR_STATUS_RUNNABLE };
    tr_pid pid = seen_runnable();
    while (info.status == TR_STATUS_RUNNABLE || info.status == TR_STATUS_RUNNING) {
        tr_yield();
        CHECK_EQ(tr_peek(pid, &info), TR_OK);
    }
    RULE("INFO-02");
    CHECK_EQ(info.status, TR_STATUS_WAITING);
    tr_exit_signal(pid, TR_KILL);
}
TEST(info, a_glance_tells_who_is_runnable_and_who_waits) { run_on(1, glances); }

static void idle_server(void);
TEST(info, waiting_is_the_status_of_an_idle_process) { run(idle_server); }
static void idle_server(void)
{
    tr_process_info info;
    tr_pid pid = tr_spawn(waiter, NULL, 0);
    do
        tr_sleep(1);
    while (tr_peek(pid, &info) == TR_OK && info.status != TR_STATUS_WAITING);
    RULE("INFO-02");
    CHECK_EQ(info.status, TR_STATUS_WAITING);
    CHECK_EQ(info.message_queue_len, 0);
}

static void everybody(void);
TEST(info, lists_processes_that_are_not_finished) { run(everybody); }
static void everybody(void)
{
    tr_pid alive = tr_spawn(waiter, NULL, 0), dead = dead_pid(), *list;
    size_t count;
    bool self_there = false, alive_there = false;
    CHECK_EQ(tr_processes(&list, &count), TR_OK);
    for (size_t i = 0; i < count; i++) {
        self_there |= tr_same(list[i], tr_self());
        alive_there |= tr_same(list[i], alive);
        CHECK(!tr_same(list[i], dead) || !tr_is_alive(dead)); /* an exiting one may be among them */
    }
    tr_free(list);
    RULE("INFO-03");
    CHECK(self_there && alive_there);
}

static void counted(void);
TEST(info, spawned_is_exited_plus_processes) { run(counted); }
static void counted(void)
{
    tr_system_info before, after;
    CHECK_EQ(tr_system(&before), TR_OK);
    for (int i = 0; i < 1000; i++)
        dead_pid();
    do { /* the last ones may still be about to leave */
        tr_sleep(1);
        CHECK_EQ(tr_system(&after), TR_OK);
    } while (after.processes > before.processes);
    RULE("INFO-03");
    CHECK_EQ(after.spawned, before.spawned + 1000);
    CHECK_EQ(after.spawned, after.exited + after.processes);
}
