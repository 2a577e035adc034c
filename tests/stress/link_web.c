/* link_web.c: webs of linked processes, torn down from a random place while links are still made and removed: nobody
 * who is linked to the dead survives, nobody stays in the table, and chains unwind without depth. */
#include "stress.h"

/* Links to whom it is told, and unlinks. */
static void member(const tr_msg *arg)
{
    (void)arg;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        tr_pid peer = tr_tag(message) == WORD || tr_tag(message) == ANSWER
                          ? *(const tr_pid *)tr_expect(message, sizeof peer)
                          : (tr_pid){ 0 };
        switch (tr_tag(message)) {
        case WORD:
            if (tr_link(peer) != TR_OK)
                tr_exit(TR_SHUTDOWN); /* it has ended already: so does this one */
            break;
        case ANSWER: tr_unlink(peer); break;
        case QUESTION: tr_send(tr_sender(message), READY, NULL, 0); break;
        default: break;
        }
    }
}

static void web(struct dice *dice, uint32_t size)
{
    tr_pid *pids = tr_alloc(size * sizeof *pids);
    tr_ref *monitors = tr_alloc(size * sizeof *monitors);
    for (uint32_t i = 0; i < size; i++)
        pids[i] = tr_spawn_monitor(member, NULL, 0, &monitors[i]);
    for (uint32_t i = 1; i < size; i++) { /* connected: each to somebody before it; and some more */
        tr_send(pids[i], WORD, &pids[roll(dice, i)], sizeof *pids);
        for (uint32_t more = roll(dice, 4); more > 0; more--) {
            tr_pid other = pids[roll(dice, size)];
            tr_send(pids[i], WORD, &other, sizeof other);
        }
    }
    bool settled = roll(dice, 2) == 0; /* or torn down while it is made */
    for (uint32_t i = 0; settled && i < size; i++) {
        tr_send(pids[i], QUESTION, NULL, 0);
        await(READY);
    }
    tr_exit_signal(pids[roll(dice, size)], tr_because(TR_WHY_USER, 1, "torn"));
    for (uint32_t i = 0; i < 5 && !settled;
         i++) /* links that were not made yet hold nobody: so these as well, and then all */
        tr_exit_signal(pids[roll(dice, size)], tr_because(TR_WHY_USER, 1, "torn"));
    for (uint32_t i = 0; i < size && !settled; i++)
        tr_exit_signal(pids[i], tr_because(TR_WHY_USER, 1, "torn"));
    for (uint32_t i = 0; i < size; i++) {
        tr_reason reason;
        MUST_EQ(tr_await_down(monitors[i], 60000, &reason), TR_OK);
        MUST(reason.why == TR_WHY_USER || (!settled && reason.why == TR_WHY_SHUTDOWN));
    }
    while (tr_receive(0) != NULL)
        ;
    tr_free(pids);
    tr_free(monitors);
}

/* Pairs that link and unlink each other as fast as they can; then one of two dies: the other lives exactly if it
 * unlinked last. */
static void partner(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    tr_pid peer = *(const tr_pid *)tr_expect(await(WORD), sizeof peer);
    for (int i = 0; i < 20; i++) {
        if (tr_link(peer) != TR_OK)
            break;
        tr_unlink(peer);
    }
    tr_send(root, ANSWER, NULL, 0);
    await(GO);
}

static void pairs(int64_t count)
{
    tr_pid self = tr_self();
    for (int64_t i = 0; i < count; i++) {
        tr_ref first, second;
        tr_pid one = tr_spawn_monitor(partner, &self, sizeof self, &first),
               two = tr_spawn_monitor(partner, &self, sizeof self, &second);
        tr_send(one, WORD, &two, sizeof two);
        tr_send(two, WORD, &one, sizeof one);
        await(ANSWER);
        await(ANSWER);
        tr_exit_signal(one, TR_KILL); /* both have unlinked: the other does not notice */
        tr_reason reason;
        MUST_EQ(tr_await_down(first, 60000, &reason), TR_OK);
        tr_send(two, GO, NULL, 0);
        MUST_EQ(tr_await_down(second, 60000, &reason), TR_OK);
        MUST_EQ(reason.why, TR_WHY_NORMAL);
    }
}

static void webs(void)
{
    struct dice dice = dice_of(1);
    size_t before = processes_now();
    for (int64_t i = 0; i < setting("count"); i++) {
        web(&dice, 2 + roll(&dice, (uint32_t)setting("size")));
        must_count(before);
    }
    pairs(setting("count") * 50);
    must_count(before);
}

int main(int argc, char **argv)
{
    known("count", 40);
    known("size", 400);
    return stress_main(argc, argv, webs);
}
