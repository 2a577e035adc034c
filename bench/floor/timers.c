/* timers.c: the floor of `troupe bench timers`: n one-shot timers, due uniformly over a second, each one message to its
 * owner.
 *
 * A timer is its message, taken from the pool when it starts and put by in the slot of its millisecond: none is due
 * later than the wheel is long. One thread sleeps from tick to tick, puts what is due into the mailboxes, and runs
 * their owners. As in the workload, seconds are those of CPU time. Left out: cancelling, reading, other resolutions. */
#include "floor.h"

#include <sys/resource.h>

enum { OWNERS = 1000, SPAN_MS = 1000, WHEEL_SLOTS = 4096, NS_PER_MS = 1000000 };
enum { GO = 1, DUE };
enum { FIRST, TIMERS, LEFT, SUM };

static struct link *wheel[WHEEL_SLOTS];
static int64_t begin_ns;
static uint64_t owners_left;

static int64_t ms_since_begin(void) { return (now_ns() - begin_ns) / NS_PER_MS; }

/* Due so many whole milliseconds from now, never early. */
static void start_timer(uint64_t owner, int64_t now_ms, uint64_t delay_ms, uint64_t number)
{
    struct message *message = message_new();
    struct link **slot = &wheel[((uint64_t)now_ms + 1 + delay_ms) % WHEEL_SLOTS];
    message->sender = owner;
    message->tag = DUE;
    message->size = sizeof number;
    message->body[0] = number;
    atomic_store_explicit(&message->link.next, *slot, memory_order_relaxed);
    *slot = &message->link;
}

static void expire(int64_t tick_ms)
{
    struct link *at = wheel[tick_ms % WHEEL_SLOTS];
    wheel[tick_ms % WHEEL_SLOTS] = NULL;
    while (at != NULL) {
        struct message *message = (struct message *)at;
        struct actor *owner = actor_of(message->sender);
        at = atomic_load_explicit(&at->next, memory_order_relaxed);
        if (owner != NULL)
            mailbox_put(owner, message);
        else
            message_free(message);
    }
}

static void owner(struct actor *me, const struct message *message)
{
    if (message->tag == GO) {
        int64_t now_ms = ms_since_begin();
        must(now_ms + 1 + SPAN_MS < WHEEL_SLOTS, "starting them took longer than the wheel is long");
        for (uint64_t k = me->state[FIRST]; k <= me->state[TIMERS]; k += OWNERS, me->state[LEFT]++)
            start_timer(me->pid, now_ms, k * SPAN_MS / me->state[TIMERS], k);
    } else {
        me->state[SUM] += message->body[0];
        me->state[LEFT]--;
    }
    if (me->state[LEFT] == 0)
        finished = --owners_left == 0;
}

static int64_t cpu_ns(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (int64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000000 +
           (int64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * 1000;
}

static void sleep_until(int64_t ns)
{
    struct timespec until = { .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

int main(int argc, char **argv)
{
    static struct actor *owners[OWNERS];
    uint64_t n = parameter(argc, argv, "n", 500000), sum = 0;
    char parameters[64];
    must(n > 0, "n of at least 1");
    owners_left = OWNERS;
    for (uint64_t i = 0; i < OWNERS; i++) {
        owners[i] = actor_new(owner);
        owners[i]->state[FIRST] = i + 1;
        owners[i]->state[TIMERS] = n;
    }
    int64_t cpu_before = cpu_ns();
    begin_ns = now_ns();
    for (uint64_t i = 0; i < OWNERS; i++)
        send_number(owners[i]->pid, 0, GO, 0);
    run_all();
    for (int64_t tick_ms = 1; !finished; tick_ms++) {
        sleep_until(begin_ns + tick_ms * NS_PER_MS);
        expire(tick_ms);
        run_all();
    }
    int64_t cpu = cpu_ns() - cpu_before;
    must(now_ns() - begin_ns >= SPAN_MS * (int64_t)NS_PER_MS, "the last timer was early");
    for (uint64_t i = 0; i < OWNERS; i++)
        sum += owners[i]->state[SUM];
    must(sum == n * (n + 1) / 2, "wrong result");
    snprintf(parameters, sizeof parameters, "\"n\":%" PRIu64 ",", n);
    print_line("timers", parameters, 1, n, cpu);
    return 0;
}
