/* fan_in.c: many senders, one receiver: senders that do little else go to the receiver's worker and stay there. While
 * the receiver computes for longer than the watchdog bears, they go on elsewhere: another process counts them on.
 * Everything arrives once and in order, whoever runs where. */
#include "stress.h"

enum { PROGRESS_EVERY = 64 };

struct sender {
    int32_t number;
    tr_pid root, receiver, bystander;
};

struct word {
    int32_t sender, number;
};

static void sender(const tr_msg *arg)
{
    const struct sender *self = tr_expect(arg, sizeof *self);
    for (int32_t i = 0; i < setting("count"); i++) {
        struct word word = { self->number, i };
        MUST(tr_send(self->receiver, WORD, &word, sizeof word) == TR_OK);
        if (i % PROGRESS_EVERY == 0)
            MUST(tr_send(self->bystander, WORD, &word, sizeof word) == TR_OK);
    }
    tr_send(self->root, ANSWER, NULL, 0);
}

/* Counts, in order per sender; says how many at a QUESTION. */
static void count(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    int32_t *last = tr_alloc((size_t)setting("senders") * sizeof *last);
    int64_t received = 0;
    for (size_t i = 0; i < (size_t)setting("senders"); i++)
        last[i] = -1;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == QUESTION) {
            tr_send(root, READY, &received, sizeof received);
            continue;
        }
        const struct word *word = tr_expect(message, sizeof *word);
        MUST(word->number > last[word->sender]);
        last[word->sender] = word->number;
        received++;
    }
}

static int64_t ask(tr_pid counter)
{
    MUST(tr_send(counter, QUESTION, NULL, 0) == TR_OK);
    return *(const int64_t *)tr_expect(await(READY), sizeof(int64_t));
}

/* A receiver that hands on what it gets, and computes without a pause in between: its worker is taken over. */
static void slow_receiver(const tr_msg *arg)
{
    tr_pid counter = *(const tr_pid *)tr_expect(arg, sizeof counter);
    for (int64_t received = 0;; received++) {
        const struct word *word = tr_expect(tr_receive(TR_INFINITY), sizeof *word);
        MUST(tr_send(counter, WORD, word, sizeof *word) == TR_OK);
        if (received % (setting("count") * setting("senders") / 4) == 0)
            for (int64_t end = tr_now_ns() + setting("spin_ms") * 1000000; tr_now_ns() < end;)
                ;
    }
}

static void fan_in(void)
{
    tr_pid root = tr_self();
    struct sender start = { .root = root };
    tr_pid counter = tr_spawn(count, &root, sizeof root);
    start.bystander = tr_spawn(count, &root, sizeof root);
    start.receiver = tr_spawn(slow_receiver, &counter, sizeof counter);
    for (; start.number < setting("senders"); start.number++)
        tr_spawn(sender, &start, sizeof start);
    for (int i = 0; i < start.number; i++)
        await(ANSWER);
    int64_t all = setting("senders") * setting("count");
    while (ask(counter) < all) /* the receiver still works its backlog off */
        tr_sleep(1);
    MUST_EQ(ask(counter), all);
    MUST_EQ(ask(start.bystander), setting("senders") * ((setting("count") + PROGRESS_EVERY - 1) / PROGRESS_EVERY));
}

int main(int argc, char **argv)
{
    known("count", 5000);
    known("senders", 40);
    known("spin_ms", 20);
    return stress_main(argc, argv, fan_in);
}
