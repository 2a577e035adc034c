/* runner.c: runs tests (harness.h) in simulation: each under many seeds, instead of once on real threads.
 *
 *     PROGRAM [--filter SUITE/NAME] [--list] [--hashes] [--table]
 *
 * The seeds are 1 to SIM_SEEDS, or TR_SIM_SEEDS=from..to. A test is the program of a run (troupe/sim.h): its body boots
 * the runtime, mostly by tr_main, and a failed check fails the run, which prints the line that repeats it.
 *
 * --hashes prints the hash of each run's trace instead of verdicts: two processes must print the same. --table prints
 * for each case: its name, PASS, FAIL or SKIP, runs, steps, switches of threads, events, and milliseconds of processor
 * time. Both leave out what the tests print, and the cases that are explored in every order, which --list marks. */
#include "simulation/simulate.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

/* What ctest runs of each test: so many seeds, or as many as fit into so many steps: both are the same on every
 * machine. With TR_SIM_SEEDS the steps are not limited. */
enum { SIM_SEEDS = 200, SIM_STEPS = 8000000, SIM_BATCH = 100 };

static struct harness_test *first;
static struct harness_test **last = &first;
static struct sim_setting *settings;
static const char *rule_id;
static jmp_buf left;

void harness_add(struct harness_test *test)
{
    *last = test;
    last = &test->next;
}

void sim_setting_add(struct sim_setting *setting)
{
    setting->next = settings;
    settings = setting;
}

static const struct sim_setting *setting_of(const struct harness_test *test)
{
    static const struct sim_setting none = { .explored = 0 };
    for (const struct sim_setting *each = settings; each != NULL; each = each->next)
        if (strcmp(each->suite, test->suite) == 0 && strcmp(each->name, test->name) == 0)
            return each;
    return &none;
}

/* The rules about sockets were written beside the system's loopback, which takes no time and has large buffers. */
static tr_sim_options options_of(const struct harness_test *test)
{
    tr_sim_options options = setting_of(test)->options;
    if (strncmp(test->suite, "socket_", 7) == 0) {
        options.latency_ns = -1;
        options.buffer_bytes = 64 * 1024;
    }
    return options;
}

static bool explore(const tr_sim_case *test, uint64_t most_runs)
{
    tr_sim_explored explored;
    int status = tr_sim_explore(test, most_runs, &explored);
    bool passed = status == TR_OK && (explored.complete || getenv("TR_SIM_CHOICES") != NULL);
    printf("[%s] %s: %" PRIu64 " orders, %" PRIu64 " of them cut short, %" PRIu64 " choices at most%s\n",
           passed ? "PASS" : "FAIL", test->name, explored.runs, explored.pruned, explored.longest,
           explored.complete ? "" : ", not all");
    return passed;
}

/* SKIP stands in the body of a test alone, so on the stack that called it. */
void harness_leave(void) { longjmp(left, 1); }

void harness_rule(const char *id) { rule_id = id; }

void harness_say_skip(const char *reason) { (void)reason; }

void harness_fail(const char *file, int line, const char *format, ...)
{
    char what[160];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    tr_sim_fail("%s:%d: %s failed (last rule cited: %s)", file, line, what, rule_id == NULL ? "none" : rule_id);
}

void harness_check_string(const char *a, const char *b, const char *what, const char *file, int line)
{
    if (a == NULL || b == NULL ? a != b : strcmp(a, b) != 0)
        harness_fail(file, line, "%s: \"%s\" is not \"%s\":", what, a == NULL ? "(null)" : a, b == NULL ? "(null)" : b);
}

static int run_body(void *arg)
{
    const struct harness_test *test = arg;
    if (setjmp(left) == 0)
        test->body();
    return 0;
}

/* ---- a sweep */

enum mode { MODE_RUN, MODE_LIST, MODE_HASHES, MODE_TABLE };

/* Of the runs of the case at hand that passed. */
static struct {
    uint64_t runs, steps, switches, events;
} tally;

static FILE *rows; /* where hashes and rows of the table go */

static void count_run(const tr_sim_result *result, void *arg)
{
    (void)arg;
    tally.runs++;
    tally.steps += result->steps;
    tally.switches += result->switches;
    tally.events += result->events;
}

static void print_hash(const tr_sim_result *result, void *arg)
{
    const struct harness_test *test = arg;
    fprintf(rows, "%s/%s %" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", test->suite, test->name, result->seed, result->hash,
            result->events);
}

static double time_of_children_ms(void)
{
    struct rusage used;
    getrusage(RUSAGE_CHILDREN, &used);
    return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1e3 +
           (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e3;
}

/* A case that skips itself boots nothing. */
static void print_row(const char *name, bool passed, double ms)
{
    const char *verdict = !passed ? "FAIL" : tally.events == 0 ? "SKIP" : "PASS";
    fprintf(rows, "%s\t%s\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%" PRIu64 "\t%.1f\n", name, verdict, tally.runs,
            tally.steps, tally.switches, tally.events, ms);
}

static bool sweep(const tr_sim_case *test, enum mode mode)
{
    double before_ms = time_of_children_ms();
    memset(&tally, 0, sizeof tally);
    bool passed = tr_sim_sweep(test, 1, SIM_SEEDS) == 0;
    if (mode == MODE_TABLE)
        print_row(test->name, passed, time_of_children_ms() - before_ms);
    else if (mode == MODE_RUN)
        printf("[%s] %s\n", passed ? "PASS" : "FAIL", test->name);
    fflush(NULL);
    return passed;
}

static bool handle(struct harness_test *test, const char *name, enum mode mode)
{
    const struct sim_setting *setting = setting_of(test);
    tr_sim_case sim = { .name = name,
                        .program = run_body,
                        .arg = test,
                        .options = options_of(test),
                        .all_steps = getenv("TR_SIM_SEEDS") == NULL ? SIM_STEPS : 0,
                        .batch = SIM_BATCH,
                        .each = mode == MODE_HASHES ? print_hash : count_run };
    if (mode == MODE_LIST)
        printf("%s%s\n", name, setting->explored > 0 ? " orders" : "");
    else if (setting->explored > 0)
        return mode != MODE_RUN || explore(&sim, setting->explored);
    else
        return sweep(&sim, mode);
    return true;
}

static enum mode mode_named(const char *option)
{
    return strcmp(option, "--list") == 0     ? MODE_LIST
           : strcmp(option, "--hashes") == 0 ? MODE_HASHES
           : strcmp(option, "--table") == 0  ? MODE_TABLE
                                             : MODE_RUN;
}

static bool separate_rows(void)
{
    int copy = dup(STDOUT_FILENO);
    rows = copy < 0 ? NULL : fdopen(copy, "w");
    return rows != NULL && freopen("/dev/null", "w", stdout) != NULL;
}

int main(int argc, char **argv)
{
    const char *filter = "*", *only = getenv("TR_SIM_ONLY");
    enum mode mode = MODE_RUN;
    int count = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
        else
            mode = mode_named(argv[i]);
    }
    if ((mode == MODE_HASHES || mode == MODE_TABLE) && !separate_rows())
        return 1;
    for (struct harness_test *test = first; test != NULL; test = test->next) {
        char name[256];
        snprintf(name, sizeof name, "%s/%s", test->suite, test->name);
        if (fnmatch(filter, name, 0) != 0 || (only != NULL && strcmp(only, name) != 0))
            continue;
        count++;
        failed += !handle(test, name, mode);
    }
    if (mode == MODE_RUN)
        printf("[====] %d cases, %d failed\n", count, failed);
    return failed > 0 || count == 0;
}
