/* differential.c: the scenarios of files, run on Troupe: what every process saw and how it ended, and how often.
 *
 *     differential [runs=200] [workers=1] [beside=4] [seed=1] FILE...
 *
 * `beside` runs of a scenario go at the same time, with delays from the seed before the commands. It prints the same as
 * differential.erl, which runs them on Erlang/OTP. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTCOME = 100, DONE };

static struct settings {
    long runs, workers, beside, seed;
    struct scenario **scenarios; /* of each file */
    int file_count;
} settings = { 200, 1, 4, 1, NULL, 0 };

/* What one of those beside each other has to do. */
struct share {
    const struct scenario *scenario;
    tr_pid root;
    long number;
};

static void conduct(const tr_msg *arg)
{
    const struct share *share = tr_expect(arg, sizeof *share);
    struct run *run = tr_alloc(sizeof *run);
    char *outcome = tr_alloc(OUTCOME_SIZE);
    tr_assert(run != NULL && outcome != NULL);
    tr_trap_exit(true);
    for (long i = share->number; i < settings.runs; i += settings.beside) {
        memset(run, 0, sizeof *run);
        run->scenario = share->scenario;
        run->slot = (size_t)share->number;
        run->seed = ((uint64_t)settings.seed << 32) + (uint64_t)i + 1;
        run_once(run, outcome);
        tr_must(tr_send(share->root, OUTCOME, outcome, strlen(outcome) + 1));
    }
    tr_send(share->root, DONE, NULL, 0);
}

static void run_scenario(const struct scenario *scenario)
{
    static struct counts counts;
    printf("scenario %s\n", scenario->name);
    fflush(stdout); /* should it hang, this shows which it is */
    for (long i = 0; i < settings.beside; i++) {
        struct share share = { scenario, tr_self(), i };
        tr_spawn_link(conduct, &share, sizeof share);
    }
    for (long done = 0; done < settings.beside;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == OUTCOME)
            tr_assert(counts_add(&counts, tr_string(message)));
        done += tr_tag(message) == DONE;
    }
    counts_print(&counts);
}

static void enter(const tr_msg *arg)
{
    (void)arg;
    for (int i = 0; i < settings.file_count; i++)
        for (const struct scenario *at = settings.scenarios[i]; at != NULL; at = at->next)
            run_scenario(at);
}

static void drop_record(const tr_log_record *record, void *arg)
{
    (void)record;
    (void)arg;
}

static bool read_setting(const char *word)
{
    static const struct {
        const char *key;
        long *value;
    } known[] = { { "runs=", &settings.runs },
                  { "workers=", &settings.workers },
                  { "beside=", &settings.beside },
                  { "seed=", &settings.seed } };
    for (size_t i = 0; i < TR_COUNT(known); i++)
        if (strncmp(word, known[i].key, strlen(known[i].key)) == 0) {
            *known[i].value = atol(word + strlen(known[i].key));
            return true;
        }
    return false;
}

int main(int argc, char **argv)
{
    int at = 1;
    while (at < argc && read_setting(argv[at]))
        at++;
    settings.file_count = argc - at;
    settings.scenarios = calloc((size_t)argc, sizeof(struct scenario *));
    if (settings.file_count == 0 || settings.scenarios == NULL) {
        fprintf(stderr, "usage: %s [runs=200] [workers=1] [beside=4] [seed=1] FILE...\n", argv[0]);
        return 2;
    }
    for (int i = 0; i < settings.file_count; i++)
        if (!scenario_read(argv[at + i], &settings.scenarios[i]))
            return 2;
    tr_config config = { .workers = (int)settings.workers, .log = drop_record, .quiet_restarts = true };
    return tr_main(&config, enter, NULL, 0);
}
