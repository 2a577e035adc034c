/* no_memory.c: the n-th request for memory fails, for n = 1, 2, ... until a whole program (boot, everything that there
 * is, stop) goes through without one; once each fails alone, once with all that follow.
 *
 * Each n is a child process: it boots the runtime and takes the tour (tour.h). A refused boot must say so and leave
 * nothing behind. Afterwards memory is there again: then the same process must take the whole tour. At both ends no
 * mapping and no descriptor may be left. Debug builds count each block of a pool as a request, release builds those to
 * the system. from, to, step: which n; step=0 takes such that some 100 n are tried. */
#include "tour.h"

#include "memory/pool.h"
#include "memory/source.h"

#include <dirent.h>
#include <sys/prctl.h>
#include <sys/wait.h>

enum { ALL_DONE = 0, SOME_REFUSED = 3, SECONDS_MOST = 100 };

static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count;
}

static bool refused_before; /* what source_fail_after forgets */

static bool memory_refused(void) { return refused_before || source_failed(); }

static void memory_is_back(void)
{
    refused_before = memory_refused();
    source_fail_after(0, false);
}

/* Boot, tour, halt; false: it could not start. Where each block counts, the stop finds memory again: it needs some for
 * its signals, and what is set aside for them would be refused, too. */
static bool run_once(void)
{
    tr_config config = { .workers = (int)setting("workers"), .log = drop_record };
    size_t mapped = source_mapped_bytes();
    int open = descriptors(), status = tr_boot(&config);
    if (status == TR_OK) {
        tr_pid root = tr_spawn(tour, NULL, 0);
        while (tr_is_alive(root))
            tr_sleep(1);
        if (POOL_COUNTS)
            memory_is_back();
        MUST_EQ(tr_halt(LONG_MS), TR_OK);
    } else {
        MUST(fine(status) == false);
    }
    MUST_EQ(source_mapped_bytes(), mapped);
    MUST_EQ(descriptors(), open);
    return status == TR_OK;
}

static int child(int64_t n, bool onwards)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(SECONDS_MOST);
    refused = memory_refused;
    lasting = onwards;
    source_fail_after(n, onwards);
    bool ran = run_once();
    memory_is_back();
    MUST(refused() || (ran && tour_complete()));
    MUST(run_once() && tour_complete());
    return refused() ? SOME_REFUSED : ALL_DONE;
}

/* False: nothing was refused any more. */
static bool try(int64_t n, bool onwards)
{
    int status;
    fflush(NULL);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0)
        exit(child(n, onwards));
    MUST_EQ(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != ALL_DONE && WEXITSTATUS(status) != SOME_REFUSED)) {
        fprintf(stderr, "request %" PRId64 " refused%s: the program ended with %s %d\n", n,
                onwards ? ", and all that followed" : "", WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        failed("each refusal is survived", __FILE__, __LINE__);
    }
    return WEXITSTATUS(status) == SOME_REFUSED;
}

/* How many requests there are, roughly: by doubling. */
static int64_t requests(void)
{
    int64_t n = 64;
    while (try(n, false))
        n *= 2;
    return n;
}

int main(int argc, char **argv)
{
    stress.program = argv[0];
    known("workers", 2);
    known("from", 1);
    known("to", 0);
    known("step", 0);
    read_settings(argc, argv);
    int64_t to = setting("to"), step = setting("step"), tried = 0;
    if (to == 0)
        to = requests();
    if (step == 0)
        step = to / 100 + 1;
    for (int64_t n = setting("from"); n <= to; n += step)
        for (int onwards = 0; onwards < 2; onwards++, tried++)
            (void)try(n, onwards != 0);
    printf("%" PRId64 " refusals of the first %" PRId64 " requests survived\nok\n", tried, to);
    return 0;
}
