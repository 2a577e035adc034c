/* sweep.c: many runs: in processes of their own, several at a time, and the least script of faults that still fails.
 *
 * Whatever ends a run ends only its process. A process does some runs one after another (batch.c), which changes none
 * of them: seed n of a sweep is seed n alone. A run that failed behind others is repeated alone, and if it passes then,
 * that is said, too: it is a mistake of the program's or of the simulator's. */
#include "sim/machine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MOST = 64, BATCH_MOST = 1000, FAULTS_MOST = 64 };

struct job {
    pid_t process; /* 0: free */
    struct sim_batch batch;
    struct sim_outcome *outcome;
};

/* ---- runs in a process of their own */

static size_t outcome_bytes(unsigned count) { return sizeof(struct sim_outcome) + count * sizeof(tr_sim_result); }

static struct sim_outcome *share_outcome(unsigned count)
{
    void *memory = mmap(NULL, outcome_bytes(count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static void unshare_outcome(struct sim_outcome *outcome, unsigned count)
{
    if (outcome != NULL)
        munmap(outcome, outcome_bytes(count));
}

static pid_t start(const struct sim_batch *batch, struct sim_outcome *outcome)
{
    memset(outcome, 0, outcome_bytes(batch->count));
    for (unsigned i = 0; i < batch->count; i++) {
        outcome->results[i].seed = batch->from + i;
        outcome->results[i].status = -1;
    }
    fflush(NULL);
    pid_t process = fork();
    if (process == 0)
        sim_batch_run(batch, outcome);
    return process;
}

/* What the end of the process says, if the run that failed could not. NULL: none did. */
static tr_sim_result *judge(int status, const struct sim_batch *batch, struct sim_outcome *outcome)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && outcome->complete)
        return NULL;
    tr_sim_result *failed = &outcome->results[outcome->done < batch->count ? outcome->done : batch->count - 1];
    if (failed->failure[0] != '\0')
        return failed;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(failed->failure, sizeof failed->failure, "no end after %d s of real time", SIM_RUN_MOST_S);
    else if (WIFSIGNALED(status))
        snprintf(failed->failure, sizeof failed->failure, "ended by signal %d", WTERMSIG(status));
    else
        snprintf(failed->failure, sizeof failed->failure, "ended with status %d", WEXITSTATUS(status));
    return failed;
}

/* One run: TR_OK, TR_ECALLBACK; TR_ELIMIT: no process to be had. */
static int try_once(const tr_sim_options *options, int (*program)(void *arg), void *arg, struct sim_outcome *outcome)
{
    struct sim_batch batch = { .options = options, .program = program, .arg = arg, .from = options->seed, .count = 1 };
    int status;
    pid_t process = start(&batch, outcome);
    if (process < 0 || waitpid(process, &status, 0) != process)
        return TR_ELIMIT;
    return judge(status, &batch, outcome) == NULL ? TR_OK : TR_ECALLBACK;
}

TR_API int tr_sim_try(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    struct sim_outcome *shared = share_outcome(1);
    if (shared == NULL)
        return TR_ENOMEM;
    int status = try_once(options, program, arg, shared);
    if (result != NULL)
        *result = shared->results[0];
    unshare_outcome(shared, 1);
    return status;
}

/* ---- shrinking: faults are left out one by one, as long as the run still fails */

struct parts {
    char text[512];
    const char *each[FAULTS_MOST];
    unsigned count;
};

static void split(const char *script, struct parts *parts)
{
    snprintf(parts->text, sizeof parts->text, "%s", script);
    parts->count = 0;
    char *rest = NULL;
    _Static_assert(sizeof parts->text / sizeof "crash@1" <= FAULTS_MOST, "as many as fit into the text");
    for (char *part = strtok_r(parts->text, ",", &rest); part != NULL; part = strtok_r(NULL, ",", &rest))
        parts->each[parts->count++] = part;
}

static void join_without(const struct parts *parts, unsigned without, char *out, size_t size)
{
    out[0] = '\0';
    for (unsigned i = 0; i < parts->count; i++) {
        if (i == without)
            continue;
        size_t used = strlen(out);
        snprintf(out + used, size - used, "%s%s", used == 0 ? "" : ",", parts->each[i]);
    }
}

/* `script` fails; becomes one of whose faults none can be left out. */
static void shrink(const tr_sim_case *test, tr_sim_options options, char *script, struct sim_outcome *shared)
{
    struct parts parts;
    char shorter[512];
    for (unsigned without = 0; split(script, &parts), without < parts.count;) {
        join_without(&parts, without, shorter, sizeof shorter);
        options.script = shorter;
        if (try_once(&options, test->program, test->arg, shared) != TR_ECALLBACK)
            without++; /* that one is needed, as far as can be known */
        else
            memcpy(script, shorter, sizeof shorter);
    }
}

/* ---- the sweep */

static void print_failure(const tr_sim_case *test, const tr_sim_result *failed)
{
    fprintf(stderr, "simulation %s: seed %llu: %s\n", test->name, (unsigned long long)failed->seed, failed->failure);
}

/* It fails only behind the runs before it in the same process. */
static void report_batch(const tr_sim_case *test, const struct sim_batch *batch, const tr_sim_result *failed)
{
    print_failure(test, failed);
    fprintf(stderr,
            "alone it passes: something outlasts the runs from seed %llu on\nrerun: TR_SIM_BATCH=%u "
            "TR_SIM_SEEDS=%llu..%llu",
            (unsigned long long)batch->from, batch->count, (unsigned long long)batch->from,
            (unsigned long long)failed->seed);
    sim_print_command(stderr);
}

static void report(const tr_sim_case *test, const struct sim_batch *batch, const tr_sim_result *failed)
{
    struct sim_outcome *shared = share_outcome(1);
    tr_sim_options options = *batch->options;
    char script[512];
    options.seed = failed->seed;
    memcpy(script, failed->script, sizeof script);
    if (shared != NULL && batch->count > 1 && try_once(&options, test->program, test->arg, shared) == TR_OK) {
        report_batch(test, batch, failed);
    } else {
        if (shared != NULL && script[0] != '\0')
            shrink(test, options, script, shared);
        print_failure(test, failed);
        if (script[0] != '\0')
            fprintf(stderr, "the faults that it needs: %s\n", script);
        sim_print_rerun(stderr, failed->seed, script);
    }
    unshare_outcome(shared, 1);
}

static struct job *job_of(struct job *jobs, unsigned count, pid_t process)
{
    for (unsigned i = 0; i < count; i++)
        if (jobs[i].process == process)
            return &jobs[i];
    return NULL;
}

static unsigned busy(const struct job *jobs, unsigned count)
{
    unsigned running = 0;
    for (unsigned i = 0; i < count; i++)
        running += jobs[i].process != 0;
    return running;
}

struct sweep {
    const tr_sim_case *test;
    tr_sim_options options;
    uint64_t next, to, steps, runs;
    unsigned failures, jobs_count, batch_most;
    struct job jobs[JOBS_MOST];
};

static bool has_more(const struct sweep *sweep)
{
    uint64_t limit = sweep->test->all_steps;
    return sweep->failures == 0 && sweep->next <= sweep->to && (limit == 0 || sweep->steps < limit);
}

static void fail(struct sweep *sweep, const struct job *job, const tr_sim_result *failed)
{
    if (sweep->failures++ == 0)
        report(sweep->test, &job->batch, failed);
}

static void begin_batch(struct sweep *sweep, struct job *job)
{
    uint64_t left = sweep->to - sweep->next + 1, limit = sweep->test->all_steps;
    job->batch = (struct sim_batch){ .options = &sweep->options,
                                     .program = sweep->test->program,
                                     .arg = sweep->test->arg,
                                     .from = sweep->next,
                                     .count = left < sweep->batch_most ? (unsigned)left : sweep->batch_most,
                                     .most_steps = limit == 0 ? 0 : limit - sweep->steps };
    sweep->next += job->batch.count;
    job->process = start(&job->batch, job->outcome);
    if (job->process > 0)
        return;
    job->process = 0;
    tr_sim_result *result = &job->outcome->results[0];
    snprintf(result->failure, sizeof result->failure, "no process to be had");
    fail(sweep, job, result);
}

/* Waits until any process has ended, and takes in what it did. */
static void end_batch(struct sweep *sweep)
{
    int status;
    pid_t process = wait(&status);
    struct job *job = process > 0 ? job_of(sweep->jobs, sweep->jobs_count, process) : NULL;
    if (job == NULL)
        return;
    job->process = 0;
    for (unsigned i = 0; i < job->outcome->done; i++) {
        sweep->steps += job->outcome->results[i].steps;
        sweep->runs++;
        if (sweep->test->each != NULL)
            sweep->test->each(&job->outcome->results[i], sweep->test->arg);
    }
    const tr_sim_result *failed = judge(status, &job->batch, job->outcome);
    if (failed != NULL)
        fail(sweep, job, failed);
}

static void run_all(struct sweep *sweep)
{
    while (has_more(sweep) || busy(sweep->jobs, sweep->jobs_count) > 0) {
        struct job *job = has_more(sweep) ? job_of(sweep->jobs, sweep->jobs_count, 0) : NULL;
        if (job != NULL)
            begin_batch(sweep, job);
        else
            end_batch(sweep);
    }
}

static unsigned number_from_environment(const char *name, unsigned otherwise, unsigned most)
{
    const char *text = getenv(name);
    long wanted = text == NULL ? (long)otherwise : strtol(text, NULL, 10);
    return wanted < 1 ? 1 : wanted > (long)most ? most : (unsigned)wanted;
}

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Who asked for these seeds hears that they passed, and what that took; a program's own sweep leaves that to it. */
static void print_passed(const tr_sim_case *test, uint64_t from, uint64_t runs, uint64_t steps, double since)
{
    if (getenv("TR_SIM_SEEDS") == NULL)
        return;
    fprintf(stderr, "simulation %s: %llu seed%s from %llu on passed, %llu steps, %.1f s\n", test->name,
            (unsigned long long)runs, runs == 1 ? "" : "s", (unsigned long long)from, (unsigned long long)steps,
            seconds_now() - since);
}

static unsigned sweep_seeds(const tr_sim_case *test, const tr_sim_options *options, uint64_t from, uint64_t to)
{
    static struct sweep sweep;
    double begin = seconds_now();
    unsigned jobs = number_from_environment("TR_SIM_JOBS", 1, JOBS_MOST);
    sweep = (struct sweep){ .test = test, .options = *options, .next = from, .to = to };
    sweep.batch_most = sim_batch_most(number_from_environment("TR_SIM_BATCH", test->batch, BATCH_MOST));
    while (sweep.jobs_count < jobs && (sweep.jobs[sweep.jobs_count].outcome = share_outcome(sweep.batch_most)) != NULL)
        sweep.jobs_count++;
    if (sweep.jobs_count == 0)
        return 1;
    run_all(&sweep);
    for (unsigned i = 0; i < sweep.jobs_count; i++)
        unshare_outcome(sweep.jobs[i].outcome, sweep.batch_most);
    if (sweep.failures == 0)
        print_passed(test, from, sweep.runs, sweep.steps, begin);
    return sweep.failures;
}

static unsigned run_here(const tr_sim_case *test, tr_sim_options *options, uint64_t seed)
{
    tr_sim_result result;
    double begin = seconds_now();
    options->seed = seed;
    int status = tr_sim_run(options, test->program, test->arg, &result);
    if (status != 0)
        fprintf(stderr, "simulation %s: seed %llu: the program returned %d\n", test->name, (unsigned long long)seed,
                status);
    if (status == 0 && test->each != NULL)
        test->each(&result, test->arg);
    if (status == 0)
        print_passed(test, seed, 1, result.steps, begin);
    return status != 0;
}

/* "from..to", or one number for both. */
static bool read_seeds(const char *text, uint64_t *from, uint64_t *to)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    *from = *to = strtoull(text, &end, 10);
    if (strncmp(end, "..", 2) == 0 && end[2] >= '0' && end[2] <= '9')
        *to = strtoull(end + 2, &end, 10);
    return *end == '\0' && *from <= *to;
}

TR_API unsigned tr_sim_sweep(const tr_sim_case *test, uint64_t from, uint64_t to)
{
    const char *only = getenv("TR_SIM_ONLY"), *seeds = getenv("TR_SIM_SEEDS"), *script = getenv("TR_SIM_FAULTS");
    if (only != NULL && strcmp(only, test->name) != 0)
        return 0;
    tr_sim_options options = test->options;
    if (script != NULL)
        options.script = script;
    if (seeds != NULL && !read_seeds(seeds, &from, &to)) {
        fprintf(stderr, "simulation %s: TR_SIM_SEEDS takes FROM..TO or one seed, not '%s'\n", test->name, seeds);
        return 1;
    }
    sim_case_name = test->name;
    return from < to ? sweep_seeds(test, &options, from, to) : run_here(test, &options, from);
}
