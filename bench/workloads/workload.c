/* workload.c: parameters, results and the coordinator's helpers. */
#include "workload.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

const char *bench_text(const struct bench *bench, const char *name)
{
    for (int i = 0; i < bench->parameter_count; i++)
        if (strcmp(bench->parameters[i].name, name) == 0)
            return bench->parameters[i].value;
    fprintf(stderr, "troupe bench: %s declares no parameter %s\n", bench->workload->name, name);
    exit(1);
}

uint64_t bench_number(const struct bench *bench, const char *name)
{
    return strtoull(bench_text(bench, name), NULL, 10);
}

void bench_result_seconds(struct bench *bench, uint64_t ops, double seconds)
{
    bench->ops = ops;
    bench->seconds = seconds;
    bench->done = true;
}

void bench_result(struct bench *bench, uint64_t ops, int64_t start_ns)
{
    bench_result_seconds(bench, ops, (double)(tr_now_ns() - start_ns) / 1e9);
}

void bench_extra(struct bench *bench, const char *name, double value)
{
    size_t used = strlen(bench->extra);
    snprintf(bench->extra + used, sizeof bench->extra - used, ",\"%s\":%.10g", name, value);
}

void bench_verify(const char *what, uint64_t got, uint64_t want)
{
    if (got == want)
        return;
    fprintf(stderr, "troupe bench: wrong result: %s is %llu, not %llu\n", what, (unsigned long long)got,
            (unsigned long long)want);
    tr_exit(tr_because(TR_WHY_USER, 1, "wrong result: %s", what));
}

tr_pid bench_start(const tr_actor *actor, const void *arg, size_t size)
{
    return tr_spawn_actor(actor, arg, size, &(tr_spawn_options){ .flags = TR_SPAWN_LINK });
}

tr_pid bench_start_entry(tr_entry *entry, const void *arg, size_t size) { return tr_spawn_link(entry, arg, size); }

void bench_go(tr_pid pid) { tr_send(pid, BENCH_GO, NULL, 0); }

void bench_wait_for_go(void) { tr_receive_match(&(tr_match){ .tag = BENCH_GO }, TR_INFINITY); }

void bench_report(tr_pid coordinator, uint64_t number) { tr_send(coordinator, BENCH_REPORT, &number, sizeof number); }

uint64_t bench_reports(uint64_t count)
{
    uint64_t sum = 0;
    while (count-- > 0)
        sum += bench_number_in(tr_receive_match(&(tr_match){ .tag = BENCH_REPORT }, TR_INFINITY));
    return sum;
}

uint64_t bench_number_in(const tr_msg *message) { return *(const uint64_t *)tr_expect(message, sizeof(uint64_t)); }

uint64_t bench_sum_to(uint64_t n) { return n * (n + 1) / 2; }

uint64_t bench_resident_bytes(void)
{
    unsigned long long size, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%llu %llu", &size, &resident) != 2)
        tr_exit(tr_because(TR_WHY_USER, 1, "no /proc/self/statm"));
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

uint64_t bench_descriptors(void)
{
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    if (folder == NULL)
        tr_exit(tr_because(TR_WHY_USER, 1, "no /proc/self/fd"));
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count - 3; /* ".", "..", and the folder itself */
}

double bench_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
