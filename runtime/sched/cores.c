/* cores.c: how many cores this process may use: its affinity, and the CPU quota of its control groups (quota.c); and
 * what a thread gets of them. In a simulation every thread has a core, for all that is said here. */
#include "sched/scheduler.h"

#include "base/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned scheduler_cores(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    unsigned cores = sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    unsigned quota = quota_cores();
    return quota > 0 && quota < cores ? quota : cores;
}

/* ---- what a thread gets */

#define SHORT_SLICE_NS 100000 /* the shortest that Linux grants */

/* sched_setattr(2); the C library's older headers do not have it, and the kernel's cannot be included beside them. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
};

void cores_ask_short_slice(void)
{
    struct attributes attributes;
    if (WITH_SIM || syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) != 0 ||
        attributes.policy != SCHED_OTHER)
        return;
    attributes.runtime = SHORT_SLICE_NS;
    syscall(SYS_sched_setattr, 0, &attributes, 0); /* refused, or not known: as before */
}

void cores_note_thread(struct core_use *use)
{
    *use = (struct core_use){ 0 };
    if (WITH_SIM)
        return;
    use->thread = (int)syscall(SYS_gettid);
    use->known = pthread_getcpuclockid(pthread_self(), &use->clock) == 0;
}

int64_t cores_time(const struct core_use *use)
{
    struct timespec time;
    if (WITH_SIM || !use->known || clock_gettime(use->clock, &time) != 0)
        return clock_now();
    return time.tv_sec * NS_PER_S + time.tv_nsec;
}

bool cores_waits(const struct core_use *use)
{
    char line[128];
    if (WITH_SIM)
        return false;
    snprintf(line, sizeof line, "/proc/self/task/%d/stat", use->thread);
    int file = open(line, O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? 0 : read(file, line, sizeof line - 1);
    if (file >= 0)
        close(file);
    line[size < 0 ? 0 : size] = '\0';
    const char *name_end = strrchr(line, ')'); /* the name may contain anything */
    return name_end != NULL && strncmp(name_end, ") R", 3) == 0;
}
