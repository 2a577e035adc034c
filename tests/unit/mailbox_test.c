/* mailbox_test.c: the run token, the half-linked window, and order per sender. */
#include "base/random.h"
#include "harness.h"
#include "queue/mailbox.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct letter {
    struct mailbox_node node;
    uint32_t sender;
    uint32_t number;
};

static struct letter *letter_of(struct mailbox_node *node) { return (struct letter *)node; }

TEST(mailbox, only_first_put_sees_the_edge)
{
    struct mailbox box;
    struct letter letters[3];
    mailbox_init(&box);
    CHECK(mailbox_put(&box, &letters[0].node));
    CHECK(!mailbox_put(&box, &letters[1].node));
    CHECK(!mailbox_put(&box, &letters[2].node));
}

TEST(mailbox, made_with_a_first_node_its_maker_has_the_token)
{
    struct mailbox box;
    struct letter letters[2];
    struct mailbox_node *node = NULL;
    mailbox_init_with(&box, &letters[0].node);
    CHECK(mailbox_peek(&box) == &letters[0].node && mailbox_next(&box, &letters[0].node) == NULL);
    CHECK(!mailbox_put(&box, &letters[1].node));
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
    CHECK(node == &letters[0].node);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_LAST);
    CHECK(node == &letters[1].node && mailbox_put(&box, &letters[0].node));
}

TEST(mailbox, take_of_the_last_gives_the_token_up)
{
    struct mailbox box;
    struct letter letters[2];
    struct mailbox_node *node = NULL;
    mailbox_init(&box);
    for (int round = 0; round < 3; round++) {
        CHECK(mailbox_put(&box, &letters[0].node));
        CHECK(!mailbox_put(&box, &letters[1].node));
        CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
        CHECK(node == &letters[0].node);
        CHECK(!mailbox_put(&box, &letters[0].node)); /* a taken node may be put again at once */
        CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
        CHECK(node == &letters[1].node);
        CHECK_EQ(mailbox_take(&box, &node), MAILBOX_LAST);
        CHECK(node == &letters[0].node);
    }
    CHECK(mailbox_peek(&box) == NULL);
}

TEST(mailbox, peek_and_next_look_without_taking)
{
    struct mailbox box;
    struct letter letters[3];
    struct mailbox_node *node;
    mailbox_init(&box);
    CHECK(mailbox_peek(&box) == NULL);
    mailbox_put(&box, &letters[0].node);
    CHECK(mailbox_peek(&box) == &letters[0].node);
    CHECK(mailbox_next(&box, &letters[0].node) == NULL);
    mailbox_put(&box, &letters[1].node);
    mailbox_put(&box, &letters[2].node);
    CHECK(mailbox_peek(&box) == &letters[0].node);
    CHECK(mailbox_next(&box, &letters[0].node) == &letters[1].node);
    CHECK(mailbox_next(&box, &letters[1].node) == &letters[2].node);
    CHECK(mailbox_next(&box, &letters[2].node) == NULL);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
    CHECK(mailbox_peek(&box) == &letters[1].node);
}

/* What a sender leaves that is preempted between its exchange of the tail and its store of the link. */
static struct mailbox_node *half_put(struct mailbox *box, struct letter *letter)
{
    letter->node.link.next = NULL;
    struct cds_wfcq_node *before = __atomic_exchange_n(&box->tail.p, &letter->node.link, __ATOMIC_ACQ_REL);
    return (struct mailbox_node *)before;
}

static void finish_put(struct mailbox_node *before, struct letter *letter)
{
    __atomic_store_n(&before->link.next, &letter->node.link, __ATOMIC_RELEASE);
}

TEST(mailbox, half_linked_first_node_is_busy_and_nothing_is_taken)
{
    struct mailbox box;
    struct letter letters[2];
    struct mailbox_node *node = NULL;
    mailbox_init(&box);
    struct mailbox_node *before = half_put(&box, &letters[0]);
    CHECK(mailbox_peek(&box) == MAILBOX_BUSY_NODE);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_BUSY);
    CHECK(node == NULL);
    CHECK(!mailbox_put(&box, &letters[1].node)); /* the token is with the first sender */
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_BUSY);
    finish_put(before, &letters[0]);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
    CHECK(node == &letters[0].node);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_LAST);
    CHECK(node == &letters[1].node);
}

TEST(mailbox, half_linked_successor_is_busy_and_the_first_stays)
{
    struct mailbox box;
    struct letter letters[2];
    struct mailbox_node *node = NULL;
    mailbox_init(&box);
    mailbox_put(&box, &letters[0].node);
    struct mailbox_node *before = half_put(&box, &letters[1]);
    CHECK(mailbox_next(&box, &letters[0].node) == MAILBOX_BUSY_NODE);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_BUSY);
    CHECK(node == NULL);
    CHECK(mailbox_peek(&box) == &letters[0].node);
    finish_put(before, &letters[1]);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_MORE);
    CHECK(node == &letters[0].node);
    CHECK_EQ(mailbox_take(&box, &node), MAILBOX_LAST);
}

/* --- stress: several mailboxes, senders that become the owner's thread when they see the edge ------------- */

enum { BOXES = 3, SENDERS = 8, LETTERS = 20000, SEEDS = 8 };

struct actor {
    struct mailbox box;
    atomic_int running;         /* must never exceed one */
    uint32_t expected[SENDERS]; /* plain: the token protects it, and ThreadSanitizer knows if not */
    uint32_t handled;
};

static struct actor actors[BOXES];
static struct letter letters[SENDERS][LETTERS];
static uint64_t base_seed;

static void handle(struct actor *actor, const struct letter *letter)
{
    CHECK(letter->number >= actor->expected[letter->sender]); /* order per sender; the numbers go to three boxes */
    actor->expected[letter->sender] = letter->number + 1;
    actor->handled++;
}

/* Runs the actor until its token is given up, as a worker does. Fetches ahead sometimes, as signals make an owner do.
 */
static void run_actor(struct actor *actor, struct random *random)
{
    CHECK_EQ(atomic_fetch_add(&actor->running, 1), 0);
    for (;;) {
        struct mailbox_node *node = mailbox_peek(&actor->box);
        CHECK(node != NULL);
        if (node == MAILBOX_BUSY_NODE) {
            sched_yield();
            continue;
        }
        struct mailbox_node *next = mailbox_next(&actor->box, node);
        bool promised = next != NULL && next != MAILBOX_BUSY_NODE;
        handle(actor, letter_of(node));
        if (random_below(random, 64) == 0)
            sched_yield();
        struct mailbox_node *taken = NULL;
        atomic_fetch_sub(&actor->running, 1); /* before the take, which may give the actor up */
        enum mailbox_took took;
        while ((took = mailbox_take(&actor->box, &taken)) == MAILBOX_BUSY) {
            CHECK(!promised);
            sched_yield();
        }
        CHECK(taken == node);
        if (took == MAILBOX_LAST) {
            CHECK(!promised);
            return;
        }
        CHECK_EQ(atomic_fetch_add(&actor->running, 1), 0);
    }
}

static void *send_and_run(void *arg)
{
    uint32_t sender = (uint32_t)(uintptr_t)arg;
    struct random random = { base_seed * 977 + sender + 1 };
    for (uint32_t i = 0; i < LETTERS; i++) {
        struct letter *letter = &letters[sender][i];
        struct actor *actor = &actors[random_below(&random, BOXES)];
        letter->sender = sender;
        letter->number = i;
        if (mailbox_put(&actor->box, &letter->node))
            run_actor(actor, &random);
    }
    return NULL;
}

TEST(mailbox, each_letter_is_handled_once_in_order_by_one_owner_at_a_time)
{
    const char *given = getenv("TR_SEED");
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        base_seed = given != NULL ? strtoull(given, NULL, 0) : seed;
        fprintf(stderr, "mailbox stress: TR_SEED=%" PRIu64 " reruns it\n", base_seed);
        memset(actors, 0, sizeof actors);
        for (size_t i = 0; i < BOXES; i++)
            mailbox_init(&actors[i].box);
        pthread_t threads[SENDERS];
        for (uintptr_t i = 0; i < SENDERS; i++)
            CHECK_EQ(pthread_create(&threads[i], NULL, send_and_run, (void *)i), 0);
        for (size_t i = 0; i < SENDERS; i++)
            pthread_join(threads[i], NULL);
        uint32_t handled = 0;
        for (size_t i = 0; i < BOXES; i++) {
            handled += actors[i].handled;
            CHECK(mailbox_peek(&actors[i].box) == NULL);
        }
        CHECK_EQ(handled, SENDERS * LETTERS);
    }
}
