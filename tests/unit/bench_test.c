/* bench_test.c: `troupe bench` itself (tools/troupe/bench.c), with workloads of this test's own in place of the
 * list. */
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
static const struct workload wrong_workload = { .name = "wrong", .run = wrong, .own = true };
static const struct workload broken_workload = {
    .name = "broken", .run = broken, .own = true, .defaults = { { "m", "1" }, { "kind", "any" } }
};
static const struct workload nothing_workload = { .name = "nothing", .run = nothing, .own = true };

const struct workload *const bench_workloads[] = { &right_workload, &wrong_workload, &broken_workload,
                                                   &nothing_workload, NULL };

/* Up to three words of a command line. */
static int run(const char *first, const char *second, const char *third)
{
    char *argv[] = { (char *)first, (char *)second, (char *)third };
    return bench_command(third != NULL ? 3 : second != NULL ? 2 : first != NULL ? 1 : 0, argv);
}

TEST(bench, a_right_result_is_status_0) { CHECK_EQ(run("right", "n=2", NULL), 0); }
TEST(bench, a_wrong_result_is_status_1_although_it_was_measured) { CHECK_EQ(run("wrong", NULL, NULL), 1); }
TEST(bench, a_crash_in_an_actor_is_status_1) { CHECK_EQ(run("broken", NULL, NULL), 1); }
TEST(bench, no_result_is_status_1) { CHECK_EQ(run("nothing", NULL, NULL), 1); }
TEST(bench, a_bad_parameter_is_status_2) { CHECK_EQ(run("right", "m=2", NULL), 2); }
TEST(bench, an_unknown_workload_is_status_3) { CHECK_EQ(run("unknown", NULL, NULL), 3); }
TEST(bench, without_a_name_the_workloads_of_all_peers_run) { CHECK_EQ(run(NULL, NULL, NULL), 0); }
TEST(bench, one_of_several_that_fails_is_status_1) { CHECK_EQ(run("wrong", "right", "n=2"), 1); }
TEST(bench, an_unknown_one_of_several_is_status_3) { CHECK_EQ(run("right", "unknown", NULL), 3); }
TEST(bench, a_setting_is_for_the_workloads_that_know_it) { CHECK_EQ(run("right", "right", "n=2"), 0); }
TEST(bench, a_setting_that_none_of_several_knows_is_status_2) { CHECK_EQ(run("right", "nothing", "m=2"), 2); }

TEST(bench, a_number_stays_a_number_and_a_word_a_word)
{
    CHECK_EQ(run("broken", "kind=1", NULL), 2);
    CHECK_EQ(run("broken", "kind=", NULL), 2);
    CHECK_EQ(run("broken", "m=x", NULL), 2);
    CHECK_EQ(run("broken", "m=", NULL), 2);
    CHECK_EQ(run("broken", "workers=257", NULL), 2);
}
