/* overflow.c: mailboxes flooded under each policy by many senders that never wait for the receiver: every message that
 * was sent is accounted for, exactly once.
 *
 *   fail     TR_OK arrives, TR_EFULL does not
 *   wait     the same; a sender waits for its turn
 *   oldest   all are TR_OK; those that did not arrive are counted as lost
 *   stop     a receiver that is flooded ends of system_limit, its next life goes on; what it had handled was in order
 *
 * Also exact: what the runtime counts as lost is what was refused or dropped. */
#include "stress.h"

enum { POLICIES = 4, SENDERS_MOST = 64 };

struct flood {
    tr_pid root, to;
    int32_t sender;
    tr_overflow policy;
};

struct tally {
    int64_t sent, refused;
};

struct word {
    int32_t sender, number;
};

static uint64_t lost_now(void)
{
    tr_system_info info;
    MUST_EQ(tr_system(&info), TR_OK);
    return info.messages_lost;
}

/* Sends count words; a word that was refused is sent again under the next number: what arrives has gaps only where
 * something was lost. */
static void sender(const tr_msg *arg)
{
    struct flood flood = *(const struct flood *)tr_expect(arg, sizeof flood);
    struct dice dice = dice_of((uint64_t)flood.sender + 7);
    struct tally tally = { 0 };
    for (int64_t i = 0; i < setting("count"); i++) {
        struct word word = { flood.sender, (int32_t)i };
        int status = tr_send(flood.to, WORD, &word, sizeof word);
        MUST(status == TR_OK || (status == TR_EFULL && flood.policy != TR_OVERFLOW_DROP_OLDEST));
        tally.sent += status == TR_OK;
        tally.refused += status == TR_EFULL;
        if (roll(&dice, 200) == 0)
            tr_yield();
    }
    tr_send(flood.root, ANSWER, &tally, sizeof tally);
}

/* Counts what arrives until it is asked, which is a call: never refused under `oldest`, retried under the others. */
static void receiver(const tr_msg *arg)
{
    int32_t next[SENDERS_MOST] = { 0 };
    int64_t received = 0;
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_kind_of(message) == TR_KIND_CALL) {
            tr_reply(tr_from_of(message), &received, sizeof received);
            continue;
        }
        const struct word *word = tr_expect(message, sizeof *word);
        MUST(word->number >= next[word->sender]); /* in order, none twice */
        next[word->sender] = word->number + 1;
        received++;
    }
}

static tr_pid start_receiver(tr_overflow policy, tr_ref *monitor)
{
    return tr_spawn_with(receiver, NULL, 0,
                         &(tr_spawn_options){ .flags = TR_SPAWN_MONITOR,
                                              .monitor = monitor,
                                              .mailbox_messages = (size_t)setting("bound"),
                                              .overflow = policy,
                                              .overflow_wait_ms = 60000 });
}

/* What it has received; a question that was refused is one more loss. */
static int64_t ask(tr_pid to, int64_t *refused)
{
    int64_t received = 0;
    int status;
    while ((status = tr_call(to, QUESTION, NULL, 0, &received, sizeof received, TR_INFINITY)) == TR_EFULL) {
        ++*refused;
        tr_sleep(1);
    }
    MUST_EQ(status, TR_OK);
    return received;
}

static void flood(tr_overflow policy)
{
    static const char *const names[POLICIES] = { "fail", "wait", "drop oldest", "stop" };
    int32_t senders = (int32_t)setting("senders");
    struct tally all = { 0 };
    tr_ref monitor;
    size_t before = processes_now();
    uint64_t lost = lost_now();
    struct flood start = { .root = tr_self(), .to = start_receiver(policy, &monitor), .policy = policy };
    for (; start.sender < senders; start.sender++)
        tr_spawn(sender, &start, sizeof start);
    for (int32_t i = 0; i < senders; i++) {
        const struct tally *tally = tr_expect(await(ANSWER), sizeof *tally);
        all.sent += tally->sent;
        all.refused += tally->refused;
    }
    MUST_EQ(all.sent + all.refused, senders * setting("count"));
    tr_reason reason;
    if (policy == TR_OVERFLOW_STOP && all.refused > 0) { /* it was full: one end, for this */
        MUST_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
        MUST_EQ(reason.why, TR_WHY_SYSTEM_LIMIT);
        printf("%s: %" PRId64 " accepted, stopped\n", names[policy], all.sent);
    } else {
        int64_t received = ask(start.to, &all.refused);
        uint64_t dropped = policy == TR_OVERFLOW_DROP_OLDEST ? (uint64_t)(all.sent - received) : 0;
        MUST(dropped > 0 || received == all.sent);
        MUST_EQ(lost_now() - lost, (uint64_t)all.refused + dropped);
        printf("%s: %" PRId64 " accepted, %" PRId64 " refused, %" PRIu64 " dropped\n", names[policy], all.sent,
               all.refused, dropped);
        tr_exit_signal(start.to, TR_KILL);
        MUST_EQ(tr_await_down(monitor, TR_INFINITY, &reason), TR_OK);
    }
    must_count(before);
}

static void floods(void)
{
    for (int64_t i = 0; i < setting("rounds"); i++)
        for (int policy = TR_OVERFLOW_FAIL; policy <= TR_OVERFLOW_STOP; policy++)
            flood((tr_overflow)policy);
}

int main(int argc, char **argv)
{
    known("count", 5000);
    known("senders", 8);
    known("bound", 50);
    known("rounds", 2);
    return stress_main(argc, argv, floods);
}
