/* fair.c: nobody is kept waiting for ever, on 1, 2, `workers` and 16 workers: pairs that talk without an end, more of
 * them than a ring holds; processes that only send to themselves; slow ones; sleepers; connections; a foreign thread
 * that calls. Nobody of them stops before all have had `turns`, so a run that ends shows it. */
#include "stress.h"

#include <pthread.h>

enum { CHATTY = 8, SLOW = 24, SLOW_NS = 200 * 1000, SLEEPERS = 8, CONNECTIONS = 4 };

static tr_pid root, *peers, server;
static int64_t *had; /* turns of the peers, each its own */
static bool enough;  /* atomic */

static bool is_enough(void) { return __atomic_load_n(&enough, __ATOMIC_RELAXED); }

/* Somebody has had his turns. */
static void had_all(void) { MUST_EQ(tr_send(root, READY, NULL, 0), TR_OK); }

static int start_number(void *state, const tr_msg *arg)
{
    *(int64_t *)state = *(const int64_t *)tr_expect(arg, sizeof(int64_t));
    return TR_OK;
}

static int pass_on(void *state, const tr_msg *message)
{
    int64_t number = *(int64_t *)state;
    (void)message;
    if (++had[number] == setting("turns"))
        had_all();
    if (!is_enough())
        MUST_EQ(tr_send(peers[number ^ 1], WORD, NULL, 0), TR_OK);
    return TR_OK;
}
static const tr_actor peer = {
    .label = "peer", .state_size = sizeof(int64_t), .start = start_number, .handle = pass_on
};

/* ---- who sends to itself: at once, or after a while of computing */

static void compute(int64_t ns)
{
    for (int64_t until = tr_now_ns() + ns; tr_now_ns() < until;)
        ;
}

struct selfish {
    int64_t ns, had;
};

static int start_selfish(void *state, const tr_msg *arg)
{
    *(struct selfish *)state = (struct selfish){ .ns = *(const int64_t *)tr_expect(arg, sizeof(int64_t)) };
    return TR_OK;
}

static int send_to_itself(void *state, const tr_msg *message)
{
    struct selfish *self = state;
    (void)message;
    if (self->ns > 0)
        compute(self->ns);
    if (++self->had == setting("turns"))
        had_all();
    if (!is_enough())
        MUST_EQ(tr_send(tr_self(), WORD, NULL, 0), TR_OK);
    return TR_OK;
}
static const tr_actor selfish = {
    .label = "selfish", .state_size = sizeof(struct selfish), .start = start_selfish, .handle = send_to_itself
};

/* ---- who waits for something */

static void sleeper(const tr_msg *arg)
{
    (void)arg;
    for (int64_t i = 0; i < setting("waits"); i++)
        tr_sleep(1);
    had_all();
}

static void connected(const tr_msg *arg)
{
    tr_socket listener, here, there;
    char byte = 'a', address[64];
    size_t size;
    (void)arg;
    MUST_EQ(tr_listen("tcp://127.0.0.1:0", &listener), TR_OK);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", tr_socket_port(listener));
    MUST_EQ(tr_connect(address, TR_INFINITY, &here), TR_OK);
    MUST_EQ(tr_accept(listener, TR_INFINITY, &there), TR_OK);
    for (int64_t i = 0; i < setting("waits"); i++) {
        MUST_EQ(tr_write(here, &byte, 1, TR_INFINITY), TR_OK);
        MUST_EQ(tr_read(there, &byte, 1, TR_INFINITY, &size), TR_OK);
    }
    had_all();
}

static int answer(void *state, const tr_msg *message)
{
    (void)state;
    return tr_reply(tr_from_of(message), NULL, 0);
}
static const tr_actor answering = { .label = "answering", .handle = answer };

static void *call_from_outside(void *unused)
{
    for (int64_t i = 0; i < setting("waits"); i++)
        MUST_EQ(tr_call(server, QUESTION, NULL, 0, NULL, 0, TR_INFINITY), TR_OK);
    had_all();
    return unused;
}

/* ---- all together */

static int64_t start_all(pthread_t *outside)
{
    int64_t pairs = setting("pairs"), nothing = 0, slow = SLOW_NS;
    for (int64_t i = 0; i < 2 * pairs; i++)
        peers[i] = tr_spawn_actor(&peer, &i, sizeof i, NULL);
    for (int64_t i = 0; i < 2 * pairs; i += 2)
        tr_send(peers[i], WORD, NULL, 0);
    for (int i = 0; i < CHATTY + SLOW; i++)
        tr_send(tr_spawn_actor(&selfish, i < CHATTY ? &nothing : &slow, sizeof slow, NULL), WORD, NULL, 0);
    for (int i = 0; i < SLEEPERS + CONNECTIONS; i++)
        tr_spawn(i < SLEEPERS ? sleeper : connected, NULL, 0);
    server = tr_spawn_actor(&answering, NULL, 0, NULL);
    MUST_EQ(pthread_create(outside, NULL, call_from_outside, NULL), 0);
    return 2 * pairs + CHATTY + SLOW + SLEEPERS + CONNECTIONS + 1;
}

static void load(void)
{
    pthread_t outside;
    size_t count = 2 * (size_t)setting("pairs");
    root = tr_self();
    enough = false;
    peers = calloc(count, sizeof *peers);
    had = calloc(count, sizeof *had);
    MUST(peers != NULL && had != NULL);
    for (int64_t all = start_all(&outside); all > 0; all--)
        await(READY);
    __atomic_store_n(&enough, true, __ATOMIC_RELAXED);
    pthread_join(outside, NULL);
}

int main(int argc, char **argv)
{
    known("pairs", 300);
    known("turns", 100);
    known("waits", 30);
    stress_start(argc, argv);
    const int workers[] = { 1, 2, (int)setting("workers"), 16 };
    for (size_t i = 0; i < sizeof workers / sizeof *workers; i++) {
        stress_run(workers[i], load);
        free(peers);
        free(had);
        printf("%d workers: all had their turns\n", workers[i]);
    }
    puts("ok");
    return 0;
}
