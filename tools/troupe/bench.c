/* bench.c: finds the workload, sets its parameters, runs it as the root process of a runtime of its own, prints the
 * result. */
#include "bench.h"

#include "service_load.h"
#include "workload.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#ifndef TROUPE_VERSION
#define TROUPE_VERSION "1.0.0"
#endif

void bench_list(FILE *out)
{
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
    fprintf(out, "  and workers=N (default: the cores that this process may use)\n");
}

static const struct workload *find(const char *name)
{
    for (const struct workload *const *at = bench_workloads; *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

static bool is_number(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 19 && text[digits] == '\0';
}

static bool is_word(const char *text)
{
    for (; *text != '\0'; text++)
        if (!isalnum((unsigned char)*text))
            return false;
    return true;
}

/* Puts key=value into the parameter of that name; a number stays a number. */
static int set(struct bench *bench, char *setting)
{
    char *value = strchr(setting, '=');
    for (int i = 0; value != NULL && i < bench->parameter_count; i++) {
        struct bench_parameter *parameter = &bench->parameters[i];
        if (strlen(parameter->name) != (size_t)(value - setting) ||
            strncmp(parameter->name, setting, strlen(parameter->name)) != 0)
            continue;
        if (is_number(value + 1) != is_number(parameter->value) || !is_word(value + 1))
            break;
        parameter->value = value + 1;
        return 0;
    }
    fprintf(stderr, "troupe bench: bad parameter '%s'; %s has", setting, bench->workload->name);
    for (int i = 0; i < bench->parameter_count; i++)
        fprintf(stderr, " %s=%s", bench->parameters[i].name, bench->parameters[i].value);
    fprintf(stderr, "\n");
    return 2;
}

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
        const char *quote = is_number(bench->parameters[i].value) ? "" : "\"";
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

static int run(struct bench *bench)
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

int bench_command(int argc, char **argv)
{
    static struct bench bench;
    if (argc < 1) {
        fprintf(stderr, "usage: troupe bench WORKLOAD [key=value ...]\n");
        bench_list(stderr);
        return 2;
    }
    if (service_load_has(argv[0]))
        return service_load_run(argv[0], argc - 1, argv + 1);
    bench.workload = find(argv[0]);
    if (bench.workload == NULL) {
        fprintf(stderr, "troupe bench: no workload '%s'\n", argv[0]);
        printf("{\"unsupported\":true}\n");
        return 3;
    }
    while (bench.parameter_count < BENCH_PARAMETERS && bench.workload->defaults[bench.parameter_count].name != NULL) {
        bench.parameters[bench.parameter_count] = bench.workload->defaults[bench.parameter_count];
        bench.parameter_count++;
    }
    bench.parameters[bench.parameter_count++] = (struct bench_parameter){ "workers", "0" };
    for (int i = 1; i < argc; i++)
        if (set(&bench, argv[i]) != 0)
            return 2;
    return run(&bench);
}
