/* jobs_sim.c: the job queue of jobs.c in simulation: clients ask for jobs while workers and the queue crash at any
 * message. Whatever happens, each call ends, and a job that can be done is done: two crashes leave it a third try.
 * Leave `queue->running--` out in jobs.c, and it says under which seed a call waits for ever, and the line that runs
 * this again, also under gdb. */
#define main jobs_main
#include "jobs.c" /* NOLINT(bugprone-suspicious-include): the service as it is, but for its main */
#undef main
#include <troupe/sim.h>

enum { CLIENTS = 6, JOBS = 3, GIVE_UP_MS = 100000 };

/* Only a crash of the queue may keep an answer from a client. */
static bool is_crash(int status) { return status == TR_EDOWN || status == TR_ENOPROC; }

static void client(const tr_msg *unused)
{
    (void)unused;
    static const char *const whats[] = { "sleep", "crash", "hang" };
    for (int i = 0; i < JOBS; i++) {
        struct job job = { .limit_ms = 50 };
        struct answer answer;
        snprintf(job.what, sizeof job.what, "%s", whats[tr_sim_random(TR_COUNT(whats))]);
        int status = tr_call(tr_name("queue"), JOB, &job, sizeof job, &answer, sizeof answer, GIVE_UP_MS);
        TR_SIM_CHECK(status == TR_OK || is_crash(status));
        bool done = status == TR_OK && strcmp(answer.text, "done") == 0;
        bool refused = status != TR_OK || strcmp(answer.text, "busy") == 0;
        TR_SIM_CHECK(refused || done == (strcmp(job.what, "sleep") == 0));
    }
}

static void clients(const tr_msg *unused)
{
    (void)unused;
    tr_ref monitors[CLIENTS];
    tr_pid pid;
    tr_must(tr_start_link(&(tr_child){ .supervisor = &root }, &pid));
    tr_sim_inject(true);
    for (int i = 0; i < CLIENTS; i++)
        tr_spawn_monitor(client, NULL, 0, &monitors[i]);
    for (int i = 0; i < CLIENTS; i++)
        tr_must(tr_await_down(monitors[i], TR_INFINITY, NULL));
    tr_sim_inject(false);
}

static int program(void *unused)
{
    (void)unused;
    const tr_config config = { .workers = 2, .quiet_restarts = true };
    return tr_main(&config, clients, NULL, 0);
}

int main(void)
{
    const tr_sim_case test = { .name = "jobs",
                               .program = program,
                               .options = { .faults = { .crash = 3000, .most = 2, .victims = "queue,worker" } },
                               .batch = 50 };
    if (tr_sim_sweep(&test, 1, 300) != 0)
        return 1;
    puts("every call ended");
    return 0;
}
