/* call_storm.c: calls with and without deadlines to servers that answer, answer late, answer twice, let others answer,
 * never answer, crash or are killed: every call ends exactly once, with a reply of its own or a failure that may be,
 * and leaves nothing in the mailbox. */
#include "stress.h"

enum { SERVERS = 8 };
enum behaviour { ANSWERS, LATE, TWICE, BY_OTHER, NEVER, CRASHES, STOPS, BEHAVIOURS };

struct request {
    int64_t number;
    enum behaviour behaviour;
    int32_t ms;
};

struct deferred {
    tr_from from;
    int64_t number;
    int32_t ms;
};

static uint64_t servers[SERVERS]; /* atomic: pids */
static int64_t ended[5];          /* atomic: replies, timeouts, down, noproc, asked */

static void answer_later(const tr_msg *arg)
{
    const struct deferred *work = tr_expect(arg, sizeof *work);
    tr_sleep(work->ms);
    tr_reply(work->from, &work->number, sizeof work->number);
}

static int serve(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_kind_of(message) != TR_KIND_CALL)
        return TR_OK;
    const struct request *request = tr_expect(message, sizeof *request);
    tr_from from = tr_from_of(message);
    struct deferred work = { from, request->number, request->ms };
    switch (request->behaviour) {
    case LATE: tr_sleep(request->ms); return tr_reply(from, &request->number, sizeof request->number);
    case TWICE:
        tr_reply(from, &request->number, sizeof request->number);
        return tr_reply(from, &(int64_t){ -1 }, sizeof(int64_t));
    case BY_OTHER: tr_spawn(answer_later, &work, sizeof work); return TR_OK;
    case NEVER: return TR_OK;
    case CRASHES: return tr_unexpected(message);
    case STOPS: return tr_stop_reply(TR_NORMAL, from, &request->number, sizeof request->number);
    default: return tr_reply(from, &request->number, sizeof request->number);
    }
}

static const tr_actor server = { .label = "server", .handle = serve };

static enum behaviour choose(struct dice *dice)
{
    uint32_t luck = roll(dice, 100);
    return luck < 50   ? ANSWERS
           : luck < 65 ? LATE
           : luck < 75 ? TWICE
           : luck < 88 ? BY_OTHER
           : luck < 94 ? NEVER
           : luck < 97 ? CRASHES
                       : STOPS;
}

static void call_once(struct dice *dice, int64_t number)
{
    struct request request = { number, choose(dice), (int32_t)roll(dice, 3) };
    int64_t reply = 0, timeout_ms = request.behaviour != NEVER && roll(dice, 3) == 0 ? TR_INFINITY : roll(dice, 4);
    tr_pid to = { __atomic_load_n(&servers[roll(dice, SERVERS)], __ATOMIC_RELAXED) };
    int64_t start = tr_now_ns();
    int status = tr_call(to, QUESTION, &request, sizeof request, &reply, sizeof reply, timeout_ms);
    switch (status) {
    case TR_OK: MUST_EQ(reply, number); break;
    case TR_ETIMEDOUT:
        MUST(timeout_ms >= 0);
        if (tr_now_ns() - start < timeout_ms * 1000000)
            fprintf(stderr, "%" PRId64 " ns instead of %" PRId64 " ms\n", tr_now_ns() - start, timeout_ms);
        MUST(tr_now_ns() - start >= timeout_ms * 1000000);
        break;
    case TR_EDOWN: MUST(!tr_reason_same(tr_last_reason(), &TR_KILL)); break;
    case TR_ENOPROC: break;
    default: MUST_EQ(status, TR_OK);
    }
    __atomic_fetch_add(&ended[status == TR_OK          ? 0
                              : status == TR_ETIMEDOUT ? 1
                              : status == TR_EDOWN     ? 2
                                                       : 3],
                       1, __ATOMIC_RELAXED);
}

static void caller(const tr_msg *arg)
{
    uint64_t me = *(const uint64_t *)tr_expect(arg, sizeof me);
    struct dice dice = dice_of(me);
    for (int64_t i = 0; i < setting("count"); i++) {
        __atomic_fetch_add(&ended[4], 1, __ATOMIC_RELAXED);
        call_once(&dice, (int64_t)(me << 32) + i + 1);
    }
    MUST(tr_receive(5) == NULL); /* INV-02 */
}

/* Keeps the servers running, and kills one now and then. */
static void keeper(const tr_msg *arg)
{
    struct dice dice = dice_of(999);
    (void)arg;
    for (;;) {
        for (int i = 0; i < SERVERS; i++) {
            tr_pid pid = { __atomic_load_n(&servers[i], __ATOMIC_RELAXED) };
            if (!tr_is_alive(pid))
                __atomic_store_n(&servers[i], tr_spawn_actor(&server, NULL, 0, NULL).id, __ATOMIC_RELAXED);
            else if (roll(&dice, 20) == 0)
                tr_exit_signal(pid, roll(&dice, 2) == 0 ? TR_KILL : TR_SHUTDOWN);
        }
        tr_sleep(1);
    }
}

static void storm(void)
{
    uint64_t callers = (uint64_t)setting("callers");
    tr_ref *monitors = tr_alloc(callers * sizeof *monitors);
    tr_pid keeps = tr_spawn(keeper, NULL, 0);
    for (uint64_t i = 0; i < callers; i++)
        tr_spawn_monitor(caller, &i, sizeof i, &monitors[i]);
    for (uint64_t i = 0; i < callers; i++)
        MUST_EQ(tr_await_down(monitors[i], TR_INFINITY, NULL), TR_OK);
    tr_exit_signal(keeps, TR_KILL);
    printf("replies %" PRId64 ", timeouts %" PRId64 ", down %" PRId64 ", noproc %" PRId64 "\n", ended[0], ended[1],
           ended[2], ended[3]);
    MUST_EQ(ended[0] + ended[1] + ended[2] + ended[3], ended[4]);
    MUST_EQ(ended[4], (int64_t)callers * setting("count"));
}

int main(int argc, char **argv)
{
    known("count", 800);
    known("callers", 48);
    return stress_main(argc, argv, storm);
}
