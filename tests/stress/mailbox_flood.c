/* mailbox_flood.c: many senders, few receivers, bodies of all sizes: nothing lost, nothing changed, order per pair
 * kept; and bounded mailboxes whose accepted messages are exactly those that arrive. */
#include "stress.h"

enum { SIZE_MOST = 3000 };

struct word {
    int32_t sender, number, size;
    uint32_t sum;
};

struct flooder {
    int32_t number, receivers;
    tr_pid root;
    tr_pid to[16];
};

static uint32_t sum_of(const unsigned char *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void flooder(const tr_msg *arg)
{
    const struct flooder *self = tr_expect(arg, sizeof *self);
    struct dice dice = dice_of((uint64_t)self->number + 100);
    int64_t accepted[16] = { 0 };
    for (int64_t i = 0; i < setting("count"); i++) {
        uint32_t size = roll(&dice, 8) == 0 ? roll(&dice, SIZE_MOST) : roll(&dice, 100),
                 to = roll(&dice, (uint32_t)self->receivers);
        tr_msg *message;
        unsigned char *body = tr_new(WORD, sizeof(struct word) + size, &message);
        MUST(body != NULL);
        for (uint32_t j = 0; j < size; j++)
            body[sizeof(struct word) + j] = (unsigned char)(i + j);
        *(struct word *)(void *)body = (struct word){ self->number, (int32_t)accepted[to], (int32_t)size,
                                                      sum_of(body + sizeof(struct word), size) };
        if (tr_give(self->to[to], message) == TR_OK)
            accepted[to]++;
        else
            tr_drop(message);
    }
    tr_send(self->root, ANSWER, accepted, sizeof accepted);
}

static void receiver(const tr_msg *arg)
{
    tr_pid root = *(const tr_pid *)tr_expect(arg, sizeof root);
    int32_t *next = tr_alloc((size_t)setting("senders") * sizeof *next);
    int64_t received = 0;
    for (;;) {
        const tr_msg *message = tr_receive(TR_INFINITY);
        if (tr_tag(message) == QUESTION) {
            tr_send(root, READY, &received, sizeof received);
            continue;
        }
        const struct word *word = tr_body(message);
        MUST_EQ(tr_size(message), sizeof *word + (size_t)word->size);
        MUST_EQ(sum_of((const unsigned char *)(word + 1), (size_t)word->size), word->sum);
        MUST_EQ(word->number, next[word->sender]);
        next[word->sender]++;
        received++;
    }
}

static void flood(void)
{
    struct flooder start = { .receivers = (int32_t)setting("receivers"), .root = tr_self() };
    int64_t sent[16] = { 0 };
    MUST(start.receivers > 0 && start.receivers <= 16);
    for (int i = 0; i < start.receivers;
         i++) /* every second one is bounded: signals that the mailbox is full reach the sender */
        start.to[i] = tr_spawn_with(receiver, &start.root, sizeof start.root,
                                    &(tr_spawn_options){ .mailbox_messages = i % 2 == 0 ? 0 : 100 });
    for (; start.number < setting("senders"); start.number++)
        tr_spawn(flooder, &start, sizeof start);
    for (int i = 0; i < start.number; i++) {
        const int64_t *accepted = tr_expect(await(ANSWER), sizeof sent);
        for (int j = 0; j < start.receivers; j++)
            sent[j] += accepted[j];
    }
    for (int i = 0; i < start.receivers; i++) {
        while (tr_send(start.to[i], QUESTION, NULL, 0) == TR_EFULL)
            tr_sleep(1);
        int64_t received = *(const int64_t *)tr_expect(await(READY), sizeof received);
        MUST_EQ(received, sent[i]);
    }
}

int main(int argc, char **argv)
{
    known("count", 20000);
    known("senders", 8);
    known("receivers", 4);
    return stress_main(argc, argv, flood);
}
