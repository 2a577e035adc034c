/* disturbed.c: a mixed load with exact accounting while the system is unkind to the process: how=1 stops and continues
 * it at random, how=2 holds one worker in a signal's handler for two seconds, how=3 moves its threads from core to
 * core, how=4 gives it four times as many workers as cores; how=0, the default, all of them one after another.
 *
 * Whatever happens: every call is answered once and rightly, every message arrives, every timer fires once and never
 * early, every child's end is told once. */
#include "stress.h"

#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum how { STOPPED = 1, HELD, MOVED, CROWDED, HOWS = CROWDED };
enum { HOLD_MS = 2000, CORES_MOST = 1024 };

static enum how how;
static int64_t progress, enough; /* atomic */
static int64_t hold_progress;    /* atomic: how much the others did while one was held in its own code */
static bool holds_over;          /* atomic */
static enum where { NOT_NOW, IN_USER_CODE, ANYWHERE } hold_where; /* atomic: where the next worker is to be held */
static _Thread_local volatile sig_atomic_t in_user_code;
static pid_t some_worker; /* atomic: a thread that ran a process lately */

static void pause_ms(int64_t ms)
{
    struct timespec left = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };
    while (nanosleep(&left, &left) != 0)
        ;
}

static int64_t count_of(int64_t *counter) { return __atomic_load_n(counter, __ATOMIC_RELAXED); }

/* ---- the load */

struct report {
    int64_t calls, sends, timers, children;
};

static void ends_as_asked(const tr_msg *arg)
{
    tr_exit(tr_because(TR_WHY_USER, *(const int *)tr_expect(arg, sizeof(int)), NULL));
}

/* Answers a question with the number after it; counts words. */
static void server(const tr_msg *arg)
{
    struct report seen = { 0 };
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == WORD) {
            seen.sends++;
        } else if (tr_tag(message) == QUESTION) {
            int64_t number = *(const int64_t *)tr_expect(message, sizeof number) + 1;
            seen.calls++;
            tr_reply(tr_from_of(message), &number, sizeof number);
        } else {
            tr_reply(tr_from_of(message), &seen, sizeof seen);
        }
    }
}

/* Takes the timers that have fired. */
static int64_t take_timers(int64_t timeout_ms)
{
    int64_t taken = 0;
    for (const tr_msg *message; (message = tr_receive_match(&(tr_match){ .tag = READY }, timeout_ms)) != NULL; taken++)
        MUST(tr_now_ns() >= *(const int64_t *)tr_expect(message, sizeof(int64_t)));
    return taken;
}

static void one_child(int code)
{
    tr_ref monitor;
    tr_reason reason;
    tr_spawn_monitor(ends_as_asked, &code, sizeof code, &monitor);
    MUST_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    MUST(reason.why == TR_WHY_USER && reason.code == code);
    MUST(!tr_demonitor(monitor, true));
}

/* The user's own code, for a moment. Nothing leaves the thread here. While somebody is to be held it sleeps a little,
 * too: only there does ThreadSanitizer let signals in. */
__attribute__((noinline)) static void compute(void)
{
    in_user_code = 1;
    for (volatile int i = 0; i < 1000; i++)
        ;
    if (__atomic_load_n(&hold_where, __ATOMIC_RELAXED) == IN_USER_CODE)
        nanosleep(&(struct timespec){ .tv_nsec = 1000 }, NULL);
    in_user_code = 0;
}

static void client(const tr_msg *arg)
{
    struct dice dice = dice_of(*(const uint64_t *)tr_expect(arg, sizeof(uint64_t)));
    struct report done = { 0 }, seen;
    tr_pid to = tr_spawn(server, NULL, 0);
    int64_t fired = 0;
    for (int64_t i = 0; !__atomic_load_n(&enough, __ATOMIC_RELAXED); i++) {
        int64_t answer;
        MUST_EQ(tr_call(to, QUESTION, &i, sizeof i, &answer, sizeof answer, TR_INFINITY), TR_OK);
        MUST_EQ(answer, i + 1);
        done.calls++;
        for (uint32_t n = roll(&dice, 4); n > 0; n--, done.sends++)
            MUST_EQ(tr_send(to, WORD, NULL, 0), TR_OK);
        if (roll(&dice, 10) == 0) {
            int64_t ms = roll(&dice, 4), due = tr_now_ns() + ms * 1000000;
            MUST_EQ(tr_send_after(ms, tr_self(), READY, &due, sizeof due, NULL), TR_OK);
            done.timers++;
        }
        if (roll(&dice, 50) == 0) {
            one_child((int)i);
            done.children++;
        }
        fired += take_timers(roll(&dice, 20) == 0 ? 1 : 0);
        __atomic_store_n(&some_worker, (pid_t)syscall(SYS_gettid), __ATOMIC_RELAXED);
        __atomic_fetch_add(&progress, 1, __ATOMIC_RELAXED);
        compute();
    }
    while (fired < done.timers)
        fired += take_timers(1);
    MUST_EQ(take_timers(10) + fired, done.timers);
    MUST_EQ(tr_call(to, ANSWER, NULL, 0, &seen, sizeof seen, TR_INFINITY), TR_OK);
    MUST(seen.calls == done.calls && seen.sends == done.sends);
    tr_exit_signal(to, TR_KILL);
}

/* ---- the disturbances */

/* A process of its own. */
static void stop_and_continue(pid_t whom)
{
    struct dice dice = dice_of(1000);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == whom) {
        pause_ms(roll(&dice, 100));
        kill(whom, SIGSTOP);
        pause_ms(roll(&dice, 200));
        kill(whom, SIGCONT);
    }
    _exit(0);
}

static void hold(int number)
{
    int64_t before = count_of(&progress);
    enum where where = __atomic_load_n(&hold_where, __ATOMIC_RELAXED);
    (void)number;
    if (where == NOT_NOW || (where == IN_USER_CODE && !in_user_code))
        return;
    __atomic_store_n(&hold_where, NOT_NOW, __ATOMIC_RELAXED);
    pause_ms(HOLD_MS);
    if (where == IN_USER_CODE)
        __atomic_fetch_add(&hold_progress, count_of(&progress) - before, __ATOMIC_RELAXED);
}

static void hold_workers(void)
{
    sigaction(SIGUSR2, &(struct sigaction){ .sa_handler = hold, .sa_flags = SA_RESTART }, NULL);
    for (int64_t i = 0; i < setting("holds") && !count_of(&enough); i++) {
        __atomic_store_n(&hold_where, i % 2 == 0 ? IN_USER_CODE : ANYWHERE, __ATOMIC_RELAXED);
        while (__atomic_load_n(&hold_where, __ATOMIC_RELAXED) != NOT_NOW && !count_of(&enough)) {
            pid_t thread = __atomic_load_n(&some_worker, __ATOMIC_RELAXED);
            if (thread != 0)
                MUST_EQ(syscall(SYS_tgkill, getpid(), thread, SIGUSR2), 0);
            pause_ms(1);
        }
        pause_ms(HOLD_MS + 100);
    }
    __atomic_store_n(&holds_over, true, __ATOMIC_RELAXED);
}

/* Gives each thread a random part of the cores that there are. */
static void move_threads(const cpu_set_t *all, struct dice *dice)
{
    DIR *tasks = opendir("/proc/self/task");
    MUST(tasks != NULL);
    for (struct dirent *task; (task = readdir(tasks)) != NULL;) {
        cpu_set_t some;
        CPU_ZERO(&some);
        for (size_t core = 0; core < CORES_MOST; core++)
            if (CPU_ISSET(core, all) && roll(dice, 2) == 0)
                CPU_SET(core, &some);
        if (task->d_name[0] != '.') /* an empty part is refused: it stays where it is */
            (void)sched_setaffinity((pid_t)atoi(task->d_name), sizeof some, &some);
    }
    closedir(tasks);
}

static void *disturb(void *unused)
{
    struct dice dice = dice_of(2000);
    cpu_set_t all;
    MUST_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    if (how == HELD)
        hold_workers();
    while (how == MOVED && !count_of(&enough)) {
        move_threads(&all, &dice);
        pause_ms(roll(&dice, 5));
    }
    return unused;
}

/* ---- all together */

static void load(void)
{
    uint64_t clients = (uint64_t)setting("clients");
    tr_ref *monitors = tr_alloc(clients * sizeof *monitors);
    tr_reason reason;
    size_t before = processes_now();
    pthread_t disturber;
    MUST_EQ(pthread_create(&disturber, NULL, disturb, NULL), 0);
    for (uint64_t i = 0; i < clients; i++)
        tr_spawn_monitor(client, &i, sizeof i, &monitors[i]);
    if (how != HELD)
        tr_sleep(setting("ms"));
    while (how == HELD && !__atomic_load_n(&holds_over, __ATOMIC_RELAXED))
        tr_sleep(10);
    __atomic_store_n(&enough, 1, __ATOMIC_RELAXED);
    for (uint64_t i = 0; i < clients; i++) {
        MUST_EQ(tr_await_down(monitors[i], TR_INFINITY, &reason), TR_OK);
        MUST(reason.why == TR_WHY_NORMAL);
    }
    must_count(before);
    pthread_join(disturber, NULL); /* it stops soon; that a worker waits for it meanwhile harms nobody */
}

static void run(enum how this_one, const char *what)
{
    how = this_one;
    enough = progress = hold_progress = some_worker = 0;
    hold_where = NOT_NOW;
    holds_over = false;
    int64_t workers = setting("workers");
    cpu_set_t all;
    MUST_EQ(sched_getaffinity(0, sizeof all, &all), 0);
    pid_t stopper = how == STOPPED ? fork() : 0;
    if (how == STOPPED && stopper == 0)
        stop_and_continue(getppid());
    stress_run(how == CROWDED ? (int)(4 * sysconf(_SC_NPROCESSORS_ONLN)) : (int)workers, load);
    if (stopper != 0) {
        kill(stopper, SIGKILL);
        MUST_EQ(waitpid(stopper, NULL, 0), stopper);
    }
    MUST_EQ(sched_setaffinity(0, sizeof all, &all), 0); /* this thread was moved, too */
    printf("%s: %" PRId64 " rounds of calls\n", what, progress);
    MUST(progress > 0);
    /* One is held in the middle of its code, the others go on; if there was but one, a spare does. (In the runtime's
     * code it may have a lock that the others want: they wait for it, but nothing is lost.) */
    MUST(how != HELD || hold_progress > 0);
}

int main(int argc, char **argv)
{
    static const char *const names[] = { "", "stopped and continued", "a worker held", "moved", "crowded" };
    known("how", 0);
    known("ms", 1500);
    known("holds", 1);
    known("clients", 16);
    stress_start(argc, argv);
    for (int64_t i = STOPPED; i <= HOWS; i++)
        if (setting("how") == 0 || setting("how") == i)
            run((enum how)i, names[i]);
    puts("ok");
    return 0;
}
