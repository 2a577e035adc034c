/* sweep.c: many runs: each in a process of its own, several at a time, and the least script of faults that still fails.
 *
 * A process for each run: nothing that a run leaves behind changes the next, so that seed n of a sweep is seed n alone;
 * and whatever ends a run ends only that. */
#include "sim/machine.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { JOBS_MOST = 64, RUN_MOST_S = 120, FAULTS_MOST = 64 };

struct job {
    pid_t process; /* 0: free */
    uint64_t seed;
    tr_sim_result *result;
};

/* ---- one run in a process of its own */

static tr_sim_result *share_result(void)
{
    void *page = mmap(NULL, sizeof(tr_sim_result), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? NULL : page;
}

static void unshare_result(tr_sim_result *result)
{
    if (result != NULL)
        munmap(result, sizeof *result);
}

/* In the child: never returns. */
static void run_here(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    machine.forked = true;
    sim_shared_result = result;
    alarm(RUN_MOST_S);
    tr_sim_run(options, program, arg, result);
    fflush(NULL);
    _exit(0);
}

static pid_t start(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    memset(result, 0, sizeof *result);
    result->seed = options->seed;
    result->status = -1;
    fflush(NULL);
    pid_t process = fork();
    if (process == 0)
        run_here(options, program, arg, result);
    return process;
}

/* What the end of the process says, if the run itself could not. */
static bool judge(int status, tr_sim_result *result)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && result->status == 0)
        return true;
    if (result->failure[0] != '\0')
        return false;
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        snprintf(result->failure, sizeof result->failure, "no end after %d s of real time", RUN_MOST_S);
    else if (WIFSIGNALED(status))
        snprintf(result->failure, sizeof result->failure, "ended by signal %d", WTERMSIG(status));
    else
        snprintf(result->failure, sizeof result->failure, "ended with status %d", WEXITSTATUS(status));
    return false;
}

static bool try_once(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    int status;
    pid_t process = start(options, program, arg, result);
    if (process < 0 || waitpid(process, &status, 0) != process)
        return false;
    return judge(status, result);
}

TR_API int tr_sim_try(const tr_sim_options *options, int (*program)(void *arg), void *arg, tr_sim_result *result)
{
    tr_sim_result *shared = share_result();
    if (shared == NULL)
        return TR_ENOMEM;
    bool passed = try_once(options, program, arg, shared);
    if (result != NULL)
        *result = *shared;
    unshare_result(shared);
    return passed ? TR_OK : TR_ECALLBACK;
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
    for (char *part = strtok_r(parts->text, ",", &rest); part != NULL && parts->count < FAULTS_MOST;
         part = strtok_r(NULL, ",", &rest))
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
static void shrink(const tr_sim_case *test, tr_sim_options options, char *script, tr_sim_result *shared)
{
    struct parts parts;
    char shorter[512];
    for (unsigned without = 0; split(script, &parts), without < parts.count;) {
        join_without(&parts, without, shorter, sizeof shorter);
        options.script = shorter;
        if (try_once(&options, test->program, test->arg, shared))
            without++; /* that one is needed */
        else
            memcpy(script, shorter, sizeof shorter);
    }
}

/* ---- the sweep */

static void report(const tr_sim_case *test, const tr_sim_options *options, const tr_sim_result *failed)
{
    tr_sim_result *shared = share_result();
    char script[512];
    memcpy(script, failed->script, sizeof script);
    if (shared != NULL && script[0] != '\0')
        shrink(test, *options, script, shared);
    unshare_result(shared);
    fprintf(stderr, "simulation %s: seed %llu: %s\n", test->name, (unsigned long long)failed->seed, failed->failure);
    if (script[0] != '\0')
        fprintf(stderr, "the faults that it needs: %s\n", script);
    sim_print_rerun(stderr, failed->seed, script);
}

static struct job *job_of(struct job *jobs, unsigned count, pid_t process)
{
    for (unsigned i = 0; i < count; i++)
        if (jobs[i].process == process)
            return &jobs[i];
    return NULL;
}

/* Waits for any; true: it passed, or it was none of ours. */
static bool await_one(struct job *jobs, unsigned count, struct job **ended)
{
    int status;
    pid_t process = wait(&status);
    *ended = process > 0 ? job_of(jobs, count, process) : NULL;
    if (*ended == NULL)
        return true;
    (*ended)->process = 0;
    return judge(status, (*ended)->result);
}

static unsigned busy(const struct job *jobs, unsigned count)
{
    unsigned running = 0;
    for (unsigned i = 0; i < count; i++)
        running += jobs[i].process != 0;
    return running;
}

static unsigned run_all(const tr_sim_case *test, tr_sim_options options, uint64_t from, uint64_t to, struct job *jobs,
                        unsigned count)
{
    unsigned failures = 0;
    uint64_t next = from, steps = 0;
    for (bool more = true; more || busy(jobs, count) > 0;) {
        more = failures == 0 && next <= to && (test->all_steps == 0 || steps < test->all_steps);
        struct job *job = more ? job_of(jobs, count, 0) : NULL;
        if (job != NULL) {
            options.seed = job->seed = next++;
            job->process = start(&options, test->program, test->arg, job->result);
            if (job->process > 0)
                continue;
            job->process = 0;
            snprintf(job->result->failure, sizeof job->result->failure, "no process to be had");
        } else if (busy(jobs, count) == 0 || await_one(jobs, count, &job)) {
            steps += job == NULL ? 0 : job->result->steps;
            continue;
        }
        options.seed = job->seed;
        if (failures++ == 0)
            report(test, &options, job->result);
    }
    return failures;
}

static unsigned sweep(const tr_sim_case *test, const tr_sim_options *options, uint64_t from, uint64_t to)
{
    struct job jobs[JOBS_MOST] = { { .process = 0 } };
    const char *wanted = getenv("TR_SIM_JOBS");
    long most = wanted == NULL ? 1 : strtol(wanted, NULL, 10);
    unsigned count = 0, failures = 1;
    while (count < JOBS_MOST && (long)count < (most < 1 ? 1 : most) && (jobs[count].result = share_result()) != NULL)
        count++;
    if (count > 0)
        failures = run_all(test, *options, from, to, jobs, count);
    for (unsigned i = 0; i < count; i++)
        unshare_result(jobs[i].result);
    return failures;
}

TR_API unsigned tr_sim_sweep(const tr_sim_case *test, uint64_t from, uint64_t to)
{
    const char *only = getenv("TR_SIM_ONLY"), *seeds = getenv("TR_SIM_SEEDS"), *script = getenv("TR_SIM_FAULTS");
    if (only != NULL && strcmp(only, test->name) != 0)
        return 0;
    tr_sim_options options = test->options;
    if (script != NULL)
        options.script = script;
    unsigned long long first, last;
    if (seeds != NULL && sscanf(seeds, "%llu..%llu", &first, &last) == 2) {
        from = first;
        to = last;
    }
    sim_case_name = test->name;
    if (from < to)
        return sweep(test, &options, from, to);
    options.seed = from;
    int status = tr_sim_run(&options, test->program, test->arg, NULL);
    if (status != 0)
        fprintf(stderr, "simulation %s: seed %llu: the program returned %d\n", test->name, (unsigned long long)from,
                status);
    return status != 0;
}
