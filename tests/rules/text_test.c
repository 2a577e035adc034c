/* text_test.c: statuses, reasons and pids as text, and what reports say of messages. */
#include "support.h"

#include <unistd.h>
#include <wchar.h>

static const char *text_of(tr_reason reason)
{
    static char text[100];
    return tr_reason_text(&reason, text, sizeof text);
}

TEST(text, reasons_name_kind_code_and_detail)
{
    char untouched[2] = "x";
    tr_reason reason = TR_KILLED;
    CHECK_STR(text_of(TR_NORMAL), "normal");
    CHECK_STR(text_of(tr_because(TR_WHY_USER, 3, NULL)), "error 3");
    CHECK_STR(text_of(tr_because(TR_WHY_USER, 0, "detail")), "error: detail");
    CHECK_STR(text_of(tr_because(TR_WHY_USER, 3, "detail")), "error 3: detail");
    CHECK_STR(text_of(tr_because(TR_WHY_ASSERT, 22, "a.c:22: x")), "assertion failed: a.c:22: x");
    CHECK_STR(text_of(tr_because(TR_WHY_SHUTDOWN, 4, "shutdown")), "shutdown"); /* not said twice */
    CHECK_STR(text_of(tr_because((tr_why)-1, 0, NULL)), "unknown reason");
    CHECK_STR(text_of(tr_because((tr_why)1000, 0, NULL)), "unknown reason");
    CHECK(tr_reason_text(&reason, untouched, 0) == untouched);
    CHECK_STR(untouched, "x");
    CHECK_STR(tr_reason_text(&reason, untouched, 2), "k");
}

TEST(text, reasons_are_the_same_in_every_field)
{
    tr_reason one = tr_because(TR_WHY_USER, 1, "abc"), other = tr_because(TR_WHY_USER, 1, "abd");
    CHECK(tr_reason_same(&one, &one) && !tr_reason_same(&one, &other));
    other = tr_because(TR_WHY_USER, 1, NULL);
    CHECK(!tr_reason_same(&one, &other));
    other = tr_because(TR_WHY_USER, 2, "abc");
    CHECK(!tr_reason_same(&one, &other));
    other = tr_because(TR_WHY_STATUS, 1, "abc");
    CHECK(!tr_reason_same(&one, &other));
}

TEST(text, statuses_have_texts)
{
    CHECK_STR(tr_status_text(TR_OK), "ok");
    CHECK_STR(tr_status_text(-4711), "unknown status");
#define TR_X(name, value, text) CHECK_STR(tr_status_text(name), text);
    TR_ERRORS(TR_X)
#undef TR_X
}

TEST(text, pids_are_told_from_names_and_nobody)
{
    CHECK_STR(tr_pid_text((tr_pid){ 0 }).s, "nobody");
    CHECK_STR(tr_pid_text((tr_pid){ (UINT64_C(3) << 26) | 120 }).s, "<0.120.3>");
    CHECK(strncmp(tr_pid_text(tr_name("x")).s, "name#", 5) == 0);
}

/* ---- ends by assertion, and by tr_must */

static void assert_plainly(const tr_msg *arg)
{
    (void)arg;
    tr_assert_failed("x > 0", "file.c", 12);
}
static void assert_in_folder(const tr_msg *arg)
{
    (void)arg;
    tr_assert_failed("x > 0", "some/folder/file.c", 12);
}
static void must(const tr_msg *arg)
{
    int status = *(const int *)tr_expect(arg, sizeof status);
    CHECK_EQ(tr_must(TR_OK), TR_OK);
    (void)tr_fail(TR_OK, &(tr_reason){ .why = TR_WHY_USER, .code = 17 });
    tr_must(status);
}
static tr_reason end_of_must(int status)
{
    tr_ref monitor;
    tr_spawn_monitor(must, &status, sizeof status, &monitor);
    return await_down(monitor);
}
static void own_ends(void)
{
    tr_reason reason = await_end(tr_spawn(assert_plainly, NULL, 0));
    CHECK(reason.why == TR_WHY_NOPROC || strcmp(reason.text, "file.c:12: x > 0") == 0);
    tr_ref monitor;
    tr_spawn_monitor(assert_plainly, NULL, 0, &monitor);
    CHECK_STR(await_down(monitor).text, "file.c:12: x > 0");
    tr_spawn_monitor(assert_in_folder, NULL, 0, &monitor);
    CHECK_STR(await_down(monitor).text, "file.c:12: x > 0");
    CHECK_EQ(end_of_must(TR_EDOWN).code, 17);
    CHECK_EQ(end_of_must(TR_ESTART).code, 17);
    CHECK_EQ(end_of_must(TR_ETIMEDOUT).why, TR_WHY_TIMEOUT);
    CHECK_EQ(end_of_must(TR_ENOPROC).why, TR_WHY_NOPROC);
    CHECK_EQ(end_of_must(TR_EIO).code, TR_EIO);
}
TEST(text, ends_by_assertion_and_by_tr_must_say_what_was_wrong) { run(own_ends); }

/* ---- reports */

static char reports[8000];
static void collect(const tr_log_record *record, void *arg)
{
    (void)arg;
    size_t used = strlen(reports);
    snprintf(reports + used, sizeof reports - used, "%s|%s\n", record->event, record->text);
}
static bool reported(const char *words)
{
    tr_log_flush();
    return strstr(reports, words) != NULL;
}

static const tr_message_type types[] = { { .tag = WORD, .name = NULL }, { .tag = GO, .name = "go" } };
static const tr_message_type *type_of(const void *state, int tag)
{
    (void)state;
    return tag == WORD ? &types[0] : tag == GO ? &types[1] : NULL;
}
static int continue_or_end(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_tag(message) == ANSWER && tr_kind_of(message) != TR_KIND_CONTINUE)
        return tr_continue(ANSWER, "abc", 3);
    tr_exit(because(1));
}
/* What can't be converted is left out; what stands around it stays. */
static void describe_oddly(const void *state, tr_out *out)
{
    (void)state;
    tr_print(out, "before");
    tr_print(out, "%lc", (wint_t)0x10ffff); /* no such character in the C locale */
    tr_print(out, " and after");
}
static int nothing(void *state, const tr_msg *message)
{
    (void)state, (void)message;
    return TR_OK;
}
static void describe_at_length(const void *state, tr_out *out)
{
    (void)state;
    tr_print(out, "%0300d", 7);
    tr_print(out, "and more");
}
static const tr_actor wordy = { .label = "wordy", .handle = nothing, .describe = describe_at_length };
static const tr_actor odd = { .label = "odd", .handle = nothing, .describe = describe_oddly };
static void print_oddly(void)
{
    tr_status_info info;
    tr_pid pid = tr_spawn_actor(&odd, NULL, 0, NULL);
    CHECK_EQ(tr_get_status(pid, &info, TR_INFINITY), TR_OK);
    CHECK_STR(info.state, "before and after");
    end_with(pid, TR_KILL);
    pid = tr_spawn_actor(&wordy, NULL, 0, NULL);
    CHECK_EQ(tr_get_status(pid, &info, TR_INFINITY), TR_OK);
    CHECK_EQ(strlen(info.state), sizeof info.state - 1); /* cut */
    CHECK_EQ(info.state[sizeof info.state - 2], '0');
    end_with(pid, TR_KILL);
}
TEST(text, what_can_not_be_printed_or_does_not_fit_is_left_out) { run(print_oddly); }

static const tr_actor typed = { .label = "typed", .handle = continue_or_end, .type_of = type_of };

static void exit_why(const tr_msg *arg) { tr_exit(*(const tr_reason *)tr_expect(arg, sizeof(tr_reason))); }

static void end_typed(int tag)
{
    tr_ref monitor;
    tr_pid pid = tr_spawn_actor(&typed, NULL, 0, &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR, .monitor = &monitor });
    reports[0] = '\0';
    tr_send(pid, tag, "ab", 2);
    await_down(monitor);
}
static void end_why(tr_why why)
{
    tr_ref monitor;
    tr_reason reason = { .why = (int32_t)why, .code = 5 };
    reports[0] = '\0';
    tr_spawn_monitor(exit_why, &reason, sizeof reason, &monitor);
    await_down(monitor);
}
static void what_reports_say(void)
{
    end_typed(WORD);
    RULE("LOG-01");
    CHECK(reported("last message: message tag 1005 (2 bytes)"));
    end_typed(GO);
    CHECK(reported("last message: message go (2 bytes)"));
    end_typed(ANSWER);
    CHECK(reported("last message: continue tag 1004 (3 bytes)"));
    static const tr_why errors[] = { TR_WHY_UNEXPECTED, TR_WHY_ASSERT,     TR_WHY_FAULT,
                                     TR_WHY_STATUS,     TR_WHY_BAD_RETURN, TR_WHY_SYSTEM_LIMIT };
    for (size_t i = 0; i < TR_COUNT(errors); i++) {
        end_why(errors[i]);
        RULE("LOG-03");
        CHECK(reported("crash|process <0."));
    }
    end_why(TR_WHY_USER);
    CHECK(!reported("crash|")); /* a plain process that ends with a reason of its own */
}
TEST(text, reports_name_the_last_message_and_errors_only)
{
    the_body = what_reports_say;
    CHECK_EQ(tr_main(&(tr_config){ .workers = 2, .log = collect }, enter_body, NULL, 0), 0);
}

/* ---- the log without a sink of one's own */

static void log_oddly(void)
{
    tr_log_event((tr_level)9, "odd", "beyond the levels");
    tr_log_event(TR_ERROR, "plain", "an error");
    tr_log_event(TR_WARNING, "quiet", "a warning");
}
TEST(text, the_log_goes_to_stderr_unless_somebody_takes_it)
{
    if (HARNESS_SIMULATED)
        SKIP("the streams are the system's");
    char text[500] = "";
    int ends[2], old = dup(STDERR_FILENO);
    CHECK(old >= 0 && pipe(ends) == 0);
    dup2(ends[1], STDERR_FILENO);
    the_body = log_oddly;
    int status = tr_main(&(tr_config){ .workers = 1, .log_level = TR_ERROR, .memory_high_water = 1 }, enter_body, NULL,
                         0);
    dup2(old, STDERR_FILENO);
    close(ends[1]);
    CHECK_EQ(status, 0);
    CHECK(read(ends[0], text, sizeof text - 1) > 0);
    CHECK(strstr(text, "  odd: beyond the levels\n") != NULL);
    CHECK(strstr(text, " error plain: an error\n") != NULL);
    CHECK(strstr(text, "a warning") == NULL && strstr(text, "memory") == NULL);
    close(ends[0]);
    close(old);
}
