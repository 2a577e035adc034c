/* children.c: the list of children and its two indexes. */
#include "children.h"

#include <string.h>

enum { INDEX_MIN = 8 };

#define KEY_MASK (UINT64_MAX >> 4) /* the bits of child.key */

/* ---- index: linear probing; a removed entry's followers move up, so there are no tombstones */

typedef uint64_t key_of(const struct child *child);

static uint64_t pid_key(const struct child *child) { return child->pid.id; }
static uint64_t id_key(const struct child *child) { return child->key; }

static uint64_t hash(uint64_t key) { return key * UINT64_C(0x9E3779B97F4A7C15); }
static size_t home(uint64_t hash_, size_t size) { return (size_t)(hash_ >> 32) & (size - 1); }

/* Marks: the distance above, FAR if it does not fit; a part of the hash below. */
enum { FAR = 255 };
static uint16_t mark(size_t distance, uint16_t part)
{
    return (uint16_t)((distance < FAR ? distance : FAR) << 8 | (part & 255U));
}
static uint16_t part_of(uint64_t hash_) { return (uint16_t)(hash_ >> 24 & 255); }

static size_t distance_at(const struct index *index, size_t at, key_of *key)
{
    size_t distance = index->marks[at] >> 8;
    return distance < FAR ? distance : (at - home(hash(key(index->slots[at])), index->size)) & (index->size - 1);
}

static void index_put(struct index *index, struct child *child, key_of *key)
{
    uint64_t hashed = hash(key(child));
    size_t at = home(hashed, index->size), distance = 0;
    for (; index->slots[at] != NULL; distance++)
        at = (at + 1) & (index->size - 1);
    index->slots[at] = child;
    index->marks[at] = mark(distance, part_of(hashed));
    index->used++;
}

/* id: what it must be known by as well, or NULL. */
static struct child *index_find(const struct index *index, uint64_t wanted, key_of *key, const char *id)
{
    uint64_t hashed = hash(wanted);
    if (index->size == 0)
        return NULL;
    for (size_t at = home(hashed, index->size); index->slots[at] != NULL; at = (at + 1) & (index->size - 1)) {
        struct child *child = index->slots[at];
        if ((index->marks[at] & 255) == part_of(hashed) && key(child) == wanted &&
            (id == NULL || strcmp(spec_id(child->spec), id) == 0))
            return child;
    }
    return NULL;
}

/* Gives the table this size, if there is memory; it must hold what is in it. */
static bool index_resize(struct index *index, size_t size, key_of *key)
{
    struct index wider = { .slots = tr_alloc(size * (sizeof(struct child *) + sizeof(uint16_t))), .size = size };
    if (wider.slots == NULL)
        return false;
    wider.marks = (uint16_t *)(void *)(wider.slots + size);
    for (size_t i = 0; i < index->size; i++)
        if (index->slots[i] != NULL)
            index_put(&wider, index->slots[i], key);
    tr_free(index->slots);
    *index = wider;
    return true;
}

/* Makes room for that many entries: at most three quarters of the slots are used. */
static bool index_reserve(struct index *index, size_t entries, key_of *key)
{
    size_t size = index->size == 0 ? INDEX_MIN : index->size;
    while (entries > size / 4 * 3)
        size *= 2;
    return size == index->size || index_resize(index, size, key);
}

/* After many are gone: the table may shrink, but keeps room for `entries`. */
static void index_trim(struct index *index, size_t entries, key_of *key)
{
    if (index->size > INDEX_MIN && entries < index->size / 8)
        (void)index_resize(index, index->size / 2, key); /* no memory: it stays as large as it is */
}

static void index_remove(struct index *index, const struct child *child, key_of *key)
{
    size_t mask = index->size - 1, hole = home(hash(key(child)), index->size);
    while (index->slots[hole] != child)
        hole = (hole + 1) & mask;
    for (size_t next = (hole + 1) & mask; index->slots[next] != NULL; next = (next + 1) & mask) {
        size_t distance = distance_at(index, next, key), step = (next - hole) & mask;
        if (distance < step)
            continue; /* its home lies behind the hole */
        index->slots[hole] = index->slots[next];
        index->marks[hole] = mark(distance - step, index->marks[next]);
        hole = next;
    }
    index->slots[hole] = NULL;
    index->used--;
}

/* ---- a child */

static size_t header_size(const struct children *children)
{
    return sizeof(struct child) + (children->named ? sizeof(struct order) : 0) +
           (children->backs_off ? sizeof(struct backoff) : 0);
}

/* What stands behind the header. */
static void *rest_of(const struct children *children, const struct child *child)
{
    return (char *)(uintptr_t)child + header_size(children);
}

static size_t own_arg_size(const struct child *child) { return child->has_arg ? child->key : 0; }

static size_t size_of(const struct children *children, const struct child *child)
{
    if (children->named)
        return header_size(children) + child->spec->size;
    size_t name_size = child->has_name ? strlen(child_name(children, child)) + 1 : 0;
    return header_size(children) + own_arg_size(child) + name_size;
}

struct child *child_new(struct children *children, const struct spec *spec, bool keep_arg)
{
    struct child *child = block_alloc(&children->blocks, header_size(children) + spec_copy_size(spec, keep_arg));
    if (child == NULL)
        return NULL;
    struct spec *copy = rest_of(children, child);
    spec_copy(spec, keep_arg, copy);
    child->spec = copy;
    return child;
}

struct child *child_new_pooled(struct children *children, const struct spec *spec, const char *name, const void *arg,
                               size_t arg_size)
{
    size_t name_size = name == NULL ? 0 : strlen(name) + 1;
    if (children->shaped && (spec = shape_take(&children->shapes, spec)) == NULL)
        return NULL;
    arg_size = arg == NULL ? 0 : arg_size;
    struct child *child = block_alloc(&children->blocks, header_size(children) + arg_size + name_size);
    if (child == NULL) {
        if (children->shaped)
            shape_drop(&children->shapes, spec);
        return NULL;
    }
    char *rest = rest_of(children, child);
    child->spec = spec;
    child->has_arg = arg != NULL;
    child->has_name = name != NULL;
    child->key = arg_size & KEY_MASK;
    if (arg_size > 0)
        memcpy(rest, arg, arg_size);
    if (name_size > 0)
        memcpy(rest + arg_size, name, name_size);
    return child;
}

void child_free(struct children *children, struct child *child)
{
    const struct spec *spec = child->spec;
    block_free(&children->blocks, child, size_of(children, child));
    if (children->shaped)
        shape_drop(&children->shapes, spec);
}

struct backoff *child_backoff(const struct children *children, struct child *child)
{
    return (struct backoff *)(void *)((char *)rest_of(children, child) - sizeof(struct backoff));
}

const void *child_arg(const struct children *children, const struct child *child, size_t *size)
{
    *size = child->has_arg ? child->key : child->spec->arg_size;
    return child->has_arg ? rest_of(children, child) : spec_arg(child->spec);
}

const char *child_name(const struct children *children, const struct child *child)
{
    if (!child->has_name)
        return spec_name(child->spec);
    return (const char *)rest_of(children, child) + own_arg_size(child);
}

bool child_is_supervisor(const struct child *child) { return child->spec->kind == CHILD_SUPERVISOR; }

const char *child_id(const struct children *children, const struct child *child)
{
    const char *id = children->named ? spec_id(child->spec) : NULL;
    return id == NULL ? "undefined" : id;
}

/* ---- all of them */

static uint64_t hash_of(const char *id) { return tr_name(id).id & KEY_MASK; }

static struct order *order_of(struct child *child) { return (struct order *)(child + 1); }

bool children_add(struct children *children, struct child *child)
{
    if (!index_reserve(&children->by_pid, children->count + 1, pid_key) ||
        (children->named && !index_reserve(&children->by_id, children->count + 1, id_key)))
        return false;
    children->count++;
    if (!children->named)
        return true;
    child->key = hash_of(spec_id(child->spec)) & KEY_MASK;
    index_put(&children->by_id, child, id_key);
    *order_of(child) = (struct order){ .before = children->last };
    *(children->last == NULL ? &children->first : &order_of(children->last)->after) = child;
    children->last = child;
    return true;
}

static void take_out(struct children *children, struct child *child)
{
    struct child *before = child_before(child), *after = child_after(child);
    index_remove(&children->by_id, child, id_key);
    *(before == NULL ? &children->first : &order_of(before)->after) = after;
    *(after == NULL ? &children->last : &order_of(after)->before) = before;
}

void children_remove(struct children *children, struct child *child)
{
    children_set(children, child, CHILD_STOPPED, (tr_pid){ 0 });
    if (children->named)
        take_out(children, child);
    children->count--;
    index_trim(&children->by_pid, children->count, pid_key);
    if (children->named)
        index_trim(&children->by_id, children->count, id_key);
    child_free(children, child);
}

void children_set(struct children *children, struct child *child, enum child_state state, tr_pid pid)
{
    if (child->pid.id != pid.id) {
        if (!tr_nobody(child->pid))
            index_remove(&children->by_pid, child, pid_key);
        child->pid = pid;
        if (!tr_nobody(pid))
            index_put(&children->by_pid, child, pid_key);
    }
    children->restarting += (size_t)(state == CHILD_RESTARTING) - (size_t)(child->state == CHILD_RESTARTING);
    if (child->spec->significant)
        children->significant_live += (size_t)(state != CHILD_STOPPED) - (size_t)(child->state != CHILD_STOPPED);
    child->state = (unsigned)state & 3U;
}

struct child *children_by_pid(const struct children *children, tr_pid pid)
{
    return tr_nobody(pid) ? NULL : index_find(&children->by_pid, pid.id, pid_key, NULL);
}

struct child *children_by_id(const struct children *children, const char *id)
{
    return index_find(&children->by_id, hash_of(id), id_key, id);
}

struct child *children_by_key(const struct children *children, uint64_t key)
{
    return index_find(&children->by_id, key, id_key, NULL);
}

struct child *children_walk(const struct children *children, const struct child *child, size_t *slot)
{
    if (children->named)
        return child == NULL ? children->last : child_before(child);
    while (*slot < children->by_pid.size)
        if (children->by_pid.slots[(*slot)++] != NULL)
            return children->by_pid.slots[*slot - 1];
    return NULL;
}

static bool is_valid(const struct children *children, const struct child *child, const struct child *after)
{
    if ((child->state == CHILD_STOPPED) > tr_nobody(child->pid) ||
        (child->state == CHILD_RUNNING && tr_nobody(child->pid)))
        return false;
    return !children->named || (child_after(child) == after && children_by_id(children, spec_id(child->spec)) == child);
}

bool children_valid(const struct children *children)
{
    size_t count = 0, restarting = 0, significant = 0, with_pid = 0, slot = 0;
    const struct child *after = NULL;
    for (const struct child *child = NULL; (child = children_walk(children, child, &slot)) != NULL; after = child) {
        if (!is_valid(children, child, after))
            return false;
        count++;
        restarting += child->state == CHILD_RESTARTING;
        significant += child->state != CHILD_STOPPED && child->spec->significant;
        with_pid += !tr_nobody(child->pid);
    }
    return (!children->named || (after == children->first && count == children->by_id.used)) &&
           count == children->count && restarting == children->restarting &&
           significant == children->significant_live && with_pid == children->by_pid.used;
}
