/* model.c: the runner and the shrinker of the model-based tests; script.h has the generator.
 *
 *     main --+-- for each number of workers: a child process runs all scripts --differs, crashes, hangs--+
 *            |                                                                                            v
 *            +-- script=FILE: a child process runs that script                     shrink: child processes, each runs
 *                                                                                  a part of the script
 *
 * The parent never starts a runtime, so that it can fork at any time; a child says through shared memory how far it
 * came and what differs. Shrinking is delta debugging: leave out ever smaller pieces as long as the rest still fails,
 * then make the arguments small. A script that fails only now and then is run several times before a part of it counts
 * as good. */
#include "script.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 4
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SLOW 4
#endif
#endif
#ifndef SLOW
#define SLOW 1
#endif

enum { DIFFERENT = 3, HANG_S = 60 * SLOW, SHRINK_HANG_S = 15 * SLOW, SHRINK_S = 120 * SLOW };
enum { PATIENCE_MS = 30000 * SLOW, SHRINK_PATIENCE_MS = 3000 * SLOW, TRIES_MOST = 10, REPEATS_MOST = 300 };
enum { MANY_WORKERS = 8, WANDER_ONE_IN = 16, FEWER = SLOW > 1 ? 10 : 1 };

static const char *program;
static bool shrinking, several_workers, did;
static int repeats = 1; /* how often a child runs the script at hand */

static struct {
    uint64_t seed;
    int64_t commands, length, workers, must_differ;
    const char *script;
} settings;

/* What a child tells; shared. */
static struct {
    uint64_t steps; /* atomic: grows as long as it gets on */
    int64_t number; /* of the script, from 0 */
    int64_t at;     /* index of the command */
    int64_t done;   /* commands that were carried out */
    char what[512]; /* "" as long as nothing differs */
} * told;

/* ---- in the child: running */

void model_differs(const char *file, int line, const char *format, ...)
{
    const char *slash = strrchr(file, '/');
    int used = snprintf(told->what, sizeof told->what, "%s:%d: ", slash == NULL ? file : slash + 1, line);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told->what + used, sizeof told->what - (size_t)used, format, arguments);
    va_end(arguments);
    _Exit(DIFFERENT);
}

void model_equal(int64_t real, int64_t expected, const char *what, const char *file, int line)
{
    if (real != expected)
        model_differs(file, line, "%s is %" PRId64 ", the model says %" PRId64, what, real, expected);
}

void model_same_pid(tr_pid real, tr_pid expected, const char *what, const char *file, int line)
{
    if (!tr_same(real, expected))
        model_differs(file, line, "%s is %s, the model says %s", what, tr_pid_text(real).s, tr_pid_text(expected).s);
}

void model_same_reason(const tr_reason *real, const tr_reason *expected, const char *what, const char *file, int line)
{
    char a[96], b[96];
    if (!tr_reason_same(real, expected))
        model_differs(file, line, "%s is %s, the model says %s", what, tr_reason_text(real, a, sizeof a),
                      tr_reason_text(expected, b, sizeof b));
}

void model_did(void) { did = true; }

int64_t model_patience_ms(void) { return shrinking ? SHRINK_PATIENCE_MS : PATIENCE_MS; }

void model_wait(struct patience *patience, const char *what)
{
    int64_t now_ns = tr_now_ns();
    if (patience->rounds++ == 0)
        patience->since_ns = now_ns;
    if ((now_ns - patience->since_ns) / 1000000 > model_patience_ms())
        DIFFERS("this never came: %s", what);
    if (patience->rounds < 50)
        tr_yield();
    else
        tr_sleep(1);
}

/* What comes back from the blocking pool goes through the global queue, to whoever is free. */
static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

void model_wander(void)
{
    static uint64_t state; /* atomic: the threads' chance, which no command depends on */
    uint64_t number = __atomic_add_fetch(&state, 1, __ATOMIC_RELAXED);
    if (several_workers && roll(&number, WANDER_ONE_IN) == 0)
        tr_blocking(nothing, NULL);
}

static void run_script(void)
{
    model->begin();
    for (told->at = 0; told->at < script_length; told->at++) {
        model_wander();
        did = false;
        model->apply(&script[told->at]);
        told->done += did;
        __atomic_fetch_add(&told->steps, 1, __ATOMIC_RELAXED);
    }
    model->end();
}

/* The body of the runtime's first process: the script (length 0), or scripts that the seed gives until enough commands
 * have been carried out. */
static void drive(const tr_msg *arg)
{
    int length = *(const int *)tr_expect(arg, sizeof length);
    for (int i = 0; length == 0 && i < repeats; i++)
        run_script();
    /* a script has many that are carried out; if none ever were, it would end all the same */
    for (told->number = 0; length > 0 && told->done < settings.commands && told->number < settings.commands;
         told->number++) {
        generate(settings.seed, told->number, length);
        run_script();
    }
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

/* ---- in the parent: child processes */

static void pause_ms(int64_t ms) { nanosleep(&(struct timespec){ ms / 1000, (long)(ms % 1000) * 1000000 }, NULL); }

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Waits for the child; one that gets on no longer is killed. True: all is well. */
static bool await_child(pid_t child)
{
    int status;
    uint64_t steps = 0;
    int64_t since_ms = now_ms();
    while (waitpid(child, &status, WNOHANG) != child) {
        uint64_t now = __atomic_load_n(&told->steps, __ATOMIC_RELAXED);
        if (now != steps)
            since_ms = now_ms();
        steps = now;
        if ((now_ms() - since_ms) / 1000 > (shrinking ? SHRINK_HANG_S : HANG_S)) {
            snprintf(told->what, sizeof told->what, "hangs");
            kill(child, SIGABRT);
            waitpid(child, &status, 0);
            return false;
        }
        pause_ms(shrinking ? 1 : 5);
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    if (WIFSIGNALED(status))
        snprintf(told->what, sizeof told->what, "ends by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != DIFFERENT)
        snprintf(told->what, sizeof told->what, "ends with status %d", WEXITSTATUS(status));
    return false;
}

/* length: of the scripts that the seed gives; 0: the script at hand. True: all is well. */
static bool run_child(int workers, int length)
{
    memset(told, 0, sizeof *told);
    several_workers = workers > 1;
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        exit(2);
    }
    if (child == 0)
        exit(tr_main(&(tr_config){ .workers = workers, .log = drop_record }, drive, &length, sizeof length));
    return await_child(child);
}

/* ---- the shrinker */

static struct {
    int workers, tries, runs;
    int64_t until_ms;
} shrink;

static bool still_fails(void)
{
    for (int i = 0; i < shrink.tries; i++) {
        shrink.runs++;
        if (!run_child(shrink.workers, 0))
            return true;
    }
    return false;
}

/* Finds how often the script must be run for the failure to be seen again; false: more often than that. */
static bool reproduce(void)
{
    for (repeats = 1; repeats <= REPEATS_MOST; repeats *= REPEATS_MOST)
        for (int i = 1; i <= TRIES_MOST; i++) {
            shrink.runs++;
            if (!run_child(shrink.workers, 0)) {
                shrink.tries = i == 1 ? 1 : i < TRIES_MOST / 3 ? i * 3 : TRIES_MOST;
                return true;
            }
        }
    return false;
}

static bool time_is_up(void) { return now_ms() > shrink.until_ms; }

/* Leaves out `size` commands from `from` on, if the rest still fails. */
static bool leave_out(int from, int size)
{
    int length = script_length;
    struct command *whole = malloc((size_t)length * sizeof *whole);
    if (whole == NULL)
        return false;
    memcpy(whole, script, (size_t)length * sizeof *whole);
    script_length -= size;
    memmove(&script[from], &script[from + size], (size_t)(script_length - from) * sizeof *script);
    bool fails = still_fails();
    if (!fails) {
        memcpy(script, whole, (size_t)length * sizeof *whole);
        script_length = length;
    }
    free(whole);
    return fails;
}

/* One pass for each size of pieces; single commands until none can be left out. */
static void leave_out_pieces(void)
{
    for (int size = (script_length + 1) / 2; size > 0; size /= 2) {
        bool less = false;
        for (int from = script_length - size; from > -size && !time_is_up(); from -= size) {
            int begin = from < 0 ? 0 : from;
            less |= leave_out(begin, size < script_length - begin ? size : script_length - begin);
        }
        if (size == 1 && less && !time_is_up())
            size = 2;
    }
}

/* Each argument as small as it may be. */
static void lessen_arguments(void)
{
    for (int i = 0; i < script_length; i++)
        for (int j = 0; j < ARGUMENTS_MOST; j++)
            for (int old = script[i].arguments[j], less = 0; less < old && !time_is_up(); less++) {
                script[i].arguments[j] = less;
                if (still_fails())
                    break;
                script[i].arguments[j] = old;
            }
}

static void shrink_script(void)
{
    char what[sizeof told->what];
    shrink.until_ms = now_ms() + SHRINK_S * 1000;
    leave_out_pieces();
    if (script_length <= 40) {
        lessen_arguments();
        leave_out_pieces();
    }
    if (still_fails()) {
        memcpy(what, told->what, sizeof what);
        fprintf(stderr, "at command %" PRId64 " of these: %s\n", told->at + 1, what);
    }
}

/* ---- the verdict */

static void say_rerun(FILE *to, int64_t workers)
{
    fprintf(to, "rerun: %s seed=%" PRIu64 " commands=%" PRId64 " length=%" PRId64 " workers=%" PRId64 "\n", program,
            settings.seed, settings.commands, settings.length, workers);
}

/* What failed is the script at hand; shrinks and prints it. */
static void report(int workers)
{
    fprintf(stderr, "DIFFERS: %s, script %" PRId64 ", command %" PRId64 ": %s\n", model->name, told->number,
            told->at + 1, told->what);
    shrinking = true;
    shrink.workers = workers;
    int before = script_length;
    if (told->at + 1 < script_length)
        script_length = (int)told->at + 1;
    bool again = reproduce();
    if (!again) {
        script_length = before;
        again = reproduce();
    }
    if (again)
        shrink_script();
    if (!again) {
        fprintf(stderr, "alone it did not fail again in %d runs: %d commands, which the seed gives again\n",
                shrink.runs, before);
        return;
    }
    fprintf(stderr, "shrunk from %d commands to %d in %d runs (up to %d tries of %d repeats each):\n", before,
            script_length, shrink.runs, shrink.tries, repeats);
    fprintf(stderr, "%s workers=%d repeats=%d script=- <<'END'\n", program, workers, repeats);
    for (int i = 0; i < script_length; i++)
        print_command(stderr, &script[i]);
    fputs("END\n", stderr);
}

/* 0: as it should be. */
static int run_all(int workers)
{
    bool good = settings.script != NULL ? run_child(workers, 0) : run_child(workers, (int)settings.length);
    if (good) {
        printf("%" PRId64 " commands carried out with %d worker%s\n", told->done, workers, workers == 1 ? "" : "s");
        return settings.must_differ != 0;
    }
    if (settings.script == NULL)
        generate(settings.seed, told->number, (int)settings.length);
    report(workers);
    if (settings.script == NULL)
        say_rerun(stderr, workers);
    return settings.must_differ == 0 || script_length > settings.must_differ;
}

static void read_settings(int argc, char **argv)
{
    settings.length = model->length;
    settings.commands = model->commands / FEWER;
    for (int i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        size_t size = value == NULL ? 0 : (size_t)(value - argv[i]);
        int64_t number = value == NULL ? 0 : strtoll(value + 1, NULL, 0);
        if (size == 4 && strncmp(argv[i], "seed", size) == 0)
            settings.seed = (uint64_t)number;
        else if (size == 8 && strncmp(argv[i], "commands", size) == 0 && number > 0)
            settings.commands = number;
        else if (size == 6 && strncmp(argv[i], "length", size) == 0 && number > 0 && number <= SCRIPT_MOST)
            settings.length = number;
        else if (size == 7 && strncmp(argv[i], "workers", size) == 0)
            settings.workers = number;
        else if (size == 11 && strncmp(argv[i], "must_differ", size) == 0)
            settings.must_differ = number;
        else if (size == 7 && strncmp(argv[i], "repeats", size) == 0 && number > 0)
            repeats = (int)number;
        else if (size == 6 && strncmp(argv[i], "script", size) == 0)
            settings.script = value + 1;
        else {
            fprintf(stderr,
                    "usage: %s [seed=N] [commands=N] [length=N] [workers=N] [script=FILE|-] [must_differ=N]\n"
                    "seed=0: the time; workers=0: once with 1 and once with %d; must_differ: the runtime and the\n"
                    "model must differ, and the shortest script have at most so many commands\n",
                    program, MANY_WORKERS);
            exit(2);
        }
    }
}

int model_main(int argc, char **argv, const struct model *which)
{
    model = which;
    program = argv[0];
    read_settings(argc, argv);
    if (settings.seed == 0)
        settings.seed = (uint64_t)time(NULL) & 0x7fffffff;
    told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    script = malloc(SCRIPT_MOST * sizeof *script);
    if (told == MAP_FAILED || script == NULL)
        abort();
    if (settings.script != NULL)
        read_script(settings.script);
    else
        say_rerun(stdout, settings.workers);
    int status = 0;
    for (int workers = settings.workers == 0 ? 1 : (int)settings.workers; status == 0;) {
        status = run_all(workers);
        if (settings.workers != 0 || workers == MANY_WORKERS || settings.must_differ != 0)
            break;
        workers = MANY_WORKERS;
    }
    free(script);
    puts(status == 0 ? "ok" : "not ok");
    return status;
}
