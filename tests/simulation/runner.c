/* runner.c: runs tests (harness.h) in simulation: each under many seeds, instead of once on real threads.
 *
 *     PROGRAM [--filter SUITE/NAME] [--list] [--hashes]
 *
 * The seeds are 1 to SIM_SEEDS, or TR_SIM_SEEDS=from..to. A test is the program of a run (troupe/sim.h): its body boots
 * the runtime, mostly by tr_main, and a failed check fails the run, which prints the line that repeats it. --hashes
 * prints the hash of each run's trace instead of verdicts: two processes must print the same. */
#include "simulation/simulate.h"

#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>

/* What ctest runs of each test: so many seeds, or as many as fit into so many steps: both are the same on every machine.
 * With TR_SIM_SEEDS the steps are not limited. */
enum { SIM_SEEDS = 200, SIM_STEPS = 8000000 };

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

static bool print_hashes(const tr_sim_case *test, uint64_t from, uint64_t to)
{
    for (uint64_t seed = from; seed <= to; seed++) {
        tr_sim_result result;
        tr_sim_options options = test->options;
        options.seed = seed;
        if (tr_sim_try(&options, test->program, test->arg, &result) != TR_OK) {
            fprintf(stderr, "%s: seed %" PRIu64 ": %s\n", test->name, seed, result.failure);
            return false;
        }
        printf("%s %" PRIu64 " %016" PRIx64 " %" PRIu64 "\n", test->name, seed, result.hash, result.events);
    }
    return true;
}

enum mode { MODE_RUN, MODE_LIST, MODE_HASHES };

static bool handle(struct harness_test *test, const char *name, enum mode mode)
{
    const struct sim_setting *setting = setting_of(test);
    tr_sim_case sim = {
        .name = name, .program = run_body, .arg = test, .options = setting->options, .all_steps = SIM_STEPS
    };
    unsigned long long from = 1, to = SIM_SEEDS;
    const char *seeds = getenv("TR_SIM_SEEDS");
    if (mode == MODE_LIST) {
        puts(name);
        return true;
    }
    if (seeds != NULL)
        sim.all_steps = 0;
    if (mode == MODE_HASHES)
        return seeds != NULL && sscanf(seeds, "%llu..%llu", &from, &to) != 2 ? false : print_hashes(&sim, from, to);
    if (setting->explored > 0)
        return explore(&sim, setting->explored);
    bool passed = tr_sim_sweep(&sim, from, to) == 0;
    printf("[%s] %s\n", passed ? "PASS" : "FAIL", name);
    fflush(stdout);
    return passed;
}

int main(int argc, char **argv)
{
    const char *filter = "*", *only = getenv("TR_SIM_ONLY");
    enum mode mode = MODE_RUN;
    int count = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc)
            filter = argv[++i];
        else if (strcmp(argv[i], "--list") == 0)
            mode = MODE_LIST;
        else if (strcmp(argv[i], "--hashes") == 0)
            mode = MODE_HASHES;
    }
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
