/* batches.c: runs that share a process (runtime/sim/batch.c) are what they are alone; a program of its own, since a
 * sweep cannot stand inside of a run. */
#include "harness.h"

#include <troupe/sim.h>
#include <troupe/troupe.h>

#include <unistd.h>

enum { SEEDS = 120, MISTAKE = 33 };

enum kind { GOOD, FAILS, EXITS, LEAVES_SOMETHING_BEHIND };

static enum kind kind;
static int begun; /* a run's own: each begins with 0 */
static uint64_t hashes[SEEDS + 1];
static uint64_t last_seed;
static FILE *said;

static void expect(bool good, const char *what)
{
    if (good)
        return;
    printf("FAILED: %s\n", what);
    exit(1);
}

static void root(const tr_msg *arg)
{
    static char *kept; /* what it points to is lost with it */
    (void)arg;
    TR_SIM_CHECK(kept == NULL);
    kept = malloc(100);
    tr_sim_note("drawn", tr_sim_random(1000));
    tr_sleep(10);
}

static int program(void *arg)
{
    (void)arg;
    TR_SIM_CHECK(begun++ == 0);
    bool wrong = tr_sim_seed() == MISTAKE;
    if (kind == FAILS && wrong)
        tr_sim_fail("a mistake");
    if (kind == EXITS && wrong)
        exit(0);
    if (kind == LEAVES_SOMETHING_BEHIND && getenv("LEFT_BEHIND") != NULL)
        tr_sim_fail("something was there");
    if (kind == LEAVES_SOMETHING_BEHIND)
        setenv("LEFT_BEHIND", "1", 1);
    return tr_main(&(tr_config){ .workers = 3 }, root, NULL, 0);
}

static void keep_hash(const tr_sim_result *result, void *arg)
{
    (void)arg;
    expect(result->seed == last_seed + 1, "runs are told in the order of their seeds");
    last_seed = result->seed;
    hashes[result->seed] = result->hash;
}

/* How many runs failed; what was said about it is in `said`. */
static unsigned sweep(enum kind of, const char *batch)
{
    const tr_sim_case test = { .name = "batches", .program = program, .each = keep_hash };
    kind = of;
    last_seed = 0;
    setenv("TR_SIM_BATCH", batch, 1);
    rewind(said);
    expect(ftruncate(fileno(said), 0) == 0, "the file is emptied");
    unsigned failures = tr_sim_sweep(&test, 1, SEEDS);
    fflush(stderr);
    return failures;
}

static bool was_said(const char *text)
{
    char line[512];
    bool found = false;
    rewind(said);
    while (!found && fgets(line, sizeof line, said) != NULL)
        found = strstr(line, text) != NULL;
    return found;
}

static void the_same_hashes(void)
{
    uint64_t alone[SEEDS + 1];
    expect(sweep(GOOD, "1") == 0, "each in a process of its own passes");
    memcpy(alone, hashes, sizeof alone);
    expect(sweep(GOOD, "50") == 0 && last_seed == SEEDS, "fifty in a process pass");
    expect(memcmp(alone + 1, hashes + 1, sizeof alone - sizeof alone[0]) == 0, "their traces are the same");
}

static void failures_are_found(void)
{
    expect(sweep(FAILS, "50") == 1 && last_seed == MISTAKE - 1, "the runs before the mistake pass");
    expect(was_said("seed 33: a mistake") && was_said("TR_SIM_SEEDS=33..33"), "the mistake's seed is said");
    expect(!was_said("alone it passes"), "it fails alone, too");
    expect(sweep(EXITS, "50") == 1 && was_said("seed 33: ended with status 0"), "a run that ends the process fails");
}

/* Under AddressSanitizer each run has a process of its own, whatever is wanted. */
static void what_is_left_behind_is_found(void)
{
    unsigned failures = sweep(LEAVES_SOMETHING_BEHIND, "50");
    expect(failures == !HARNESS_ASAN, "the second run of a process finds what the first one left");
    if (HARNESS_ASAN)
        return;
    expect(was_said("seed 2: something was there"), "the environment is not put back");
    expect(was_said("alone it passes") && was_said("TR_SIM_BATCH=50"), "it is said how that is repeated");
}

int main(void)
{
    said = tmpfile();
    expect(said != NULL && dup2(fileno(said), STDERR_FILENO) >= 0, "a file for what is said");
    setvbuf(stderr, NULL, _IONBF, 0);
    the_same_hashes();
    failures_are_found();
    what_is_left_behind_is_found();
    puts("runs that share a process are what they are alone");
    return 0;
}
