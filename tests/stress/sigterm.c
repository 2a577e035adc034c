/* sigterm.c: SIGTERM at random points of a program's life, from before its first process to the middle of restarts and
 * of its own stop: it ends with status 0, every server that was started was terminated or had crashed, each once, and
 * no mapping and no descriptor is left.
 * Each round is a child process; in some a second signal follows, which may end it at once. */
#include "stress.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SERVERS = 6, SECONDS_MOST = 60, UNBALANCED = 3 };

enum { AGAIN_MS = 1000 };

/* Whether a program has seen a SIGTERM that was sent to it. */
enum seen { NOT_SEEN, PERHAPS_SEEN, SEEN };

static int64_t inits, terminations, crashes; /* atomic */

static void count(int64_t *counter) { __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED); }

static int init(void *state, const tr_msg *arg)
{
    (void)state;
    (void)arg;
    count(&inits);
    return tr_idle(1);
}

/* A server's life: some work, now and then a crash. */
static int work(void *state, const tr_msg *message)
{
    struct dice *dice = state;
    (void)message;
    if (dice->state == 0)
        *dice = dice_of(tr_self().id);
    if (roll(dice, 20) == 0) {
        count(&crashes);
        tr_exit(tr_because(TR_WHY_USER, 1, "a crash"));
    }
    return tr_idle(roll(dice, 3));
}

/* Runs at an own end and at the supervisor's word; the crash above is one, too. */
static void terminate(void *state, const tr_reason *reason)
{
    (void)state;
    if (reason->why != TR_WHY_USER)
        count(&terminations);
}

static const tr_gen_server worker_server = { .label = "worker",
                                             .state_size = sizeof(struct dice),
                                             .trap_exit = true,
                                             .init = init,
                                             .handle_info = work,
                                             .terminate = terminate };

static int run_tree(void)
{
    static char ids[SERVERS][16];
    tr_child servers[SERVERS];
    for (int i = 0; i < SERVERS; i++) {
        snprintf(ids[i], sizeof ids[i], "w%d", i);
        servers[i] = (tr_child){ .id = ids[i], .server = &worker_server };
    }
    tr_supervisor halves[2];
    for (int i = 0; i < 2; i++)
        halves[i] = (tr_supervisor){ .strategy = i == 0 ? TR_ONE_FOR_ALL : TR_ONE_FOR_ONE,
                                     .intensity = 1000000,
                                     .children = &servers[i * SERVERS / 2],
                                     .child_count = SERVERS / 2 };
    const tr_child children[] = { { .id = "one", .supervisor = &halves[0] },
                                  { .id = "two", .supervisor = &halves[1] } };
    const tr_supervisor root = { .children = children, .child_count = 2 };
    tr_config config = { .workers = (int)setting("workers"), .quiet_restarts = true, .log = drop_record };
    return tr_run_with(&config, &root);
}

static void pause_us(int64_t us)
{
    struct timespec pause = { .tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000 };
    nanosleep(&pause, NULL);
}

static int child(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    alarm(SECONDS_MOST);
    int open = descriptors();
    size_t mapped = source_mapped_bytes();
    int status = run_tree();
    MUST_EQ(descriptors(), open);
    MUST_EQ(source_mapped_bytes(), mapped);
    if (status == 0 && inits != terminations + crashes) {
        fprintf(stderr, "%" PRId64 " started, %" PRId64 " terminated, %" PRId64 " crashed\n", inits, terminations,
                crashes);
        status = UNBALANCED;
    }
    return status;
}

/* Whether SIGTERM has a handler there. */
static bool catches(pid_t pid)
{
    char path[64], line[256];
    uint64_t caught = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *status = fopen(path, "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (sscanf(line, "SigCgt: %" SCNx64, &caught) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return (caught >> (SIGTERM - 1) & 1) != 0;
}

/* A program ignores the signal until it has a handler for it, and again when a stop is behind it. So one that has a
 * handler before will see it, and one that has none before and after did not, or needs it no more. */
static enum seen order_to_stop(pid_t pid)
{
    bool caught = catches(pid);
    kill(pid, SIGTERM);
    return caught ? SEEN : catches(pid) ? PERHAPS_SEEN : NOT_SEEN;
}

/* Waits for its end. A signal that was surely too early goes again at once; one that nobody knows of after a while, and
 * then it may be a second one: true. */
static bool await_end(pid_t pid, enum seen seen, int *status)
{
    bool second = false;
    for (int ms = 1; waitpid(pid, status, WNOHANG) == 0; ms++) {
        pause_us(1000);
        if (seen == PERHAPS_SEEN && ms % AGAIN_MS == 0)
            second = true;
        else if (seen != NOT_SEEN)
            continue;
        seen = order_to_stop(pid);
    }
    return second;
}

static void round_of(struct dice *dice)
{
    int status, ready[2];
    bool twice = roll(dice, 4) == 0;
    fflush(NULL);
    MUST_EQ(pipe(ready), 0);
    pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) { /* it is the handler's from tr_run_with on; before, the program would die of it */
        signal(SIGTERM, SIG_IGN);
        close(ready[0]);
        close(ready[1]);
        exit(child());
    }
    close(ready[1]);
    (void)!read(ready[0], &status, 1); /* the end: it ignores the signal from here on */
    close(ready[0]);
    pause_us(roll(dice, (uint32_t)setting("within_us")));
    enum seen seen = order_to_stop(pid);
    if (twice) {
        pause_us(roll(dice, 500));
        enum seen again = order_to_stop(pid);
        seen = again > seen ? again : seen;
    }
    twice |= await_end(pid, seen, &status);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM; /* by a second one */
    if (!killed || !twice)
        MUST_EQ(WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status), 0);
}

int main(int argc, char **argv)
{
    known("rounds", 60);
    known("within_us", 30000);
    stress_start(argc, argv);
    struct dice dice = dice_of(1);
    for (int64_t i = 0; i < setting("rounds"); i++)
        round_of(&dice);
    puts("ok");
    return 0;
}
