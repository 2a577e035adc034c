/* names.c: the registry. */
#include "actor/names.h"

#include "base/random.h"

#include <urcu/rculfhash.h>

struct name_entry {
    struct cds_lfht_node node;
    uint64_t hashed;          /* (c) with PID_NAME_BIT */
    uint64_t pid;             /* (c) */
    _Atomic uint32_t leaving; /* 1: it is about to be deleted */
    struct retired retired;
    char text[]; /* (c) */
};

enum { BUCKETS_LEAST = 64, COUNTED_AT = 8 };

static struct cds_lfht *table;   /* (c) while the runtime runs */
static _Atomic int64_t count;    /* names, but for what workers keep to themselves: names_change */
static _Atomic uint64_t buckets; /* a power of two; changed by whoever holds `resizing` */
static _Atomic uint32_t resizing;
static CACHE_ALIGNED _Atomic uint64_t removals; /* entries deleted so far, of all runtimes of this program */
static uint64_t key[2]; /* (c) from the first use on: names may be hashed before the runtime starts */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static _Atomic uint32_t key_made;

/* ---- SipHash-1-3 */

static inline uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline uint64_t four_bytes(const unsigned char *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The last 0 to 7 bytes, the first of them lowest; those that are read twice are the same. */
static inline uint64_t rest_of(const char *text, size_t size)
{
    const unsigned char *at = (const unsigned char *)text;
    if (size >= 4)
        return four_bytes(at) | four_bytes(at + size - 4) << 8 * (size - 4);
    return size == 0 ? 0 : at[0] | (uint64_t)at[size / 2] << 8 * (size / 2) | (uint64_t)at[size - 1] << 8 * (size - 1);
}

static inline void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

/* last: the rest and, in its top byte, the size. */
static uint64_t siphash(const char *text, size_t whole, uint64_t last)
{
    uint64_t v[4] = { key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                      key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573) };
    for (size_t i = 0; i < whole; i++) {
        uint64_t word;
        memcpy(&word, text + 8 * i, 8);
        sip_word(v, word);
    }
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* With PID_NAME_BIT. A worker remembers what the few short names come to that it meets: their words, which are hashed,
 * are compared, and are the whole text and its size. */
static uint64_t hash_name(const char *text, size_t size)
{
    size_t whole = size / 8;
    uint64_t last = (uint64_t)size << 56 | rest_of(text + 8 * whole, size % 8), first = 0;
    struct context *context = context_self();
    if (UNLIKELY(whole > 1 || last == 0 || context == NULL || context->worker == NULL))
        return siphash(text, whole, last) | PID_NAME_BIT;
    if (whole == 1)
        memcpy(&first, text, 8);
    struct name_hashed *known = &context->names_hashed[(first + last) * UINT64_C(0x9E3779B97F4A7C15) >> 61];
    if (UNLIKELY(known->words[1] != last || known->words[0] != first)) /* a free one has 0, which is no name's last */
        *known = (struct name_hashed){ { first, last }, siphash(text, whole, last) | PID_NAME_BIT };
    return known->hashed;
}
_Static_assert(NAMES_HASHED == 8, "the upper three bits of a product say which");

static void make_key(void)
{
    struct random random = { random_seed() };
    key[0] = random_next(&random);
    key[1] = random_next(&random) ^ random_seed();
    store_release(&key_made, 1); /* [NK1] pairs with [NK2] */
}

API tr_pid tr_name(const char *name)
{
    if (UNLIKELY(load_acquire(&key_made) == 0)) /* [NK2] the key; pairs with [NK1] */
        pthread_once(&key_once, make_key);
    return (tr_pid){ hash_name(name, strlen(name)) };
}

/* ---- the table */

static int match(struct cds_lfht_node *node, const void *hashed)
{
    TSAN_ACQUIRE(&table); /* the table's compare-and-swap that made the node reachable, and its load that found it */
    return CONTAINER_OF(node, struct name_entry, node)->hashed == *(const uint64_t *)hashed;
}

bool names_open(void)
{
    store_relaxed(&count, 0);
    store_relaxed(&buckets, BUCKETS_LEAST);
    table = cds_lfht_new_flavor(BUCKETS_LEAST, BUCKETS_LEAST, 0, 0, reclaim_flavor(), NULL);
    return table != NULL;
}

void names_close(void)
{
    int failed = cds_lfht_destroy(table, NULL);
    tr_check(failed == 0);
    table = NULL;
}

static struct name_entry *find(uint64_t hashed)
{
    SIM_TOUCH(hashed);
    SIM_POINT();
    struct cds_lfht_iter iter;
    cds_lfht_lookup(table, hashed, match, &hashed, &iter);
    struct cds_lfht_node *node = cds_lfht_iter_get_node(&iter);
    return node == NULL ? NULL : CONTAINER_OF(node, struct name_entry, node);
}

static NOINLINE uint64_t find_and_remember(struct name_seen *seen, uint64_t hashed)
{
    uint64_t before = load_acquire(&removals); /* [NM2] pairs with [NM1] */
    struct name_entry *entry = find(hashed);
    if (entry == NULL)
        return 0;
    if (load_relaxed(&entry->leaving) == 0)
        *seen = (struct name_seen){ hashed, entry->pid, before };
    return entry->pid;
}

uint64_t names_find(uint64_t hashed)
{
    SIM_TOUCH(hashed);
    struct name_seen *seen = &context_self()->names_seen[hashed % NAMES_SEEN];
    if (LIKELY(seen->hashed == hashed && seen->removals == load_acquire(&removals))) /* [NM3] pairs with [NM1] */
        return seen->pid;
    return find_and_remember(seen, hashed);
}

/* One more name, or one less; outside read sections. A worker keeps the last few of its own to itself: who is started
 * again under a name that has just been given up changes nothing. Whoever sees that the table has the wrong size
 * resizes it, here and now: liburcu's own resizing runs on a thread of its own, which simulation must not have. */
static void resize(struct context *context, int32_t change)
{
    if (LIKELY(context->worker != NULL)) {
        change += context->names_change;
        bool few = change > -COUNTED_AT && change < COUNTED_AT;
        context->names_change = few ? change : 0;
        if (few)
            return;
    }
    int64_t names = atomic_fetch_add_explicit(&count, change, memory_order_relaxed) + change;
    uint64_t size = load_relaxed(&buckets), wanted = size;
    if (names > (int64_t)(2 * size))
        wanted = 4 * size;
    else if (size > BUCKETS_LEAST && names < (int64_t)(size / 16))
        wanted = size / 4;
    if (LIKELY(wanted == size) || atomic_exchange_explicit(&resizing, 1, memory_order_acquire) != 0)
        return;
    if (load_relaxed(&buckets) == size) {
        cds_lfht_resize(table, wanted);
        store_relaxed(&buckets, wanted);
    }
    store_release(&resizing, 0);
}

static void free_entry(struct retired *item, void *context)
{
    pool_free(((struct context *)context)->pool, CONTAINER_OF(item, struct name_entry, retired));
}

struct name_entry *names_take_out(struct actor *actor)
{
    struct name_entry *entry = actor->name;
    if (entry == NULL)
        return NULL;
    actor->name = NULL;
    SIM_TOUCH(entry->hashed);
    store_relaxed(&entry->leaving, 1);
    atomic_fetch_add_explicit(&removals, 1, memory_order_release); /* [NM1] pairs with [NM2] and [NM3] */
    SIM_POINT();
    tr_check(cds_lfht_del(table, &entry->node) == 0);
    return entry;
}

void names_retire(struct context *context, struct name_entry *entry)
{
    entry->retired.release = free_entry;
    reclaim_retire(context->bin, &entry->retired);
    resize(context, -1);
}

/* Takes the actor's name away, if it has one, and if it is this one (NULL: whichever): the entry, for names_retire, or
 * NULL. It is out of the table, too, and under the actor's lock, so that whoever finds the actor without a name finds
 * the name free. Inside a read section. */
static struct name_entry *detach(struct actor *actor, const struct name_entry *wanted)
{
    actor_lock(actor);
    struct name_entry *entry = wanted == NULL || actor->name == wanted ? names_take_out(actor) : NULL;
    actor_unlock(actor);
    return entry;
}

/* Gives the entry to the actor, if it may have it, and puts it into the table, if the name is free: under the actor's
 * lock, so that nobody sees a name that is refused afterwards. Inside a read section; the entry is the caller's if it
 * fails. */
static int attach(struct context *context, struct name_entry *entry, struct actor *actor)
{
    int status = (load_relaxed(&actor->flags) & ACTOR_EXITING) != 0 ? TR_ENOPROC
                 : actor->name != NULL                              ? TR_ETAKEN
                                                                    : TR_OK;
    SIM_POINT();
    if (status == TR_OK &&
        cds_lfht_add_unique(table, entry->hashed, match, &entry->hashed, &entry->node) != &entry->node)
        status = TR_ETAKEN;
    if (status != TR_OK)
        return status;
    actor->name = entry;
    trace_event(context->trace, TRACE_REGISTER, actor->pid);
    return TR_OK;
}

/* An entry for the actor; NULL: no memory. */
static struct name_entry *new_entry(struct context *context, const char *name, size_t size, const struct actor *actor)
{
    struct name_entry *entry = pool_alloc(context->pool, sizeof *entry + size);
    if (entry == NULL)
        return NULL;
    SIM_TOUCH(tr_name(name).id);
    cds_lfht_node_init(&entry->node);
    entry->hashed = tr_name(name).id;
    entry->pid = actor->pid;
    store_relaxed(&entry->leaving, 0);
    memcpy(entry->text, name, size);
    TSAN_RELEASE(&table); /* pairs with the acquire in match */
    return entry;
}

static int add_name(struct context *context, const char *name, struct actor *actor, bool locked)
{
    size_t size = strlen(name) + 1;
    if (size == 1)
        return TR_EINVAL;
    struct name_entry *entry = new_entry(context, name, size, actor);
    if (entry == NULL)
        return TR_ENOMEM;
    read_begin();
    if (!locked)
        actor_lock(actor);
    int status = attach(context, entry, actor);
    if (!locked)
        actor_unlock(actor);
    read_end();
    if (status != TR_OK)
        pool_free(context->pool, entry);
    return status;
}

int names_register(struct context *context, const char *name, struct actor *actor)
{
    return add_name(context, name, actor, true);
}

void names_registered(struct context *context) { resize(context, 1); }

void names_release(struct context *context, struct actor *actor)
{
    read_begin();
    struct name_entry *entry = detach(actor, NULL);
    read_end();
    if (entry != NULL)
        names_retire(context, entry);
}

void names_copy(struct actor *actor, char *out, size_t size)
{
    actor_lock(actor);
    struct name_entry *entry = actor->name;
    size_t length = entry == NULL ? 0 : strnlen(entry->text, size - 1);
    if (length > 0)
        memcpy(out, entry->text, length);
    out[length] = '\0';
    actor_unlock(actor);
}

/* ---- the public functions */

API tr_pid tr_whereis(const char *name)
{
    struct context *context = api_enter();
    if (context == NULL)
        return (tr_pid){ 0 };
    read_begin();
    tr_pid pid = { names_find(tr_name(name).id) };
    read_end();
    api_leave(context);
    return pid;
}

API int tr_register(const char *name, tr_pid pid)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    read_begin();
    struct actor *actor = actor_find(pid.id);
    int status = (pid.id & PID_NAME_BIT) != 0 ? TR_EINVAL
                 : actor == NULL              ? TR_ENOPROC
                                              : add_name(context, name, actor, false);
    read_end();
    if (status == TR_OK)
        resize(context, 1);
    api_leave(context);
    return status;
}

/* Takes the entry of this name away from its actor: that, or NULL. Inside a read section. */
static struct name_entry *unregister(uint64_t hashed)
{
    struct name_entry *entry = find(hashed);
    struct actor *actor = entry == NULL ? NULL : actor_find(entry->pid);
    return actor == NULL ? NULL : detach(actor, entry); /* no actor: it is dead, and its name was free before */
}

API int tr_unregister(const char *name)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    read_begin();
    struct name_entry *entry = unregister(tr_name(name).id);
    read_end();
    if (entry != NULL) {
        names_retire(context, entry);
        trace_event(context->trace, TRACE_UNREGISTER, tr_name(name).id);
    }
    api_leave(context);
    return entry != NULL ? TR_OK : TR_ENOPROC;
}
