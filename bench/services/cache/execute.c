/* execute.c: see execute.h. One function for each operation; each appends exactly one reply. */
#include "execute.h"

#include <string.h>

#include "glob.h"

enum { VALUE_MAX = 512 * 1024 * 1024 };

static const char not_an_integer[] = "-ERR value is not an integer or out of range\r\n";
static const char out_of_memory[] = "-OOM command not allowed when used memory > 'maxmemory'.\r\n";

/* One operation under way. */
struct job {
    struct execution *execution;
    struct store *store;
    const struct operation *operation;
    struct slice key, value;
    struct bytes *out;
};

static bool has(const struct job *job, int flag) { return (job->operation->flags & flag) != 0; }

static struct entry *find(const struct job *job) { return store_find(job->store, job->key, job->operation->hash); }

/* find, for commands that read: counted. */
static struct entry *look_up(const struct job *job)
{
    struct entry *entry = find(job);
    if (entry != NULL)
        job->execution->hits++;
    else
        job->execution->misses++;
    return entry;
}

static void reply_value(const struct job *job, struct entry *entry)
{
    if (entry == NULL)
        reply_nil(job->out);
    else
        reply_bulk(job->out, entry_value(entry), entry->size);
}

/* Whether there is room for more; if not, evicts or refuses. */
static bool has_room(const struct job *job)
{
    struct execution *execution = job->execution;
    if (execution->limit_bytes == 0)
        return true;
    while (store_used(job->store) + execution->others_bytes > execution->limit_bytes)
        if (!execution->evict || !store_evict(job->store))
            return false;
    return true;
}

/* has_room, with the reply to give if there is none. */
static bool admit(const struct job *job)
{
    if (has_room(job))
        return true;
    reply_text(job->out, out_of_memory);
    return false;
}

/* Gives the key this value; entry: what find said. NULL: no memory, and the reply says so. */
static struct entry *write_value(const struct job *job, struct entry *entry, struct slice value)
{
    if (entry == NULL)
        entry = store_add(job->store, job->key, job->operation->hash, value.size);
    else
        entry = store_resize(job->store, entry, value.size, false);
    if (entry == NULL)
        reply_text(job->out, out_of_memory);
    else if (value.size > 0)
        memcpy(entry_value(entry), value.data, value.size);
    return entry;
}

static void do_get(struct job *job) { reply_value(job, look_up(job)); }

/* The old value is not the reply, after all. */
static void forget_reply(const struct job *job, size_t begin, size_t end)
{
    if (begin == end)
        return;
    memmove(job->out->data + begin, job->out->data + end, job->out->size - end);
    job->out->size -= end - begin;
}

static void do_set(struct job *job)
{
    if (!admit(job))
        return;
    struct entry *entry = has(job, OP_RETURN_OLD) ? look_up(job) : find(job);
    size_t begin = job->out->size;
    if (has(job, OP_RETURN_OLD))
        reply_value(job, entry);
    if ((has(job, OP_IF_NEW) && entry != NULL) || (has(job, OP_IF_THERE) && entry == NULL)) {
        if (has(job, OP_COUNTED))
            reply_integer(job->out, 0);
        else if (!has(job, OP_RETURN_OLD))
            reply_nil(job->out);
        return;
    }
    size_t answered = job->out->size;
    entry = write_value(job, entry, job->value);
    if (entry == NULL) {
        forget_reply(job, begin, answered);
        return;
    }
    if (!has(job, OP_DEADLINE) && !has(job, OP_KEEP_TTL))
        store_persist(job->store, entry);
    if (has(job, OP_DEADLINE) && !store_expire(job->store, entry, job->operation->number)) {
        store_remove(job->store, entry);
        forget_reply(job, begin, answered);
        reply_text(job->out, out_of_memory);
    } else if (has(job, OP_COUNTED))
        reply_integer(job->out, 1);
    else if (!has(job, OP_RETURN_OLD))
        reply_ok(job->out);
}

static void do_mset(struct job *job)
{
    if (has(job, OP_FIRST))
        job->execution->refused = !has_room(job);
    if (job->execution->refused) {
        reply_text(job->out, out_of_memory);
        return;
    }
    struct entry *entry = write_value(job, find(job), job->value);
    if (entry == NULL)
        return;
    store_persist(job->store, entry);
    reply_ok(job->out);
}

static void do_getdel(struct job *job)
{
    struct entry *entry = look_up(job);
    reply_value(job, entry);
    if (entry != NULL)
        store_remove(job->store, entry);
}

static void do_getex(struct job *job)
{
    struct entry *entry = look_up(job);
    reply_value(job, entry);
    if (entry == NULL)
        return;
    if (has(job, OP_DEADLINE))
        store_expire(job->store, entry, job->operation->number);
    else if (has(job, OP_DROP_TTL))
        store_persist(job->store, entry);
}

static void do_getrange(struct job *job)
{
    struct entry *entry = look_up(job);
    int64_t size = entry == NULL ? 0 : entry->size, first = job->operation->number, last = 0;
    number_parse(job->value, &last);
    bool nothing = first < 0 && last < 0 && first > last;
    first = first < 0 ? (first + size < 0 ? 0 : first + size) : first;
    last = last < 0 ? (last + size < 0 ? 0 : last + size) : last;
    last = last >= size ? size - 1 : last;
    if (nothing || first > last || size == 0)
        reply_bulk(job->out, "", 0);
    else
        reply_bulk(job->out, entry_value(entry) + first, (size_t)(last - first + 1));
}

static void do_del(struct job *job)
{
    struct entry *entry = find(job);
    if (entry != NULL)
        store_remove(job->store, entry);
    reply_integer(job->out, entry != NULL);
}

static void do_exists(struct job *job) { reply_integer(job->out, look_up(job) != NULL); }

static void do_incrby(struct job *job)
{
    if (!admit(job))
        return;
    struct entry *entry = find(job);
    int64_t value = 0;
    if (entry != NULL && !number_parse((struct slice){ entry_value(entry), entry->size }, &value)) {
        reply_text(job->out, not_an_integer);
        return;
    }
    if (__builtin_add_overflow(value, job->operation->number, &value)) {
        reply_text(job->out, "-ERR increment or decrement would overflow\r\n");
        return;
    }
    char text[NUMBER_MAX];
    if (write_value(job, entry, (struct slice){ text, number_write(text, value) }) != NULL)
        reply_integer(job->out, value);
}

static void do_append(struct job *job)
{
    if (!admit(job))
        return;
    struct entry *entry = find(job);
    size_t old = entry == NULL ? 0 : entry->size, size = old + job->value.size;
    if (size > VALUE_MAX) {
        reply_text(job->out, "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n");
        return;
    }
    if (entry == NULL) {
        entry = write_value(job, NULL, job->value);
    } else if ((entry = store_resize(job->store, entry, size, true)) == NULL) {
        reply_text(job->out, out_of_memory);
    } else if (job->value.size > 0) {
        memcpy(entry_value(entry) + old, job->value.data, job->value.size);
    }
    if (entry != NULL)
        reply_integer(job->out, (int64_t)size);
}

static void do_strlen(struct job *job)
{
    struct entry *entry = look_up(job);
    reply_integer(job->out, entry == NULL ? 0 : entry->size);
}

static bool may_expire(const struct job *job, int64_t now, int64_t wanted)
{
    if (has(job, OP_IF_NEW) && now != -1)
        return false;
    if (has(job, OP_IF_THERE) && now == -1)
        return false;
    if (has(job, OP_LATER) && (now == -1 || wanted <= now))
        return false;
    return !has(job, OP_EARLIER) || now == -1 || wanted < now;
}

static void do_expire(struct job *job)
{
    struct entry *entry = find(job);
    int64_t when_ms = job->operation->number;
    if (entry == NULL || !may_expire(job, entry_deadline(job->store, entry), when_ms)) {
        reply_integer(job->out, 0);
        return;
    }
    if (when_ms <= job->store->now_ms)
        store_remove(job->store, entry);
    else if (!store_expire(job->store, entry, when_ms)) {
        reply_text(job->out, out_of_memory);
        return;
    }
    reply_integer(job->out, 1);
}

static void do_ttl(struct job *job)
{
    struct entry *entry = look_up(job);
    int64_t left_ms = entry == NULL ? -2 : entry_deadline(job->store, entry);
    if (left_ms >= 0) {
        left_ms -= job->store->now_ms;
        if (has(job, OP_SECONDS))
            left_ms = (left_ms + 500) / 1000;
    }
    reply_integer(job->out, left_ms);
}

static void do_persist(struct job *job)
{
    struct entry *entry = find(job);
    reply_integer(job->out, entry != NULL && store_persist(job->store, entry));
}

static void do_type(struct job *job) { reply_text(job->out, look_up(job) != NULL ? "+string\r\n" : "+none\r\n"); }

/* ---- the whole shard */

struct listing {
    struct bytes *out;
    struct slice pattern;
    bool all, nothing;
    uint32_t count;
};

static void list_entry(void *arg, const struct entry *entry)
{
    struct listing *listing = arg;
    struct slice key = entry_key(entry);
    if (listing->nothing || (!listing->all && !glob_match(listing->pattern, key)))
        return;
    reply_bulk(listing->out, key.data, key.size);
    listing->count++;
}

static void do_keys(struct job *job)
{
    struct listing listing = { .out = job->out, .pattern = job->key };
    uint64_t cursor = 0;
    bytes_add(job->out, "*", 1);
    size_t begin = job->out->size;
    bytes_add(job->out, &listing.count, sizeof listing.count);
    do
        cursor = store_scan(job->store, cursor, list_entry, &listing);
    while (cursor != 0);
    if (!job->out->failed)
        memcpy(job->out->data + begin, &listing.count, sizeof listing.count);
}

/* The cursor of the client: place in the shard * shards + shard. */
static void do_scan(struct job *job)
{
    uint64_t cursor = (uint64_t)job->operation->number / job->execution->shards;
    uint64_t count = job->operation->hash, steps = count * 10;
    struct bytes keys = { 0 };
    struct listing listing = {
        .out = &keys, .pattern = job->key, .all = has(job, OP_NO_PATTERN), .nothing = has(job, OP_NO_SUCH_TYPE)
    };
    do
        cursor = store_scan(job->store, cursor, list_entry, &listing);
    while (cursor != 0 && steps-- > 0 && listing.count < count);
    uint64_t shard = job->execution->shard;
    if (cursor == 0) /* on to the next shard */
        shard = shard + 1 == job->execution->shards ? 0 : shard + 1;
    char text[NUMBER_MAX];
    reply_array(job->out, 2);
    reply_bulk(job->out, text, number_write(text, (int64_t)(cursor * job->execution->shards + shard)));
    reply_array(job->out, listing.count);
    bytes_add(job->out, keys.data, keys.size);
    job->out->failed |= keys.failed;
    bytes_release(&keys);
}

static void do_size(struct job *job) { reply_integer(job->out, (int64_t)store_count(job->store)); }

static void do_clear(struct job *job)
{
    store_clear(job->store);
    reply_ok(job->out);
}

static void do_stats(struct job *job)
{
    const struct execution *execution = job->execution;
    const struct store *store = job->store;
    struct operation_stats stats = { .keys = store_count(store),
                                     .expires = store->deadline_count,
                                     .used_bytes = store_used(store),
                                     .commands = execution->commands,
                                     .hits = execution->hits,
                                     .misses = execution->misses,
                                     .expired = store->expired,
                                     .evicted = store->evicted,
                                     .started_ms = execution->started_ms };
    bytes_add(job->out, "*", 1);
    bytes_add(job->out, &stats, sizeof stats);
}

static void (*const jobs[OP_CODES])(struct job *job) = {
    [OP_GET] = do_get,           [OP_SET] = do_set,         [OP_MSET] = do_mset,     [OP_GETDEL] = do_getdel,
    [OP_GETEX] = do_getex,       [OP_DEL] = do_del,         [OP_EXISTS] = do_exists, [OP_INCRBY] = do_incrby,
    [OP_GETRANGE] = do_getrange, [OP_APPEND] = do_append,   [OP_STRLEN] = do_strlen, [OP_EXPIRE] = do_expire,
    [OP_TTL] = do_ttl,           [OP_PERSIST] = do_persist, [OP_TYPE] = do_type,     [OP_KEYS] = do_keys,
    [OP_SCAN] = do_scan,         [OP_SIZE] = do_size,       [OP_CLEAR] = do_clear,   [OP_STATS] = do_stats,
};

static bool execute_all(struct execution *execution, const char *at, const char *end, uint32_t count,
                        struct bytes *answer, uint32_t *sizes)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct operation *operation = (const struct operation *)(const void *)at;
        if ((size_t)(end - at) < sizeof *operation || (size_t)(end - at) < operation_size(operation) ||
            operation->code >= OP_CODES)
            return false;
        const char *key = at + sizeof *operation, *value = key + operation->key_size;
        if (operation->borrowed)
            memcpy(&value, key + operation->key_size, sizeof value);
        struct job job = { .execution = execution,
                           .store = execution->store,
                           .operation = operation,
                           .key = { key, operation->key_size },
                           .value = { value, operation->value_size },
                           .out = answer };
        size_t before = answer->size;
        jobs[operation->code](&job);
        sizes[i] = (uint32_t)(answer->size - before);
        at += operation_size(operation);
    }
    return true;
}

bool execute_request(struct execution *execution, const void *body, size_t size, struct bytes *answer)
{
    enum { FEW = 64 };
    const struct operation_head *head = body;
    if (size < sizeof *head)
        return false;
    uint32_t few[FEW];
    struct bytes many = { 0 };
    uint32_t *sizes = few;
    size_t sizes_bytes = (size_t)head->operations * sizeof *sizes;
    if (head->operations > FEW) {
        if (!bytes_reserve(&many, sizes_bytes))
            return false;
        sizes = (uint32_t *)(void *)many.data;
    }
    execution->commands += head->commands;
    bool done = execute_all(execution, (const char *)body + sizeof *head, (const char *)body + size, head->operations,
                            answer, sizes);
    if (done)
        bytes_add(answer, sizes, sizes_bytes);
    bytes_release(&many);
    return done && !answer->failed;
}
