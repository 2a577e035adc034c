/* children.c: the workload children: what one EXIT, one start_child and one terminate_child by pid cost a supervisor,
 * with few children and with many.
 *
 * Two supervisors of the kind simple_one_for_one stand side by side, and batches alternate between them, so that
 * whatever else the machine does meets both. A figure is the median of its batches' means. An EXIT: from the kill to
 * the announcement of the new child; victims are spread over all children, so that among many they are as cold as they
 * would be. */
#include "workloads.h"

#include <stdlib.h>

enum { ANNOUNCE = 1, STARTED, MOST_BATCHES = 1001 };

static int child_init(void *state, const tr_msg *arg)
{
    *(tr_pid *)state = *(const tr_pid *)tr_expect(arg, sizeof(tr_pid));
    return tr_continue(ANNOUNCE, NULL, 0);
}

/* Runs once the supervisor knows of the child. */
static int child_continue(void *state, const tr_msg *message)
{
    (void)message;
    tr_pid self = tr_self();
    return tr_send(*(const tr_pid *)state, STARTED, &self, sizeof self);
}

static const tr_gen_server child_server = {
    .label = "child", .state_size = sizeof(tr_pid), .init = child_init, .handle_continue = child_continue
};

enum figure { EXIT, START, TERMINATE, FIGURES };

/* One supervisor, and what was measured of it. */
struct family {
    tr_pid supervisor, *pids;
    uint64_t size, next; /* next: which child is the next victim */
    double ns[FIGURES][MOST_BATCHES];
};

static tr_pid announced(void)
{
    return *(const tr_pid *)tr_expect(tr_receive_match(&(tr_match){ .tag = STARTED }, TR_INFINITY), sizeof(tr_pid));
}

static tr_pid start_one(const struct family *family)
{
    tr_pid pid;
    tr_must(tr_start_child_with(family->supervisor, NULL, 0, &pid));
    tr_assert(tr_same(pid, announced()));
    return pid;
}

static void start_family(struct family *family, uint64_t size)
{
    tr_pid coordinator = tr_self();
    tr_child child = { .id = "child", .server = &child_server, .arg = &coordinator, .arg_size = sizeof coordinator };
    tr_supervisor spec = {
        .strategy = TR_SIMPLE_ONE_FOR_ONE, .intensity = 1 << 30, .period_s = 1, .children = &child, .child_count = 1
    };
    tr_must(tr_start_link(&(tr_child){ .id = "family", .supervisor = &spec }, &family->supervisor));
    family->size = size;
    family->pids = tr_alloc(size * sizeof *family->pids);
    tr_assert(family->pids != NULL);
    for (uint64_t i = 0; i < size; i++)
        family->pids[i] = start_one(family);
}

/* Kills one child after the other, each when the one before is there again. */
static void exits(struct family *family, uint64_t rounds)
{
    enum { STRIDE = 7919 }; /* a prime: all have their turn */
    for (uint64_t i = 0; i < rounds; i++) {
        family->next = (family->next + STRIDE) % family->size;
        tr_exit_signal(family->pids[family->next], TR_KILL);
        family->pids[family->next] = announced();
    }
}

static double mean_ns(int64_t start, uint64_t rounds) { return (double)(tr_now_ns() - start) / (double)rounds; }

static void batch(struct family *family, int number, tr_pid *added, uint64_t rounds)
{
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < rounds; i++)
        added[i] = start_one(family);
    family->ns[START][number] = mean_ns(start, rounds);
    start = tr_now_ns();
    for (uint64_t i = 0; i < rounds; i++)
        tr_must(tr_terminate_child_pid(family->supervisor, added[i]));
    family->ns[TERMINATE][number] = mean_ns(start, rounds);
    start = tr_now_ns();
    exits(family, rounds);
    family->ns[EXIT][number] = mean_ns(start, rounds);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, uint64_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void report(struct bench *bench, const char *names[3], enum figure figure, struct family *few,
                   struct family *many, uint64_t batches)
{
    double cheap = median(few->ns[figure], batches), dear = median(many->ns[figure], batches);
    bench_extra(bench, names[0], cheap);
    bench_extra(bench, names[1], dear);
    bench_extra(bench, names[2], dear / cheap);
}

static void children_run(struct bench *bench)
{
    static struct family few, many;
    uint64_t rounds = bench_number(bench, "rounds"), batches = bench_number(bench, "batches");
    bench_verify("batches beyond 1001", batches == 0 || batches > MOST_BATCHES, 0);
    tr_pid *added = tr_alloc(rounds * sizeof *added);
    tr_assert(added != NULL && rounds > 0);
    start_family(&few, bench_number(bench, "few"));
    start_family(&many, bench_number(bench, "many"));
    int64_t start = tr_now_ns();
    for (uint64_t i = 0; i < batches; i++) {
        batch(&few, (int)i, added, rounds);
        batch(&many, (int)i, added, rounds);
    }
    bench_result(bench, 2 * FIGURES * batches * rounds, start);
    report(bench, (const char *[]){ "exit_few_ns", "exit_many_ns", "exit_ratio" }, EXIT, &few, &many, batches);
    report(bench, (const char *[]){ "start_few_ns", "start_many_ns", "start_ratio" }, START, &few, &many, batches);
    report(bench, (const char *[]){ "terminate_few_ns", "terminate_many_ns", "terminate_ratio" }, TERMINATE, &few,
           &many, batches);
    tr_child_counts counts;
    tr_must(tr_count_children(few.supervisor, &counts));
    bench_verify("few children", counts.active, few.size);
    tr_must(tr_count_children(many.supervisor, &counts));
    bench_verify("many children", counts.active, many.size);
}

const struct workload bench_children = {
    .name = "children",
    .what = "an EXIT, a start_child, a terminate_child: with few children against with many",
    .defaults = { { "few", "100" }, { "many", "100000" }, { "rounds", "100" }, { "batches", "51" } },
    .run = children_run,
    .own = true,
    .quiet = true
};
