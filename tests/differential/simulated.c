/* simulated.c: the scenarios of files, run in simulation (troupe/sim.h): what every process saw and how it ended, and
 * in how many runs.
 *
 *     sim_differential [from=1] [to=1000] [each=1] FILE...   under these seeds, `each` runs of the scenario in each
 *     sim_differential orders=N FILE...                      every order of what its processes do; at most so many
 *
 * It prints what differential.c does; behind `orders`, the line `orders N complete` or `orders N cut`.
 *
 * All seeds of a scenario run in one process, one after another; a run that fails ends the program. The same command
 * does the same again; a seed alone does not, since what ran before is part of how it goes. Under half of them some
 * threads are kept waiting for up to 20 ms, so that what one process does meets what others do much later; the looks
 * whether a run rests lie further apart than that. In a search of all orders each run is a process of its own, delays
 * are left out, and a foreign thread ends what is explored ten seconds after the scripts began, in virtual time: all
 * that can happen has happened by then. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <troupe/sim.h>
#include <unistd.h>

enum { REST = 100, LONG_US = 10 * 1000 * 1000, WORKERS_MOST = 3, STALLS_MOST = 4, PAUSE_MS = 30 };

static struct settings {
    long from, to, each, orders;
} settings = { 1, 1000, 1, 0 };

static struct counts *counts;
static struct scenario **files; /* by the number of the argument */
/* Of the run. */
static const struct scenario *scenario;
static tr_pid conductor;

static void begin_exploring(void) { tr_sim_inject(true); }

static void conduct(const tr_msg *arg)
{
    struct run *run = tr_alloc(sizeof *run);
    char *outcome = tr_alloc(OUTCOME_SIZE);
    (void)arg;
    TR_SIM_CHECK(run != NULL && outcome != NULL);
    conductor = tr_self();
    tr_trap_exit(true);
    tr_sim_inject(settings.orders == 0);
    for (long i = 0; i < settings.each; i++) {
        memset(run, 0, sizeof *run);
        run->scenario = scenario;
        run->pause_ms = PAUSE_MS;
        if (settings.orders == 0) {
            run->seed = tr_sim_seed() * (uint64_t)settings.each + (uint64_t)i + 1;
        } else {
            run->begun = begin_exploring;
            run->rest = REST;
        }
        run_once(run, outcome);
        TR_SIM_CHECK(counts_add(counts, outcome));
    }
    tr_sim_inject(false);
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static int run_workers(int workers)
{
    tr_config config = { .workers = workers, .log = drop_record, .quiet_restarts = true };
    return tr_main(&config, conduct, NULL, 0);
}

static int run_seed(void *arg)
{
    (void)arg;
    return run_workers(1 + (int)tr_sim_random(WORKERS_MOST));
}

static void end_exploring(void *arg)
{
    (void)arg;
    usleep(LONG_US);
    tr_sim_inject(false);
    TR_SIM_CHECK(tr_send(conductor, REST, NULL, 0) == TR_OK);
}

static int run_order(void *arg)
{
    (void)arg;
    int thread = tr_sim_thread_start(end_exploring, NULL);
    TR_SIM_CHECK(thread >= 0);
    int status = run_workers(1);
    tr_sim_thread_join(thread);
    return status;
}

static bool run_seeds(void)
{
    static const uint32_t stalls[4] = { 0, 2000, 0, 10000 };
    for (long seed = settings.from; seed <= settings.to; seed++) {
        tr_sim_options options = { .seed = (uint64_t)seed,
                                   .faults = { .stall = stalls[seed / 4 % 4], .most = STALLS_MOST } };
        if (tr_sim_run(&options, run_seed, NULL, NULL) != 0) {
            fprintf(stderr, "%s: seed %ld: the runtime did not start\n", scenario->name, seed);
            return false;
        }
    }
    return true;
}

/* In a process of its own: what a run leaves behind is for the scenario's next runs only. */
static bool run_apart(void)
{
    int status;
    pid_t process = fork();
    if (process == 0)
        _exit(!run_seeds());
    return process > 0 && waitpid(process, &status, 0) == process && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool run_orders(void)
{
    tr_sim_case test = { .name = scenario->name, .program = run_order };
    tr_sim_explored explored;
    if (tr_sim_explore(&test, (uint64_t)settings.orders, &explored) != TR_OK)
        return false;
    printf("orders %llu %s\n", (unsigned long long)explored.runs, explored.complete ? "complete" : "cut");
    return true;
}

static bool read_setting(const char *word)
{
    static const struct {
        const char *key;
        long *value;
    } known[] = { { "from=", &settings.from },
                  { "to=", &settings.to },
                  { "each=", &settings.each },
                  { "orders=", &settings.orders } };
    for (size_t i = 0; i < TR_COUNT(known); i++)
        if (strncmp(word, known[i].key, strlen(known[i].key)) == 0) {
            *known[i].value = atol(word + strlen(known[i].key));
            return true;
        }
    return false;
}

static bool run_all(const struct scenario *first)
{
    for (scenario = first; scenario != NULL; scenario = scenario->next) {
        printf("scenario %s\n", scenario->name);
        fflush(stdout); /* should it fail, this shows which it is */
        if (settings.orders > 0 ? !run_orders() : !run_apart())
            return false;
        counts_print(counts);
    }
    return true;
}

int main(int argc, char **argv)
{
    int at = 1;
    while (at < argc && read_setting(argv[at]))
        at++;
    counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    files = calloc((size_t)argc, sizeof(struct scenario *));
    if (at == argc || counts == MAP_FAILED || files == NULL) {
        fprintf(stderr, "usage: %s [from=1] [to=1000] [each=1] [orders=0] FILE...\n", argv[0]);
        return 2;
    }
    for (; at < argc; at++)
        if (!scenario_read(argv[at], &files[at]) || !run_all(files[at]))
            return 1;
    return 0;
}
