/* link_test.c: links: LINK. */
#include "support.h"

static void unique(void);
TEST(link, is_unique_per_pair_and_removed_by_either_side) { run(unique); }
static void unique(void)
{
    tr_trap_exit(true);
    tr_pid pid = spawn_ender_on_go(1);
    size_t count;
    tr_pid *list;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tr_link(pid), TR_OK);
    CHECK_EQ(tr_info_links(pid, &list, &count), TR_OK);
    RULE("LINK-01");
    CHECK_EQ(count, 1);
    CHECK(tr_same(list[0], tr_self()));
    tr_free(list);
    go(pid);
    CHECK_EQ(await_exit(pid).code, 1);
    RULE("LINK-01");
    CHECK(mailbox_empty());
}

/* Is linked by its parent; links back, unlinks once, and waits. */
static void unlinks_parent(const tr_msg *arg)
{
    tr_pid parent = *(const tr_pid *)tr_body(arg);
    CHECK_EQ(tr_link(parent), TR_OK);
    tr_unlink(parent);
    tr_send(parent, READY, NULL, 0);
    await_tag(GO);
    tr_exit(because(1));
}

static void other_side(void);
TEST(link, is_gone_for_both_when_one_side_removes_it) { run(other_side); }
static void other_side(void)
{
    tr_pid self = tr_self(), pid = tr_spawn_link(unlinks_parent, &self, sizeof self);
    tr_ref monitor = tr_monitor(pid);
    await_tag(READY);
    go(pid);
    RULE("LINK-01");
    CHECK_EQ(await_down(monitor).code, 1); /* and this process lives */
}

static void to_itself(void);
TEST(link, to_itself_does_nothing) { run(to_itself); }
static void to_itself(void)
{
    tr_process_info info;
    RULE("LINK-02");
    CHECK_EQ(tr_link(tr_self()), TR_OK);
    CHECK_EQ(tr_info(tr_self(), &info), TR_OK);
    CHECK_EQ(info.links, 0);
}

static void to_the_dead(void);
TEST(link, to_the_dead_fails_or_is_an_exit_message) { run(to_the_dead); }
static void to_the_dead(void)
{
    tr_pid dead = dead_pid();
    RULE("LINK-03");
    CHECK_EQ(tr_link(dead), TR_ENOPROC);
    tr_yield(); /* the caller lives */
    tr_trap_exit(true);
    RULE("LINK-03");
    CHECK_EQ(tr_link(dead), TR_OK);
    CHECK_EQ(await_exit(dead).why, TR_WHY_NOPROC);
    CHECK_EQ(tr_link(tr_name("a name")), TR_EINVAL);
}

static void to_the_dying(void);
TEST(link, to_the_dying_gives_the_reason_or_noproc) { race(to_the_dying); }
static void to_the_dying(void)
{
    int wrong = 0, real = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = spawn_ender_on_go(i);
        go(pid);
        dawdle();
        CHECK_EQ(tr_link(pid), TR_OK);
        tr_reason reason = await_exit(pid);
        wrong += reason.why != TR_WHY_NOPROC && reason.code != i;
        real += reason.why == TR_WHY_USER;
    }
    RULE("LINK-04");
    CHECK_EQ(wrong, 0);
    CHECK(mailbox_empty());
    CHECK(real <= RACES);
}

static void to_the_dying_untrapped(const tr_msg *arg)
{
    tr_pid pid = *(const tr_pid *)tr_body(arg);
    if (tr_link(pid) != TR_OK)
        tr_exit(because(1));
    waiter(arg);
}

static void never_silent(void);
TEST(link, to_the_dying_ends_who_does_not_trap) { race(never_silent); }
static void never_silent(void)
{
    int silent = 0;
    for (int i = 0; i < RACES; i++) {
        tr_pid dying = spawn_ender_on_go(2);
        tr_ref monitor;
        tr_spawn_monitor(to_the_dying_untrapped, &dying, sizeof dying, &monitor);
        dawdle();
        go(dying);
        tr_reason reason;
        silent += tr_await_down(monitor, 10000, &reason) != TR_OK || (reason.code != 1 && reason.code != 2);
    }
    RULE("LINK-04");
    CHECK_EQ(silent, 0);
}

/* ---- unlink */

static void unlink_anything(void);
TEST(link, unlink_is_safe_whoever_it_is) { run(unlink_anything); }
static void unlink_anything(void)
{
    tr_pid stranger = tr_spawn(waiter, NULL, 0);
    tr_unlink(stranger);
    tr_unlink(tr_self());
    tr_unlink(dead_pid());
    tr_unlink_flush(stranger);
    RULE("LINK-05");
    CHECK(mailbox_empty());
    CHECK(tr_is_alive(stranger));
}

/* Links to the process it is told, unlinks it while it dies, and says that it survived. */
struct survivor {
    tr_pid root, mortal;
};

static void survivor(const tr_msg *arg)
{
    struct survivor self = *(const struct survivor *)tr_expect(arg, sizeof self);
    if (tr_link(self.mortal) != TR_OK)
        tr_exit(TR_NORMAL);
    go(self.mortal);
    dawdle();
    tr_unlink(self.mortal);
    tr_send(self.root, READY, NULL, 0); /* from here on nothing can kill it */
    for (int i = 0; i < 3; i++)
        tr_yield();
    tr_exit(TR_NORMAL);
}

static void survives(void);
TEST(link, unlinked_process_does_not_die_of_the_link) { race(survives); }
static void survives(void)
{
    int died_after = 0;
    for (int i = 0; i < RACES; i++) {
        struct survivor start = { tr_self(), spawn_ender_on_go(3) };
        tr_ref monitor, mortal = tr_monitor(start.mortal);
        tr_spawn_monitor(survivor, &start, sizeof start, &monitor);
        tr_reason reason = await_down(monitor);
        await_down(mortal);
        bool unlinked = tr_receive_match(&(tr_match){ .tag = READY }, 0) != NULL;
        died_after += unlinked && reason.why != TR_WHY_NORMAL;
    }
    RULE("LINK-05");
    CHECK_EQ(died_after, 0);
}

/* The same, with a link that is newer than the one whose EXIT may be on its way. */
static void linked_anew(const tr_msg *arg)
{
    struct survivor self = *(const struct survivor *)tr_expect(arg, sizeof self);
    if (tr_link(self.mortal) != TR_OK)
        tr_exit(TR_NORMAL);
    go(self.mortal);
    dawdle();
    tr_spawn_link(waiter, NULL, 0);
    tr_unlink(self.mortal);
    tr_send(self.root, READY, NULL, 0);
    for (int i = 0; i < 3; i++)
        tr_yield();
    tr_exit(because(6));
}

static void behind_a_newer_link(void);
TEST(link, unlink_cancels_an_exit_on_its_way_also_behind_a_newer_link) { race(behind_a_newer_link); }
static void behind_a_newer_link(void)
{
    int died_after = 0;
    for (int i = 0; i < RACES; i++) {
        struct survivor start = { tr_self(), spawn_ender_on_go(3) };
        tr_ref monitor, mortal = tr_monitor(start.mortal);
        tr_spawn_monitor(linked_anew, &start, sizeof start, &monitor);
        tr_reason reason = await_down(monitor);
        await_down(mortal);
        bool unlinked = tr_receive_match(&(tr_match){ .tag = READY }, 0) != NULL;
        died_after += unlinked && reason.code != 6;
    }
    RULE("LINK-05");
    CHECK_EQ(died_after, 0);
}

static void flush(void);
TEST(link, unlink_flush_leaves_nothing_behind) { race(flush); }
static void flush(void)
{
    int left = 0;
    tr_trap_exit(true);
    for (int i = 0; i < RACES; i++) {
        tr_pid pid = spawn_ender_on_go(i);
        tr_ref monitor = tr_monitor(pid);
        CHECK_EQ(tr_link(pid), TR_OK);
        go(pid);
        dawdle();
        tr_unlink_flush(pid);
        left += !mailbox_empty() && tr_demonitor(monitor, true); /* DOWN may be there */
        tr_demonitor(monitor, true);
        await_end(pid);
        left += !mailbox_empty();
    }
    RULE("LINK-06");
    CHECK_EQ(left, 0);
}

static void disappears(void);
TEST(link, disappears_from_both_sets_when_one_ends) { run(disappears); }
static void disappears(void)
{
    size_t count;
    tr_pid *list;
    tr_trap_exit(true);
    tr_pid pid = tr_spawn_link(waiter, NULL, 0), stays = tr_spawn_link(waiter, NULL, 0);
    tr_exit_signal(pid, TR_SHUTDOWN);
    await_exit(pid);
    CHECK_EQ(tr_info_links(tr_self(), &list, &count), TR_OK);
    RULE("LINK-07");
    CHECK_EQ(count, 1);
    CHECK(tr_same(list[0], stays));
    tr_free(list);
}

static int silent_handle(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    return TR_OK; /* no reply */
}

static const tr_actor silent = { .handle = silent_handle };

struct caller_start {
    tr_pid root, server, peer;
};

static void caller(const tr_msg *arg)
{
    struct caller_start start = *(const struct caller_start *)tr_expect(arg, sizeof start);
    CHECK_EQ(tr_link(start.peer), TR_OK);
    tr_send(start.root, READY, NULL, 0);
    int status = tr_call(start.server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY);
    tr_exit(because(status));
}

static void dies_in_a_call(void);
TEST(link, kills_who_is_blocked_in_a_call) { run(dies_in_a_call); }
static void dies_in_a_call(void)
{
    tr_pid server = tr_spawn_actor(&silent, NULL, 0, NULL);
    for (int i = 0; i < 100; i++) {
        struct caller_start start = { tr_self(), server, spawn_ender_on_go(9) };
        tr_ref monitor;
        tr_spawn_monitor(caller, &start, sizeof start, &monitor);
        await_tag(READY);
        if (i % 2 == 0)
            tr_sleep(1);
        go(start.peer);
        RULE("LINK-08");
        CHECK_EQ(await_down(monitor).code, 9);
    }
    end_with(server, TR_KILL);
}
