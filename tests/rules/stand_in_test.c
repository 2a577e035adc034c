/* stand_in_test.c: a foreign thread that waits for an answer has a pid, since its request has a sender: what others may
 * do with that. */
#include "support.h"

#include <pthread.h>

static const tr_config quiet = { .workers = 2, .log = drop_record };

/* Does all that can be done to a sender before it answers. */
static int meddle(void *state, const tr_msg *message)
{
    (void)state;
    if (tr_kind_of(message) != TR_KIND_CALL)
        return TR_OK;
    tr_pid caller = tr_from_of(message).caller;
    tr_timer timer;
    tr_process_info info;
    CHECK_EQ(tr_send(caller, WORD, NULL, 0), TR_OK);
    CHECK_EQ(tr_send(caller, WORD, "long", 5), TR_OK);
    tr_cast(caller, WORD, NULL, 0);
    CHECK_EQ(tr_send_after(0, caller, WORD, NULL, 0, &timer), TR_OK);
    CHECK_EQ(tr_exit_signal(caller, TR_KILL), TR_OK);
    CHECK_EQ(tr_exit_signal(caller, TR_SHUTDOWN), TR_OK);
    CHECK_EQ(tr_link(caller), TR_ENOPROC);
    CHECK_EQ(await_end(caller).why, TR_WHY_NOPROC);
    CHECK(!tr_is_alive(caller));
    CHECK_EQ(tr_info(caller, &info), TR_ENOPROC);
    CHECK_EQ(tr_suspend(caller, TR_INFINITY), TR_ENOPROC);
    tr_msg *reply;
    CHECK_EQ(tr_receive_response(tr_send_request(caller, WORD, NULL, 0), TR_INFINITY, &reply), TR_ENOPROC);
    tr_yield();
    return tr_reply(tr_from_of(message), "yes", 4);
}
static const tr_actor meddler = { .label = "meddler", .handle = meddle };

static void *call_meddler(void *arg)
{
    char yes[4];
    CHECK_EQ(tr_call(*(tr_pid *)arg, QUESTION, NULL, 0, yes, sizeof yes, TR_INFINITY), TR_OK);
    CHECK_STR(yes, "yes");
    return NULL;
}
TEST(stand_in, nothing_but_the_answer_reaches_a_thread_that_waits)
{
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    tr_pid pid = tr_spawn_actor(&meddler, NULL, 0, NULL);
    for (int i = 0; i < 5; i++) {
        pthread_t threads[2];
        for (int j = 0; j < 2; j++)
            CHECK_EQ(pthread_create(&threads[j], NULL, call_meddler, &pid), 0);
        for (int j = 0; j < 2; j++)
            pthread_join(threads[j], NULL);
    }
    CHECK_EQ(tr_halt(1000), TR_OK);
}

static _Atomic int asleep;

static void *sleep_long(void *arg)
{
    CHECK(tr_nobody(tr_whereis("nobody"))); /* it is known to the runtime */
    asleep = 1;
    tr_sleep(TR_INFINITY);
    return arg;
}
TEST(stand_in, the_runtime_stops_while_a_thread_sleeps)
{
    if (HARNESS_SIMULATED)
        SKIP("a simulated thread has to end");
    pthread_t thread;
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(pthread_create(&thread, NULL, sleep_long, NULL), 0);
    CHECK_EQ(pthread_detach(thread), 0);
    while (asleep == 0)
        tr_sleep(1);
    tr_sleep(5);
    CHECK_EQ(tr_halt(1000), TR_OK); /* the thread sleeps until the program ends */
}

static pthread_key_t key;
static pthread_barrier_t stopped;
static _Atomic int last_words;

static void call_at_the_end(void *arg)
{
    (void)arg;
    CHECK_EQ(tr_send(tr_name("nobody"), WORD, NULL, 0), TR_ESTOPPED);
    if (last_words++ == 0) /* once more, when all others have run */
        CHECK_EQ(pthread_setspecific(key, &key), 0);
}
static void *end_after_the_stop(void *arg)
{
    CHECK(tr_nobody(tr_whereis("nobody")));
    CHECK_EQ(pthread_setspecific(key, &key), 0);
    pthread_barrier_wait(&stopped);
    pthread_barrier_wait(&stopped);
    return arg;
}
TEST(stand_in, a_thread_may_call_from_its_last_destructors)
{
    if (HARNESS_SIMULATED)
        SKIP("the simulator ends its threads otherwise");
    pthread_t thread;
    pthread_barrier_init(&stopped, NULL, 2);
    CHECK_EQ(pthread_key_create(&key, call_at_the_end), 0);
    CHECK_EQ(tr_boot(&quiet), TR_OK);
    CHECK_EQ(pthread_create(&thread, NULL, end_after_the_stop, NULL), 0);
    pthread_barrier_wait(&stopped);
    CHECK_EQ(tr_halt(1000), TR_OK);
    pthread_barrier_wait(&stopped);
    pthread_join(thread, NULL);
    CHECK_EQ(last_words, 2);
    pthread_barrier_destroy(&stopped);
}
