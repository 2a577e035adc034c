/* log_text_test.c: the log: order, what a slow sink costs, flush, levels, the memory warning. */
#include "support.h"

#include <pthread.h>
#include <unistd.h>

/* ---- order */

enum { SENDERS = 8, RECORDS = 100 };
static int next_of[SENDERS], records, wrong;
static pthread_t sink_thread;

static void check_order(const tr_log_record *record, void *arg)
{
    CHECK(arg == &records);
    if (strcmp(record->event, "order") != 0)
        return;
    if (records++ == 0)
        sink_thread = pthread_self();
    wrong += !pthread_equal(sink_thread, pthread_self());
    int sender, number;
    CHECK_EQ(sscanf(record->text, "%d %d", &sender, &number), 2);
    wrong += number != next_of[sender]++;
    wrong += tr_nobody(record->pid) || record->time_ns <= 0 || strcmp(record->label, "writer") != 0;
}
static void writer(const tr_msg *arg)
{
    int sender = *(const int *)tr_expect(arg, sizeof sender);
    for (int i = 0; i < RECORDS; i++) {
        tr_log_event(TR_WARNING, "order", "%d %d", sender, i);
        if (i % 16 == 0)
            tr_log_flush();
    }
}
static void write_much(void)
{
    tr_ref monitors[SENDERS];
    for (int i = 0; i < SENDERS; i++)
        tr_spawn_with(writer, &i, sizeof i,
                      &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitors[i], .label = "writer" });
    for (int i = 0; i < SENDERS; i++)
        await_down(monitors[i]);
}
TEST(log_text, sink_gets_each_senders_records_in_order_on_one_thread)
{
    the_body = write_much;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 4, .log = check_order, .log_arg = &records }, enter_body, NULL, 0), 0);
    CHECK_EQ(records, SENDERS * RECORDS);
    CHECK_EQ(wrong, 0);
}

/* ---- who brings no sink */

static void speaks_with_a_name(void)
{
    tr_log_event(TR_WARNING, "before", "has none");
    CHECK_EQ(tr_register("speaker", tr_self()), TR_OK);
    tr_log_event(TR_WARNING, "after", "has one");
    tr_log_flush();
}

TEST(log_text, without_a_sink_records_go_to_stderr_with_the_name_of_who_has_one)
{
    char text[4096];
    FILE *file = tmpfile();
    int before = dup(STDERR_FILENO);
    CHECK(file != NULL && before >= 0);
    CHECK(dup2(fileno(file), STDERR_FILENO) >= 0);
    the_body = speaks_with_a_name;
    int status = tr_main(&(tr_config){ .workers = 1 }, enter_body, NULL, 0);
    CHECK(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    CHECK_EQ(status, 0);
    CHECK(strstr(text, " warning before: has none\n") != NULL);
    CHECK(strstr(text, " warning after \"speaker\": has one\n") != NULL);
}

/* ---- a slow sink */

static int taken, told, told_dropped, held = 1;
static void slow_sink(const tr_log_record *record, void *arg)
{
    (void)arg;
    while (__atomic_load_n(&held, __ATOMIC_ACQUIRE) != 0)
        usleep(1000);
    if (strcmp(record->event, "lost") == 0) {
        char expected[200];
        int dropped = atoi(record->text);
        told++;
        told_dropped += dropped;
        snprintf(expected, sizeof expected, "%d log records were dropped", dropped);
        CHECK(strncmp(record->text, expected, strlen(expected)) == 0);
    } else {
        taken++;
    }
}
static void write_too_much(void)
{
    for (int i = 0; i < 3000; i++)
        tr_log(TR_ERROR, "%d", i); /* never blocks: the sink is stuck */
    tr_system_info info;
    CHECK_EQ(tr_system(&info), TR_OK);
    CHECK(info.log_dropped > 0 && info.log_dropped < 3000);
    __atomic_store_n(&held, 0, __ATOMIC_RELEASE);
    tr_log_flush();
    CHECK_EQ(taken + (int)info.log_dropped, 3000);
    RULE("LOG-05");
    CHECK_EQ(told_dropped, info.log_dropped); /* mostly told at once; twice, if the sink got hold of it in the middle */
    CHECK(told > 0);
}
TEST(log_text, slow_sink_loses_records_and_is_told_how_many)
{
    the_body = write_too_much;
    /* a turn in which it waits for the sink may take its time: no record about that */
    const tr_config config = { .workers = 2, .log = slow_sink, .slow_turn_ms = TR_INFINITY };
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
}

/* What is lost last is told at the end, too. */
static int all_written, last_told;
static void write_and_stop(void)
{
    for (int i = 0; i < 1100; i++)
        tr_log(TR_ERROR, "%d", i);
    __atomic_store_n(&all_written, 1, __ATOMIC_RELEASE);
}
static void sink_afterwards(const tr_log_record *record, void *arg)
{
    (void)arg;
    while (__atomic_load_n(&all_written, __ATOMIC_ACQUIRE) == 0)
        usleep(1000);
    last_told += strcmp(record->event, "lost") == 0;
}
TEST(log_text, everything_reaches_the_sink_before_the_stop)
{
    the_body = write_and_stop;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 2, .log = sink_afterwards }, enter_body, NULL, 0), 0);
    CHECK_EQ(last_told, 1);
}

/* ---- levels */

static int seen[8];
static void count_levels(const tr_log_record *record, void *arg)
{
    (void)arg;
    seen[record->level]++;
}
static void log_each_level(void)
{
    for (int level = TR_DEBUG; level <= TR_ERROR; level++) {
        int before = seen[level];
        tr_log((tr_level)level, "x");
        tr_log_flush();
        CHECK_EQ(tr_log_wanted((tr_level)level, "log"), seen[level] > before);
    }
    CHECK(tr_log_wanted(TR_ERROR, "child_terminated"));
}
TEST(log_text, records_below_the_level_are_not_made)
{
    tr_config config = { .workers = 1, .log = count_levels, .slow_turn_ms = TR_INFINITY };
    the_body = log_each_level;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
    CHECK(seen[TR_DEBUG] == 0 && seen[TR_INFO] == 0 && seen[TR_WARNING] == 1 && seen[TR_ERROR] == 1);
    config.log_level = TR_DEBUG;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
    CHECK(seen[TR_DEBUG] == 1 && seen[TR_INFO] == 1 && seen[TR_WARNING] == 2 && seen[TR_ERROR] == 2);
}

static void ask_quietly(void) { CHECK(!tr_log_wanted(TR_ERROR, "child_terminated") && tr_log_wanted(TR_ERROR, "log")); }
TEST(log_text, reports_of_supervisors_are_not_wanted_where_restarts_are_quiet)
{
    the_body = ask_quietly;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 1, .quiet_restarts = true }, enter_body, NULL, 0), 0);
}

/* ---- the root process of a program that fails */

static int crashes;
static void count_crashes(const tr_log_record *record, void *arg)
{
    (void)arg;
    crashes += strcmp(record->event, "crash") == 0;
}
static void ask_nobody(void) { tr_must(tr_call(tr_name("nobody"), QUESTION, NULL, 0, NULL, 0, 1000)); }
static void die_of_a_link(void) { tr_exit_signal(tr_self(), tr_because(TR_WHY_USER, 1, "told by who sent it")); }
static void end_cleanly(void) { tr_exit(TR_SHUTDOWN); }
TEST(log_text, a_program_that_fails_says_of_what)
{
    const tr_config config = { .workers = 1, .log = count_crashes };
    the_body = ask_nobody;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 1);
    RULE("PLIB-08");
    CHECK_EQ(crashes, 1);
    the_body = die_of_a_link;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 1);
    the_body = end_cleanly;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
    CHECK_EQ(crashes, 1);
}
TEST(log_text, a_program_that_fails_says_so_where_restarts_are_quiet)
{
    const tr_config config = { .workers = 1, .log = count_crashes, .quiet_restarts = true };
    crashes = 0;
    the_body = ask_nobody;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 1);
    CHECK_EQ(crashes, 1);
    the_body = die_of_a_link;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 1);
    CHECK_EQ(crashes, 2);
    the_body = end_cleanly;
    CHECK_EQ(tr_main(&config, enter_body, NULL, 0), 0);
    CHECK_EQ(crashes, 2);
}

/* ---- memory */

static int memory_warnings;
static void count_memory(const tr_log_record *record, void *arg)
{
    (void)arg;
    __atomic_add_fetch(&memory_warnings, strcmp(record->event, "memory") == 0, __ATOMIC_RELAXED);
}
static int patience_ms;
static void use_memory(void)
{
    void *volatile memory = tr_alloc(8 << 20);
    CHECK(memory != NULL);
    for (int i = 0; i < patience_ms && __atomic_load_n(&memory_warnings, __ATOMIC_RELAXED) == 0; i++)
        tr_sleep(1);
    for (int i = 0; i < 100; i++)
        tr_sleep(1);
}
TEST(log_text, memory_above_the_mark_is_told_once)
{
    the_body = use_memory;
    patience_ms = 60000;
    CHECK_EQ(
        tr_main(&(tr_config){ .workers = 1, .log = count_memory, .memory_high_water = 4 << 20 }, enter_body, NULL, 0),
        0);
    CHECK_EQ(memory_warnings, 1);
    memory_warnings = 0;
    patience_ms = 300;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 1, .log = count_memory, .memory_high_water = (size_t)1 << 40 },
                     enter_body, NULL, 0),
             0);
    CHECK_EQ(memory_warnings, 0);
}
