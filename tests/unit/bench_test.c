/* bench_test.c: `troupe bench` itself (tools/troupe/bench.c), with workloads of this test's own in place of the list. */
#include "../../tools/troupe/bench.h"

#include "../../bench/workloads/workload.h"
#include "harness.h"

static void right(struct bench *bench)
{
    bench_result(bench, 1, tr_now_ns());
    bench_verify("one", 1, 1);
}

static void wrong(struct bench *bench)
{
    bench_result(bench, 1, tr_now_ns());
    bench_verify("one", 2, 1);
}

static void crash(const tr_msg *arg) { tr_assert(arg == NULL); }

static void broken(struct bench *bench)
{
    bench_start_entry(crash, NULL, 0);
    bench_reports(1);
    bench_result(bench, 1, tr_now_ns());
}

static void nothing(struct bench *bench) { (void)bench; }

static const struct workload right_workload = { .name = "right", .run = right, .defaults = { { "n", "1" } } };
static const struct workload wrong_workload = { .name = "wrong", .run = wrong };
static const struct workload broken_workload = { .name = "broken", .run = broken };
static const struct workload nothing_workload = { .name = "nothing", .run = nothing };

const struct workload *const bench_workloads[] = { &right_workload, &wrong_workload, &broken_workload,
                                                   &nothing_workload, NULL };

static int run(const char *name, const char *parameter)
{
    char *argv[] = { (char *)name, (char *)parameter };
    return bench_command(parameter == NULL ? 1 : 2, argv);
}

TEST(bench, a_right_result_is_status_0) { CHECK_EQ(run("right", "n=2"), 0); }
TEST(bench, a_wrong_result_is_status_1_although_it_was_measured) { CHECK_EQ(run("wrong", NULL), 1); }
TEST(bench, a_crash_in_an_actor_is_status_1) { CHECK_EQ(run("broken", NULL), 1); }
TEST(bench, no_result_is_status_1) { CHECK_EQ(run("nothing", NULL), 1); }
TEST(bench, a_bad_parameter_is_status_2) { CHECK_EQ(run("right", "m=2"), 2); }
TEST(bench, an_unknown_workload_is_status_3) { CHECK_EQ(run("unknown", NULL), 3); }
