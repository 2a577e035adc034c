/* stress.h: what the stress programs share: settings from the command line, chance, the verdict with the line that
 * repeats it; and the last account of each: no process, no block of memory, no mapping, no descriptor is left over.
 *
 *     stress_crash_storm seed=7 workers=16 count=100000
 *
 * Every program has short defaults, so that it can run among the tests; larger counts make a long run of it. seed=0,
 * the default, takes the time. On failure the program says what failed and how it is run again, and ends with 1. */
#ifndef TROUPE_TESTS_STRESS_H
#define TROUPE_TESTS_STRESS_H

#include "memory/pool.h"
#include "memory/source.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/troupe.h>

#define UNUSED __attribute__((unused))

enum { SETTINGS_MOST = 8, BLOCKS_A_SPARE = 1 };

static struct {
    const char *program;
    struct {
        const char *key;
        int64_t value;
    } settings[SETTINGS_MOST];
    size_t count;
    uint64_t seed;
} stress;

/* The value of a setting; the first use of a key makes it known. */
static int64_t setting(const char *key)
{
    for (size_t i = 0; i < stress.count; i++)
        if (strcmp(stress.settings[i].key, key) == 0)
            return stress.settings[i].value;
    fprintf(stderr, "no setting %s\n", key);
    abort();
}

UNUSED static void say_rerun(FILE *to)
{
    fprintf(to, "rerun: %s", stress.program);
    for (size_t i = 0; i < stress.count; i++)
        fprintf(to, " %s=%" PRId64, stress.settings[i].key, stress.settings[i].value);
    fputc('\n', to);
}

UNUSED static void failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "FAILED %s:%d: %s\n", file, line, what);
    say_rerun(stderr);
    fflush(NULL);
    _Exit(1);
}

/* From anywhere, actors included. */
#define MUST(condition) ((condition) ? (void)0 : failed(#condition, __FILE__, __LINE__))
#define MUST_EQ(a, b)   must_equal((int64_t)(a), (int64_t)(b), #a " == " #b, __FILE__, __LINE__)

UNUSED static void must_equal(int64_t a, int64_t b, const char *what, const char *file, int line)
{
    if (a == b)
        return;
    fprintf(stderr, "%" PRId64 " is not %" PRId64 "\n", a, b);
    failed(what, file, line);
}

/* ---- chance: a stream for each caller that wants one, all from the seed */

struct dice {
    uint64_t state;
};

UNUSED static struct dice dice_of(uint64_t number)
{
    return (struct dice){ stress.seed * UINT64_C(0x9e3779b97f4a7c15) ^ (number << 32 | number) };
}

UNUSED static uint32_t roll(struct dice *dice, uint32_t below)
{
    uint64_t z = dice->state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return below == 0 ? 0 : (uint32_t)((z ^ (z >> 31)) % below);
}

/* ---- running */

static void (*stress_body)(void);

UNUSED static void must_count(size_t processes);
UNUSED static size_t processes_now(void);

UNUSED static int descriptors(void)
{
    int count = 0;
    DIR *folder = opendir("/proc/self/fd");
    MUST(folder != NULL);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Ends every process that is not in the list of old ones, nor the caller. */
static void end_all_but(const tr_pid *old, size_t old_count)
{
    tr_pid *list;
    size_t count;
    MUST_EQ(tr_processes(&list, &count), TR_OK);
    for (size_t i = 0; i < count; i++) {
        size_t at = 0;
        while (at < old_count && !tr_same(old[at], list[i]))
            at++;
        if (at == old_count)
            tr_exit_signal(list[i], TR_KILL);
    }
    tr_free(list);
}

/* Waits until no more blocks are in use than before: grace periods pass, batches go home, all threads fall asleep. A
 * worker that was started for a stuck one stays, with what is its own. */
static void must_free_all_but(size_t blocks)
{
    tr_system_info info;
    size_t most = 0, now = 0;
    for (int tries = 0; tries < 600; tries++) {
        now = pool_system_counts().blocks_in_use;
        MUST_EQ(tr_system(&info), TR_OK); /* each time: one may start while this waits */
        most = blocks + BLOCKS_A_SPARE * (size_t)info.workers_spare;
        if (now <= most)
            return;
        tr_sleep(tries < 100 ? 1 : 50); /* the watchdog sends home what it has freed only before it sleeps, too */
    }
    fprintf(stderr, "%zu blocks of memory were in use before, %zu are now, with %d spare workers\n", blocks, now,
            info.workers_spare);
    MUST(now <= most);
}

static void enter_body(const tr_msg *arg)
{
    (void)arg;
    stress_body();
}

/* The root: the body runs in a process of its own, so that what is left afterwards is nobody's. */
static void enter_stress(const tr_msg *arg)
{
    enum { OLD_MOST = 8 };
    tr_pid old[OLD_MOST], *list;
    size_t count;
    tr_ref monitor;
    tr_reason reason;
    (void)arg;
    tr_receive(10); /* what it needs itself, it has from here on */
    MUST_EQ(tr_processes(&list, &count), TR_OK);
    MUST(count <= OLD_MOST);
    memcpy(old, list, count * sizeof *old);
    tr_free(list);
    size_t processes = processes_now(), blocks = pool_system_counts().blocks_in_use;
    tr_spawn_monitor(enter_body, NULL, 0, &monitor);
    MUST_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    MUST_EQ(reason.why, TR_WHY_NORMAL);
    tr_receive(1); /* lets go of the DOWN, also as the last node of its mailbox */
    end_all_but(old, count);
    must_count(processes);
    must_free_all_but(blocks);
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static void read_settings(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *equals = strchr(argv[i], '=');
        size_t at = 0;
        while (equals != NULL && at < stress.count &&
               (strncmp(stress.settings[at].key, argv[i], (size_t)(equals - argv[i])) != 0 ||
                stress.settings[at].key[equals - argv[i]] != '\0'))
            at++;
        if (equals == NULL || at == stress.count) {
            fprintf(stderr, "usage: %s [key=value ...]; with these defaults:\n", argv[0]);
            say_rerun(stderr);
            exit(2);
        }
        stress.settings[at].value = strtoll(equals + 1, NULL, 0);
    }
}

static void known(const char *key, int64_t value)
{
    stress.settings[stress.count].key = key;
    stress.settings[stress.count++].value = value;
}

/* Reads the settings, those in known() before and seed and workers, and says how the run is repeated. */
UNUSED static void stress_start(int argc, char **argv)
{
    stress.program = argv[0];
    known("workers", 4);
    known("seed", 0);
    read_settings(argc, argv);
    for (size_t i = 0; i < stress.count; i++)
        if (strcmp(stress.settings[i].key, "seed") == 0 && stress.settings[i].value == 0)
            stress.settings[i].value = tr_now_ns() & 0x7fffffff;
    stress.seed = (uint64_t)setting("seed");
    say_rerun(stdout);
    fflush(stdout);
}

/* One life of the runtime, with a body; nothing of it is left. */
UNUSED static void stress_run(int workers, void (*body)(void))
{
    int open = descriptors();
    size_t mapped = source_mapped_bytes();
    stress_body = body;
    MUST_EQ(tr_main(&(tr_config){ .workers = workers, .log = drop_record }, enter_stress, NULL, 0), 0);
    MUST_EQ(descriptors(), open);
    MUST_EQ(source_mapped_bytes(), mapped);
}

/* main of a stress program. */
UNUSED static int stress_main(int argc, char **argv, void (*body)(void))
{
    stress_start(argc, argv);
    stress_run((int)setting("workers"), body);
    puts("ok");
    return 0;
}

/* ---- shorthands */

enum { GO = 1001, READY, ANSWER, QUESTION, WORD };

UNUSED static const tr_msg *await(int tag) { return tr_receive_match(&(tr_match){ .tag = tag }, TR_INFINITY); }

UNUSED static void waiter(const tr_msg *arg)
{
    (void)arg;
    for (;;)
        tr_receive(TR_INFINITY);
}

/* spawned = exited + processes, once nothing moves: then there are `processes`. */
UNUSED static void must_count(size_t processes)
{
    tr_system_info info;
    for (int tries = 0;; tries++) {
        MUST_EQ(tr_system(&info), TR_OK);
        if (info.processes == processes && info.spawned == info.exited + info.processes)
            return;
        if (tries == 5000) {
            fprintf(stderr, "spawned %" PRIu64 ", exited %" PRIu64 ", processes %zu\n", info.spawned, info.exited,
                    info.processes);
            MUST(info.processes == processes && info.spawned == info.exited + info.processes);
        }
        tr_sleep(1);
    }
}

UNUSED static size_t processes_now(void)
{
    tr_system_info info;
    MUST_EQ(tr_system(&info), TR_OK);
    return info.processes;
}

UNUSED static size_t memory_now(void)
{
    tr_system_info info;
    MUST_EQ(tr_system(&info), TR_OK);
    return info.memory;
}

/* Memory did not grow from the first half to the second, beyond what pools keep once all workers have been busy: some
 * slabs each, wherever they lie in chunks of 2 MB. Measured: at most 14 MB more on 1 to 16 workers, 22 MB where ten
 * threads wanted each core; some chunks on top.
 * For loads without peaks: after a peak, what is still in use lies in many chunks, whose other pages went back to the
 * system, but which count. (What is lost for good, to the block, is must_free_all_but's to say, for any load.) */
UNUSED static void must_be_flat(size_t first, size_t second)
{
    printf("least memory in the first half %zu KB, in the second %zu KB\n", first / 1024, second / 1024);
    MUST(second <= first + (32 << 20));
}

#endif
