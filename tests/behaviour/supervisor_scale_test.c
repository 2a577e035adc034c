/* supervisor_scale_test.c: many children: what one EXIT, one start_child and one terminate_child cost must not grow
 * with them; and many random requests and crashes at once leave a supervisor that is whole. */
#include "behaviour.h"

static int quiet_call(void *state, const tr_msg *request, tr_from from)
{
    (void)state, (void)request;
    return tr_reply(from, NULL, 0);
}

static const tr_gen_server quiet = { .label = "quiet", .handle_call = quiet_call };

static tr_pid add(tr_pid supervisor, tr_strategy strategy, int number)
{
    char id[16];
    tr_pid pid;
    snprintf(id, sizeof id, "%d", number);
    CHECK_EQ(strategy == TR_SIMPLE_ONE_FOR_ONE
                 ? tr_start_child_with(supervisor, NULL, 0, &pid)
                 : tr_start_child(supervisor, &(tr_child){ .id = id, .server = &quiet }, &pid),
             TR_OK);
    return pid;
}

static tr_pid start_with(tr_strategy strategy, int children, tr_pid *pids)
{
    static const tr_child template = { .id = "t", .server = &quiet };
    tr_supervisor spec = { .strategy = strategy, .intensity = 1 << 30, .period_s = 1000 };
    if (strategy == TR_SIMPLE_ONE_FOR_ONE)
        spec.children = &template, spec.child_count = 1;
    tr_pid supervisor = start_supervisor(&spec);
    for (int i = 0; i < children; i++)
        pids[i] = add(supervisor, strategy, i);
    return supervisor;
}

enum { ROUNDS = 100, BATCHES = 9 };

struct cost {
    int64_t exit_ns, start_ns, terminate_ns;
};

static int64_t least(const int64_t *values)
{
    int64_t value = values[0];
    for (int i = 1; i < BATCHES; i++)
        value = values[i] < value ? values[i] : value;
    return value;
}

/* Kills children that run, no one twice, spread over all, and waits until each is restarted; ns a piece. */
static int64_t kill_some(tr_pid supervisor, int batch)
{
    tr_child_info *list;
    tr_child_counts counts;
    size_t count;
    CHECK_EQ(tr_which_children(supervisor, &list, &count), TR_OK);
    int64_t begin = tr_now_ns();
    for (size_t i = 0; i < ROUNDS; i++) {
        tr_exit_signal(list[(i * (count / ROUNDS) + (size_t)batch) % count].pid, TR_KILL);
        CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    }
    settle(supervisor);
    int64_t took = tr_now_ns() - begin;
    tr_free(list);
    return took / ROUNDS;
}

/* What one of each costs with so many children: the least of batches, which others have not disturbed. */
static struct cost measure(tr_pid supervisor, tr_strategy strategy, int children)
{
    int64_t exits[BATCHES], starts[BATCHES], terminates[BATCHES];
    tr_pid added[ROUNDS];
    for (int batch = 0; batch < BATCHES; batch++) {
        int64_t begin = tr_now_ns();
        for (int i = 0; i < ROUNDS; i++)
            added[i] = add(supervisor, strategy, children + i);
        starts[batch] = (tr_now_ns() - begin) / ROUNDS;
        begin = tr_now_ns();
        for (int i = 0; i < ROUNDS; i++)
            CHECK_EQ(tr_terminate_child_pid(supervisor, added[i]), TR_OK);
        terminates[batch] = (tr_now_ns() - begin) / ROUNDS;
        exits[batch] = kill_some(supervisor, batch);
    }
    return (struct cost){ least(exits), least(starts), least(terminates) };
}

static void scaling(void)
{
    enum { MANY = HARNESS_SIMULATED ? 1000 : 100000, FEW = 100 };
    tr_pid *pids = malloc(MANY * sizeof *pids);
    tr_pid few = start_with(TR_SIMPLE_ONE_FOR_ONE, FEW, pids);
    struct cost cheap = measure(few, TR_SIMPLE_ONE_FOR_ONE, FEW);
    shut(few);
    tr_pid many = start_with(TR_SIMPLE_ONE_FOR_ONE, MANY, pids);
    struct cost dear = measure(many, TR_SIMPLE_ONE_FOR_ONE, MANY);
    int64_t begin = tr_now_ns();
    shut(many);
    int64_t shut_ns = (tr_now_ns() - begin) / MANY;
    free(pids);
    fprintf(stderr, "exit %d/%d ns, start %d/%d ns, terminate %d/%d ns with %d/%d children; shutdown %d ns a child\n",
            (int)dear.exit_ns, (int)cheap.exit_ns, (int)dear.start_ns, (int)cheap.start_ns, (int)dear.terminate_ns,
            (int)cheap.terminate_ns, MANY, FEW, (int)shut_ns);
    /* a linear cost would be a thousand times: a wide margin for a busy machine still tells it apart */
    CHECK(dear.exit_ns < 10 * cheap.exit_ns + 30000);
    CHECK(dear.start_ns < 10 * cheap.start_ns + 30000);
    CHECK(dear.terminate_ns < 10 * cheap.terminate_ns + 30000);
}
TEST(supervisor_scale, one_child_costs_the_same_among_100000)
{
    /* one worker: what it costs to wake another one is not to be measured */
    run_with((tr_config){ .workers = 1, .quiet_restarts = true }, scaling);
}

static void many_ids(void)
{
    enum { MANY = 20000 };
    tr_pid *pids = malloc(MANY * sizeof *pids), supervisor = start_with(TR_ONE_FOR_ONE, MANY, pids), pid;
    tr_child_counts counts;
    char id[16];
    for (int i = 0; i < MANY; i += 7) {
        snprintf(id, sizeof id, "%d", i);
        CHECK_EQ(tr_terminate_child(supervisor, id), TR_OK);
        if (i % 2 == 0)
            CHECK_EQ(tr_delete_child(supervisor, id), TR_OK);
        else
            CHECK_EQ(tr_restart_child(supervisor, id, &pid), TR_OK);
    }
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    CHECK_EQ(counts.active, MANY - (MANY + 13) / 14);
    CHECK_EQ(counts.specs, counts.active);
    shut(supervisor);
    for (int i = 0; i < MANY; i++)
        CHECK(!tr_is_alive(pids[i]));
    free(pids);
}
TEST(supervisor_scale, many_ids_are_found_again)
{
    run_with((tr_config){ .workers = 2, .quiet_restarts = true }, many_ids);
}

/* ---- several clients, each with a seed of its own, start, kill and terminate children of one supervisor */

struct client {
    tr_pid supervisor, main;
    uint64_t seed;
};

static uint32_t next(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33);
}

static void client(const tr_msg *arg)
{
    struct client self = *(const struct client *)tr_expect(arg, sizeof self);
    enum { MINE = 16, STEPS = 300 };
    tr_pid pids[MINE] = { { 0 } };
    for (int i = 0; i < STEPS; i++) {
        tr_pid *pid = &pids[next(&self.seed) % MINE];
        tr_child child = { .server = &quiet, .restart = (tr_restart)(next(&self.seed) % 3) };
        switch (tr_nobody(*pid) ? 3 : next(&self.seed) % 3) {
        case 0: tr_exit_signal(*pid, TR_KILL); break;
        case 1: tr_exit_signal(*pid, TR_SHUTDOWN); break;
        case 2:
            if (tr_terminate_child_pid(self.supervisor, *pid) != TR_OK)
                *pid = (tr_pid){ 0 };
            break;
        default: CHECK_EQ(tr_start_child(self.supervisor, &child, pid), TR_OK);
        }
    }
    tr_send(self.main, 1, NULL, 0);
}

/* Whether all that it lists runs. */
static bool is_whole(tr_pid supervisor, tr_child_info **list, size_t *count)
{
    tr_child_counts counts;
    CHECK_EQ(tr_which_children(supervisor, list, count), TR_OK);
    for (size_t i = 0; i < *count; i++)
        if (!tr_is_alive((*list)[i].pid))
            return false;
    CHECK_EQ(tr_count_children(supervisor, &counts), TR_OK);
    return *count == counts.specs && *count == counts.active;
}

static void storm(void)
{
    enum { CLIENTS = 16 };
    tr_pid supervisor = start_supervisor(
        &(tr_supervisor){ .strategy = TR_DYNAMIC, .intensity = 1 << 30, .period_s = 1000 });
    for (uint64_t i = 0; i < CLIENTS; i++) {
        struct client start = { .supervisor = supervisor, .main = tr_self(), .seed = i };
        tr_spawn(client, &start, sizeof start);
    }
    for (int i = 0; i < CLIENTS; i++)
        CHECK(tr_receive_match(&(tr_match){ .tag = 1 }, TR_INFINITY) != NULL);
    tr_child_info *list;
    size_t count;
    while (!is_whole(supervisor, &list, &count)) /* the last signals of the clients may still be on their way */
        tr_free(list);
    shut(supervisor);
    for (size_t i = 0; i < count; i++)
        CHECK(!tr_is_alive(list[i].pid));
    tr_free(list);
}

static void storms(void)
{
    for (int i = 0; i < 3; i++)
        storm();
}
TEST(supervisor_scale, random_starts_and_ends_leave_it_whole)
{
    run_with((tr_config){ .workers = 8, .quiet_restarts = true }, storms);
}
