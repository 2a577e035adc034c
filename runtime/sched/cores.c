/* cores.c: how many cores this process may use: its affinity, and the CPU quota of its control group (versions 1 and
 * 2). */
#include "sched/scheduler.h"

#include <sched.h>
#include <stdio.h>

/* Cores that a quota of `limit` microseconds each `period` allows, rounded up; 0: no quota. */
static unsigned quota_cores(long long limit, long long period)
{
    return limit <= 0 || period <= 0 ? 0 : (unsigned)((limit + period - 1) / period);
}

static unsigned read_quota(void)
{
    long long limit = 0, period = 0;
    FILE *file = fopen("/sys/fs/cgroup/cpu.max", "re");
    if (file != NULL) {
        int read = fscanf(file, "%lld %lld", &limit, &period); /* "max 100000" reads nothing */
        fclose(file);
        return read == 2 ? quota_cores(limit, period) : 0;
    }
    file = fopen("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "re");
    if (file == NULL)
        return 0;
    int read = fscanf(file, "%lld", &limit);
    fclose(file);
    file = read == 1 ? fopen("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "re") : NULL;
    if (file == NULL)
        return 0;
    read = fscanf(file, "%lld", &period);
    fclose(file);
    return read == 1 ? quota_cores(limit, period) : 0;
}

unsigned scheduler_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = read_quota();
    return quota > 0 && quota < cores ? quota : cores;
}
