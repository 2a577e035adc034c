/* bench.c: finds the workloads that are named, gives each the settings that it knows, runs it as the root process of a
 * runtime of its own, prints the result.
 *
 * Several run one after the other, each in a process of its own: none finds memory, threads or caches as another left
 * them, and one that fails does not keep the others from running. */
#include "bench.h"

#include "service_load.h"
#include "setting.h"
#include "workload.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TROUPE_VERSION
#define TROUPE_VERSION "1.0.0"
#endif

enum { PLAN_MOST = 128, WORKERS_MOST = 256 /* that a runtime may be asked for */ };

/* What runs: a workload, or the service of that name under a load. */
struct entry {
    const struct workload *workload; /* NULL: a service */
    const char *name;
};

struct plan {
    struct entry entries[PLAN_MOST];
    int count;
    char **words; /* of the command line: those with a '=' are settings */
    int word_count;
};

/* ---- what there is */

void bench_help(FILE *out)
{
    fprintf(out, "usage: troupe bench [WORKLOAD ...] [key=value ...]\n");
    for (const struct workload *const *at = bench_workloads; *at != NULL; at++) {
        char parameters[128] = "";
        for (int i = 0; i < BENCH_PARAMETERS && (*at)->defaults[i].name != NULL; i++) {
            size_t used = strlen(parameters);
            snprintf(parameters + used, sizeof parameters - used, " %s=%s", (*at)->defaults[i].name,
                     (*at)->defaults[i].value);
        }
        fprintf(out, "  %-27s%-40s %s\n", (*at)->name, parameters, (*at)->what);
    }
    service_load_list(out);
    fprintf(
        out,
        "  and workers=N (default: the cores that this process may use)\n"
        "Without a name: those that all peers have, one after the other (spec). savina and services are groups, too.\n"
        "Each runs in a process of its own and prints one line. A setting goes to all workloads that know its key;\n"
        "one that none of them knows is refused.\n"
        "Status: 0; 1: a workload failed (the others run); 2: a bad setting; 3: no such workload.\n");
}

static const struct workload *find(const char *name)
{
    for (const struct workload *const *at = bench_workloads; *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

/* ---- what is to run */

static void plan_add(struct plan *plan, const struct workload *workload, const char *name)
{
    if (plan->count < PLAN_MOST)
        plan->entries[plan->count++] = (struct entry){ workload, name };
}

static bool plan_add_group(struct plan *plan, const char *group)
{
    static const char prefix[] = "savina.";
    bool savina = strcmp(group, "savina") == 0, spec = strcmp(group, "spec") == 0;
    for (const struct workload *const *at = bench_workloads; *at != NULL; at++) {
        bool of_savina = strncmp((*at)->name, prefix, sizeof prefix - 1) == 0;
        if (of_savina ? savina : spec && !(*at)->own)
            plan_add(plan, *at, (*at)->name);
    }
    if (strcmp(group, "services") != 0)
        return savina || spec;
    for (int i = 0; service_load_name(i) != NULL; i++)
        plan_add(plan, NULL, service_load_name(i));
    return true;
}

/* The words without a '=' are names; 0, or the status of a command with a wrong one. */
static int plan_names(struct plan *plan)
{
    for (int i = 0; i < plan->word_count; i++) {
        const char *word = plan->words[i];
        if (strchr(word, '=') != NULL)
            continue;
        const struct workload *workload = find(word);
        if (workload != NULL || service_load_has(word)) {
            plan_add(plan, workload, word);
        } else if (!plan_add_group(plan, word)) {
            fprintf(
                stderr,
                "troupe bench: there is no workload '%s' (`troupe help bench` lists them); settings are key=value\n",
                word);
            printf("{\"unsupported\":true}\n");
            return 3;
        }
    }
    if (plan->count == 0)
        plan_add_group(plan, "spec");
    if (plan->count < PLAN_MOST)
        return 0;
    fprintf(stderr, "troupe bench: at most %d workloads at once\n", PLAN_MOST - 1);
    return 2;
}

/* ---- settings */

/* A parameter's place among the workload's; `workers` stands behind its own; -1: it has none of that key. */
static int parameter_of(const struct workload *workload, const char *setting, const char **value)
{
    int i = 0;
    for (; i < BENCH_PARAMETERS && workload->defaults[i].name != NULL; i++)
        if ((*value = setting_value(setting, workload->defaults[i].name)) != NULL)
            return i;
    return (*value = setting_value(setting, "workers")) != NULL ? i : -1;
}

static enum setting_fit fit_of(const struct entry *entry, const char *setting)
{
    const char *value;
    if (entry->workload == NULL)
        return service_load_fit(setting);
    int i = parameter_of(entry->workload, setting, &value);
    if (i < 0)
        return SETTING_UNKNOWN;
    bool workers = i == BENCH_PARAMETERS || entry->workload->defaults[i].name == NULL;
    if (workers)
        return setting_is_number(value) && strtoull(value, NULL, 10) <= WORKERS_MOST ? SETTING_GOOD : SETTING_BAD;
    if (setting_is_number(entry->workload->defaults[i].value))
        return setting_is_number(value) ? SETTING_GOOD : SETTING_BAD;
    return setting_is_word(value) && !setting_is_number(value) ? SETTING_GOOD : SETTING_BAD;
}

static void print_parameters(const struct entry *entry, FILE *out)
{
    fprintf(out, "%s has", entry->name);
    for (int i = 0; entry->workload != NULL && i < BENCH_PARAMETERS && entry->workload->defaults[i].name != NULL; i++)
        fprintf(out, " %s=%s", entry->workload->defaults[i].name, entry->workload->defaults[i].value);
    fprintf(out, "%s\n",
            entry->workload == NULL ? " rate=0 seconds=5 connections=64 workers=N" : " workers=N (0 to 256)");
}

/* Every setting must be one that somebody knows, and good for all who do. */
static int plan_settings(const struct plan *plan)
{
    for (int w = 0; w < plan->word_count; w++) {
        const char *setting = plan->words[w];
        int known = 0;
        if (strchr(setting, '=') == NULL)
            continue;
        for (int i = 0; i < plan->count; i++) {
            enum setting_fit fit = fit_of(&plan->entries[i], setting);
            known += fit != SETTING_UNKNOWN;
            if (fit != SETTING_BAD)
                continue;
            fprintf(stderr, "troupe bench: bad value in '%s'; ", setting);
            print_parameters(&plan->entries[i], stderr);
            return 2;
        }
        if (known > 0)
            continue;
        fprintf(stderr, "troupe bench: unknown setting '%s'; ", setting);
        if (plan->count == 1)
            print_parameters(&plan->entries[0], stderr);
        else
            fprintf(stderr, "none of the workloads knows it (`troupe help bench` says what each has)\n");
        return 2;
    }
    return 0;
}

/* The workload's own defaults, then what the command line says instead. */
static void set_all(struct bench *bench, const struct plan *plan)
{
    while (bench->parameter_count < BENCH_PARAMETERS &&
           bench->workload->defaults[bench->parameter_count].name != NULL) {
        bench->parameters[bench->parameter_count] = bench->workload->defaults[bench->parameter_count];
        bench->parameter_count++;
    }
    bench->parameters[bench->parameter_count++] = (struct bench_parameter){ "workers", "0" };
    for (int w = 0; w < plan->word_count; w++) {
        const char *value;
        int i = parameter_of(bench->workload, plan->words[w], &value);
        if (i >= 0)
            bench->parameters[i].value = value;
    }
}

/* ---- a run */

/* Sets `workers` to how many there really are, and runs the workload. */
static void coordinator(const tr_msg *arg)
{
    struct bench *bench = *(struct bench *const *)tr_expect(arg, sizeof bench);
    static char workers[16];
    tr_system_info system;
    tr_must(tr_system(&system));
    snprintf(workers, sizeof workers, "%d", system.workers);
    bench->parameters[bench->parameter_count - 1].value = workers;
    bench->workload->run(bench);
}

/* The root process: lives as long as the coordinator. If that ends in a crash, a wrong result for one, which is found
 * after the measurement, there is no result. */
static void root(const tr_msg *arg)
{
    struct bench *bench = *(struct bench *const *)tr_expect(arg, sizeof bench);
    tr_ref monitor;
    tr_reason reason;
    char text[128];
    tr_spawn_monitor(coordinator, tr_body(arg), tr_size(arg), &monitor);
    tr_must(tr_await_down(monitor, TR_INFINITY, &reason));
    if (tr_reason_clean(&reason))
        return;
    bench->done = false;
    fprintf(stderr, "troupe bench: %s\n", tr_reason_text(&reason, text, sizeof text));
}

static void print_result(const struct bench *bench)
{
    printf("{\"peer\":\"troupe\",\"version\":\"%s\",\"workload\":\"%s\",\"params\":{", TROUPE_VERSION,
           bench->workload->name);
    for (int i = 0; i < bench->parameter_count; i++) {
        const char *quote = setting_is_number(bench->parameters[i].value) ? "" : "\"";
        printf("%s\"%s\":%s%s%s", i > 0 ? "," : "", bench->parameters[i].name, quote, bench->parameters[i].value,
               quote);
    }
    printf("},\"ops\":%" PRIu64 ",\"seconds\":%.6f%s}\n", bench->ops, bench->seconds, bench->extra);
}

static void discard(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static int run_workload(struct bench *bench)
{
    bool quiet = bench->workload->quiet;
    tr_config config = { .workers = (int)bench_number(bench, "workers"),
                         .quiet_restarts = quiet,
                         .log = quiet ? discard : NULL };
    int status = tr_main(&config, root, &bench, sizeof bench);
    if (status != 0 || !bench->done) {
        fprintf(stderr, "troupe bench: %s failed\n", bench->workload->name);
        return 1;
    }
    print_result(bench);
    return fflush(stdout) == 0 ? 0 : 1;
}

static int run(const struct plan *plan, const struct entry *entry)
{
    if (entry->workload == NULL)
        return service_load_run(entry->name, plan->word_count, plan->words);
    struct bench bench = { .workload = entry->workload };
    set_all(&bench, plan);
    return run_workload(&bench);
}

/* In a process of its own, which does not outlive this one. */
static int run_apart(const struct plan *plan, const struct entry *entry)
{
    int status;
    pid_t parent = getpid();
    fflush(NULL); /* else what is not written yet would be written twice */
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        status = getppid() == parent ? run(plan, entry) : 1;
        fflush(NULL);
        _exit(status);
    }
    if (child < 0) {
        fprintf(stderr, "troupe bench: no process for %s\n", entry->name);
        return 1;
    }
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    if (WIFSIGNALED(status))
        fprintf(stderr, "troupe bench: %s ended by signal %d\n", entry->name, WTERMSIG(status));
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

int bench_command(int argc, char **argv)
{
    struct plan plan = { .words = argv, .word_count = argc };
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            bench_help(stdout);
            return 0;
        }
    int status = plan_names(&plan);
    if (status == 0)
        status = plan_settings(&plan);
    if (status != 0 || plan.count == 1)
        return status != 0 ? status : run(&plan, &plan.entries[0]);
    for (int i = 0; i < plan.count; i++)
        if (run_apart(&plan, &plan.entries[i]) != 0)
            status = 1;
    return status;
}
