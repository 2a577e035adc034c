/* football.c: a process for each match, found by the match id; "end" stops it through its supervisor */
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

enum { EVENT = 1, SCORE };
struct match {
    char home[16], away[16];
    int goals[2];
};

static int match_init(void *state, const tr_msg *arg)
{
    *(struct match *)state = *(const struct match *)tr_expect(arg, sizeof(struct match));
    return TR_OK;
}

static int match_cast(void *state, const tr_msg *message)
{
    struct match *match = state;
    const char *event = tr_string(message);
    if (strcmp(event, "end") == 0) /* does not return: the supervisor ends this process while it waits for the answer */
        return tr_terminate_child_pid(tr_name("matches"), tr_self());
    if (strcmp(event, match->home) != 0 && strcmp(event, match->away) != 0)
        return tr_unexpected(message);
    match->goals[strcmp(event, match->away) == 0]++;
    return TR_OK;
}

static int match_call(void *state, const tr_msg *request, tr_from from)
{
    return tr_tag(request) == SCORE ? tr_reply(from, state, sizeof(struct match)) : tr_unexpected(request);
}

static void match_describe(const void *state, tr_out *out)
{
    const struct match *match = state;
    tr_print(out, "%s %d:%d %s", match->home, match->goals[0], match->goals[1], match->away);
}

static void event_print(const tr_msg *message, tr_out *out) { tr_print(out, "%s", tr_string(message)); }

static const tr_message_type messages[] = { { EVENT, "event", event_print }, { SCORE, "score", NULL } };
static const tr_gen_server tracker = {
    .label = "match",
    .state_size = sizeof(struct match),
    .init = match_init,
    .handle_cast = match_cast,
    .handle_call = match_call,
    .describe = match_describe,
    .messages = messages,
    .message_count = TR_COUNT(messages),
};
static const tr_supervisor matches = { .strategy = TR_DYNAMIC };

static void event(const char *id, const char *text) { tr_cast(tr_name(id), EVENT, text, strlen(text) + 1); }

static void score(const char *id)
{
    struct match match;
    tr_call_or_exit(tr_name(id), SCORE, NULL, 0, &match, sizeof match, 5000);
    printf("%s %d:%d %s\n", match.home, match.goals[0], match.goals[1], match.away);
}

static void await_end(tr_ref monitor)
{
    tr_reason reason;
    tr_child_counts counts;
    char text[128];
    tr_must(tr_await_down(monitor, TR_INFINITY, &reason));
    tr_must(
        tr_count_children(tr_name("matches"), &counts)); /* it had the EXIT before we had the DOWN, so it has acted */
    printf("ended: %s; matches %zu\n", tr_reason_text(&reason, text, sizeof text), counts.active);
}

static void session(const tr_msg *unused)
{
    (void)unused;
    static const struct match fresh = { "Spain", "England", { 0, 0 } };
    const char *id = "final-2024"; /* made at run time in real life: copied, given back when the process ends */
    tr_pid pid;
    tr_must(tr_start_link(&(tr_child){ .name = "matches", .supervisor = &matches }, &pid));
    tr_must(tr_start_child(
        tr_name("matches"),
        &(tr_child){ .name = id, .server = &tracker, .arg = &fresh, .arg_size = sizeof fresh, .restart = TR_TRANSIENT },
        &pid));
    tr_ref monitor = tr_monitor(pid);
    event(id, "Spain");
    score(id);             /* Spain 1:0 England */
    event(id, "streaker"); /* logged: match "final-2024" <..> crashed: unexpected cast event streaker, state Spain 1:0
                              England */
    await_end(monitor);    /* ended: unexpected ...; matches 1 */
    score(id);             /* Spain 0:0 England: restarted, under the same name */
    monitor = tr_monitor(tr_name(id));
    event(id, "end");
    await_end(monitor); /* ended: shutdown; matches 0: a clean end, so a transient child is not restarted */
    printf("name %s\n", tr_nobody(tr_whereis(id)) ? "gone" : "still there");
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
