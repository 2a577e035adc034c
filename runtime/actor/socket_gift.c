/* socket_gift.c: a small table of lists by pid. Gifts are taken soon, as a rule by the first use, so it is nearly
 * empty. */
#include "actor/socket_gift.h"

#include <pthread.h>

enum { BUCKETS = 64 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct gift *buckets[BUCKETS]; /* (l) */

_Atomic uint32_t gift_count;

static struct gift **bucket_of(uint64_t pid) { return &buckets[slot_index(pid) % BUCKETS]; }

static void list(struct gift **bucket, struct gift *gift)
{
    pthread_mutex_lock(&lock);
    gift->next = *bucket;
    *bucket = gift;
    atomic_fetch_add_explicit(&gift_count, 1, memory_order_relaxed); /* relaxed: the receiver's lock comes next */
    pthread_mutex_unlock(&lock);
}

/* False: the receiver has taken it. */
static bool take_back(struct gift **bucket, struct gift *gift)
{
    pthread_mutex_lock(&lock);
    struct gift **at = bucket;
    while (*at != NULL && *at != gift)
        at = &(*at)->next;
    bool found = *at == gift;
    if (found) {
        *at = gift->next;
        atomic_fetch_sub_explicit(&gift_count, 1, memory_order_relaxed); /* relaxed: too many only costs a look */
    }
    pthread_mutex_unlock(&lock);
    return found;
}

static bool is_exiting(uint64_t pid)
{
    struct actor *actor = actor_find(pid);
    if (actor == NULL)
        return true;
    actor_lock(actor);
    bool exiting = (load_relaxed(&actor->flags) & ACTOR_EXITING) != 0; /* relaxed: under the lock */
    actor_unlock(actor);
    return exiting;
}

bool gift_offer(uint64_t to, struct gift *gift)
{
    struct gift **bucket = bucket_of(to);
    gift->to = to;
    list(bucket, gift);
    return !is_exiting(to) || !take_back(bucket, gift);
}

void gift_take_all(struct actor *self)
{
    struct gift **bucket = bucket_of(self->pid);
    struct gift *taken = NULL;
    pthread_mutex_lock(&lock);
    for (struct gift **at = bucket; *at != NULL;) {
        struct gift *gift = *at;
        if (gift->to != self->pid) {
            at = &gift->next;
            continue;
        }
        *at = gift->next;
        gift->next = taken;
        taken = gift;
        atomic_fetch_sub_explicit(&gift_count, 1, memory_order_relaxed); /* relaxed: too many only costs a look */
    }
    pthread_mutex_unlock(&lock);
    for (struct gift *gift = taken, *next; gift != NULL; gift = next) {
        next = gift->next;
        ledger_add(self, &gift->owned);
    }
}
