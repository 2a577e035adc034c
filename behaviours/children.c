/* children.c: the list of children and its two indexes. */
#include "children.h"

#include <string.h>

enum { INDEX_MIN = 8 };

#define KEY_MASK (UINT64_MAX >> 3) /* the bits of child.key */

/* ---- index: linear probing; a removed entry's followers move up, so there are no tombstones */

typedef uint64_t key_of(const struct child *child);

static uint64_t pid_key(const struct child *child) { return child->pid.id; }
static uint64_t id_key(const struct child *child) { return child->key; }

static size_t home(uint64_t key, size_t size)
{
    key *= UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(key >> 32) & (size - 1);
}

static void index_put(struct index *index, struct child *child, key_of *key)
{
    size_t at = home(key(child), index->size);
    while (index->slots[at] != NULL)
        at = (at + 1) & (index->size - 1);
    index->slots[at] = child;
    index->used++;
}

/* Gives the table this size, if there is memory; it must hold what is in it. */
static bool index_resize(struct index *index, size_t size, key_of *key)
{
    struct index wider = { .slots = tr_alloc(size * sizeof(struct child *)), .size = size };
    if (wider.slots == NULL)
        return false;
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
    size_t mask = index->size - 1, hole = home(key(child), index->size);
    while (index->slots[hole] != child)
        hole = (hole + 1) & mask;
    for (size_t next = (hole + 1) & mask; index->slots[next] != NULL; next = (next + 1) & mask) {
        size_t at_home = home(key(index->slots[next]), index->size);
        if (((next - at_home) & mask) < ((next - hole) & mask))
            continue; /* its home lies behind the hole */
        index->slots[hole] = index->slots[next];
        hole = next;
    }
    index->slots[hole] = NULL;
    index->used--;
}

/* ---- a child */

static size_t header_size(const struct children *children)
{
    return sizeof(struct child) + (children->backs_off ? sizeof(struct backoff) : 0);
}

struct child *child_new(const struct children *children, const struct spec *spec, bool own, bool keep_arg,
                        const void *arg, size_t arg_size)
{
    size_t header = header_size(children);
    struct child *child = tr_alloc(header + (own ? spec_copy_size(spec, keep_arg) : arg_size));
    if (child == NULL)
        return NULL;
    char *rest = (char *)child + header;
    child->spec = spec;
    if (own) {
        struct spec *copy = (struct spec *)(void *)rest;
        spec_copy(spec, keep_arg, copy);
        child->spec = copy;
    } else if (arg != NULL) {
        memcpy(rest, arg, arg_size);
        child->has_arg = 1;
        child->key = arg_size & KEY_MASK;
    }
    return child;
}

void child_free(struct child *child) { tr_free(child); }

struct backoff *child_backoff(struct child *child) { return (struct backoff *)(void *)(child + 1); }

const void *child_arg(const struct children *children, const struct child *child, size_t *size)
{
    *size = child->has_arg ? child->key : child->spec->arg_size;
    return child->has_arg ? (const char *)child + header_size(children) : spec_arg(child->spec);
}

bool child_is_supervisor(const struct child *child) { return child->spec->kind == CHILD_SUPERVISOR; }

const char *child_id(const struct children *children, const struct child *child)
{
    const char *id = children->named ? spec_id(child->spec) : NULL;
    return id == NULL ? "undefined" : id;
}

/* ---- all of them */

static uint64_t hash_of(const char *id) { return tr_name(id).id & KEY_MASK; }

bool children_add(struct children *children, struct child *child)
{
    if (!index_reserve(&children->by_pid, children->count + 1, pid_key) ||
        (children->named && !index_reserve(&children->by_id, children->count + 1, id_key)))
        return false;
    if (children->named) {
        child->key = hash_of(spec_id(child->spec)) & KEY_MASK;
        index_put(&children->by_id, child, id_key);
    }
    child->before = children->last;
    child->after = NULL;
    *(children->last == NULL ? &children->first : &children->last->after) = child;
    children->last = child;
    children->count++;
    return true;
}

void children_remove(struct children *children, struct child *child)
{
    children_set(children, child, CHILD_STOPPED, (tr_pid){ 0 });
    if (children->named)
        index_remove(&children->by_id, child, id_key);
    *(child->before == NULL ? &children->first : &child->before->after) = child->after;
    *(child->after == NULL ? &children->last : &child->after->before) = child->before;
    children->count--;
    index_trim(&children->by_pid, children->count, pid_key);
    if (children->named)
        index_trim(&children->by_id, children->count, id_key);
    child_free(child);
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
    const struct index *index = &children->by_pid;
    if (index->size == 0 || tr_nobody(pid))
        return NULL;
    for (size_t at = home(pid.id, index->size); index->slots[at] != NULL; at = (at + 1) & (index->size - 1))
        if (tr_same(index->slots[at]->pid, pid))
            return index->slots[at];
    return NULL;
}

struct child *children_by_id(const struct children *children, const char *id)
{
    const struct index *index = &children->by_id;
    if (index->size == 0)
        return NULL;
    uint64_t key = hash_of(id);
    for (size_t at = home(key, index->size); index->slots[at] != NULL; at = (at + 1) & (index->size - 1))
        if (index->slots[at]->key == key && strcmp(spec_id(index->slots[at]->spec), id) == 0)
            return index->slots[at];
    return NULL;
}

struct child *children_by_key(const struct children *children, uint64_t key)
{
    const struct index *index = &children->by_id;
    if (index->size == 0)
        return NULL;
    for (size_t at = home(key, index->size); index->slots[at] != NULL; at = (at + 1) & (index->size - 1))
        if (index->slots[at]->key == key)
            return index->slots[at];
    return NULL;
}

bool children_valid(const struct children *children)
{
    size_t count = 0, restarting = 0, significant = 0, with_pid = 0;
    const struct child *before = NULL;
    for (const struct child *child = children->first; child != NULL; before = child, child = child->after) {
        count++;
        restarting += child->state == CHILD_RESTARTING;
        significant += child->state != CHILD_STOPPED && child->spec->significant;
        with_pid += !tr_nobody(child->pid);
        if (child->before != before || (child->state == CHILD_STOPPED) > tr_nobody(child->pid) ||
            (child->state == CHILD_RUNNING && tr_nobody(child->pid)))
            return false;
        if (children->named && children_by_id(children, spec_id(child->spec)) != child)
            return false;
    }
    return before == children->last && count == children->count && restarting == children->restarting &&
           significant == children->significant_live && with_pid == children->by_pid.used &&
           (!children->named || count == children->by_id.used);
}
