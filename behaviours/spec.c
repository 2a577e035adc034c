/* spec.c: packing specs, reading packed ones, and unpacking them. */
#include "spec.h"

#include <limits.h>
#include <string.h>

enum { BLOCK_ALIGN = 16 }; /* an unpacked argument is aligned for any type */

static size_t up(size_t size, size_t align) { return (size + align - 1) / align * align; }

static size_t string_size(const char *string) { return string == NULL ? 0 : strlen(string) + 1; }

/* ---- packing; the order behind the struct: extra, id, name, argument */

static bool has_extra(const tr_child *child) { return child->spawn != NULL || child->start_timeout_ms > 0; }

static bool id_is_name(const tr_child *child) { return child->name != NULL && spec_default_id(child) == child->name; }

static size_t size_without_arg(const tr_child *child)
{
    size_t size = sizeof(struct spec) + (has_extra(child) ? sizeof(struct spec_extra) : 0) + string_size(child->name);
    if (!id_is_name(child))
        size += string_size(spec_default_id(child));
    return up(size, SPEC_ALIGN);
}

static size_t arg_size(const tr_child *child)
{
    return child->supervisor != NULL ? tree_size(child->supervisor) : child->arg_size;
}

size_t spec_size(const tr_child *child) { return size_without_arg(child) + up(arg_size(child), SPEC_ALIGN); }

size_t tree_size(const tr_supervisor *supervisor)
{
    size_t size = sizeof(struct tree);
    for (size_t i = 0; i < supervisor->child_count; i++)
        size += spec_size(&supervisor->children[i]);
    return size;
}

static uint32_t put_string(struct spec *to, size_t *at, const char *string)
{
    size_t size = string_size(string), begin = *at;
    if (size == 0)
        return 0;
    memcpy((char *)to + begin, string, size);
    *at += size;
    return (uint32_t)begin;
}

enum child_kind spec_target(const tr_child *child, union child_target *target)
{
    if (child->server != NULL) {
        target->server = child->server;
        return CHILD_SERVER;
    }
    if (child->actor != NULL) {
        target->actor = child->actor;
        return CHILD_ACTOR;
    }
    if (child->entry != NULL) {
        target->entry = child->entry;
        return CHILD_ENTRY;
    }
    if (child->start != NULL) {
        target->start = child->start;
        return CHILD_START;
    }
    return CHILD_SUPERVISOR;
}

static int64_t shutdown_of(const tr_child *child)
{
    if (child->shutdown_ms == 0)
        return child->supervisor != NULL ? TR_INFINITY : 5000;
    return child->shutdown_ms == TR_ZERO ? 0 : child->shutdown_ms;
}

static size_t put_extra(const tr_child *child, struct spec *to, size_t at)
{
    if (!has_extra(child))
        return at;
    struct spec_extra *extra = (struct spec_extra *)(void *)((char *)to + at);
    extra->start_timeout_ms = child->start_timeout_ms == 0 ? TR_INFINITY : child->start_timeout_ms;
    extra->has_spawn = child->spawn != NULL;
    if (child->spawn != NULL)
        extra->spawn = *child->spawn;
    to->extra = (uint32_t)at;
    return at + sizeof *extra;
}

void spec_pack(const tr_child *child, struct spec *to)
{
    size_t size = spec_size(child), at = sizeof *to;
    memset(to, 0, size);
    to->size = (uint32_t)size;
    to->restart = (uint8_t)child->restart;
    to->significant = child->significant;
    to->shutdown_ms = shutdown_of(child);
    to->kind = (uint8_t)spec_target(child, &to->target);
    at = put_extra(child, to, at);
    to->name = put_string(to, &at, child->name);
    to->id = id_is_name(child) ? to->name : put_string(to, &at, spec_default_id(child));
    to->arg_size = (uint32_t)arg_size(child);
    if (to->arg_size == 0)
        return;
    to->arg = (uint32_t)up(at, SPEC_ALIGN);
    void *arg = (char *)to + to->arg;
    if (child->supervisor != NULL)
        tree_pack(child->supervisor, arg);
    else
        memcpy(arg, child->arg, child->arg_size);
}

static int intensity_of(const tr_supervisor *supervisor)
{
    if (supervisor->intensity == 0)
        return supervisor->strategy == TR_DYNAMIC ? 3 : 1;
    return supervisor->intensity == TR_ZERO ? 0 : supervisor->intensity;
}

static int max_children_of(const tr_supervisor *supervisor)
{
    if (supervisor->max_children == 0)
        return INT_MAX;
    return supervisor->max_children == TR_ZERO ? 0 : supervisor->max_children;
}

void tree_pack(const tr_supervisor *supervisor, struct tree *to)
{
    size_t at = sizeof *to;
    memset(to, 0, sizeof *to);
    to->child_count = supervisor->child_count;
    to->strategy = supervisor->strategy;
    to->auto_shutdown = supervisor->auto_shutdown;
    to->intensity = intensity_of(supervisor);
    to->period_s = supervisor->period_s == 0 ? 5 : supervisor->period_s;
    to->max_children = max_children_of(supervisor);
    to->backoff_ms = supervisor->backoff_ms;
    to->backoff_max_ms = supervisor->backoff_max_ms == 0 ? 60000 : supervisor->backoff_max_ms;
    for (size_t i = 0; i < supervisor->child_count; i++) {
        struct spec *spec = (struct spec *)(void *)((char *)to + at);
        spec_pack(&supervisor->children[i], spec);
        at += spec->size;
    }
    to->size = at;
}

/* ---- copying and reading */

size_t spec_copy_size(const struct spec *spec, bool with_arg)
{
    return with_arg || spec->arg == 0 ? spec->size : spec->arg;
}

void spec_copy(const struct spec *spec, bool with_arg, struct spec *to)
{
    size_t size = spec_copy_size(spec, with_arg);
    memcpy(to, spec, size);
    to->size = (uint32_t)size;
    if (!with_arg)
        to->arg = to->arg_size = 0;
}

size_t spec_bare_size(const struct spec *spec)
{
    return sizeof *spec + (spec->extra == 0 ? 0 : sizeof(struct spec_extra));
}

static const void *at_offset(const struct spec *spec, uint32_t offset)
{
    return offset == 0 ? NULL : (const char *)spec + offset;
}

const struct spec *tree_first(const struct tree *tree) { return (const struct spec *)(const void *)(tree + 1); }

const struct spec *spec_next(const struct spec *spec) { return at_offset(spec, spec->size); }

const char *spec_id(const struct spec *spec) { return at_offset(spec, spec->id); }

const char *spec_name(const struct spec *spec) { return at_offset(spec, spec->name); }

const void *spec_arg(const struct spec *spec) { return at_offset(spec, spec->arg); }

static const struct spec_extra *spec_extra(const struct spec *spec) { return at_offset(spec, spec->extra); }

const tr_spawn_options *spec_spawn(const struct spec *spec)
{
    const struct spec_extra *extra = spec_extra(spec);
    return extra != NULL && extra->has_spawn ? &extra->spawn : NULL;
}

int64_t spec_start_timeout_ms(const struct spec *spec)
{
    const struct spec_extra *extra = spec_extra(spec);
    return extra == NULL ? TR_INFINITY : extra->start_timeout_ms;
}

/* ---- unpacking: each piece takes its place from `rest`, which moves on */

static size_t unpacked_rest(const struct spec *spec);

static size_t unpacked_tree(const struct tree *tree)
{
    size_t size = up(sizeof(tr_supervisor), BLOCK_ALIGN) + up(tree->child_count * sizeof(tr_child), BLOCK_ALIGN);
    const struct spec *spec = tree_first(tree);
    for (size_t i = 0; i < tree->child_count; i++, spec = spec_next(spec))
        size += unpacked_rest(spec);
    return size;
}

/* What a spec takes beside its tr_child. */
static size_t unpacked_rest(const struct spec *spec)
{
    size_t size = spec_spawn(spec) == NULL ? 0 : up(sizeof(tr_spawn_options), BLOCK_ALIGN);
    size += up(string_size(spec_id(spec)), BLOCK_ALIGN) + up(string_size(spec_name(spec)), BLOCK_ALIGN);
    if (spec->kind == CHILD_SUPERVISOR && spec->arg != 0)
        return size + unpacked_tree(spec_arg(spec));
    return size + up(spec->arg_size, BLOCK_ALIGN);
}

size_t spec_unpacked_size(const struct spec *spec) { return up(sizeof(tr_child), BLOCK_ALIGN) + unpacked_rest(spec); }

static void *take(char **rest, const void *from, size_t size)
{
    void *place = *rest;
    if (size == 0)
        return NULL;
    if (from != NULL)
        memcpy(place, from, size);
    *rest += up(size, BLOCK_ALIGN);
    return place;
}

static void unpack_child(const struct spec *spec, tr_child *to, char **rest);

static tr_supervisor *unpack_tree(const struct tree *tree, char **rest)
{
    tr_supervisor *to = take(rest, NULL, sizeof *to);
    tr_child *children = take(rest, NULL, tree->child_count * sizeof *children);
    *to = (tr_supervisor){
        .strategy = tree->strategy,
        .intensity = tree->intensity == 0 ? TR_ZERO : tree->intensity,
        .period_s = tree->period_s,
        .auto_shutdown = tree->auto_shutdown,
        .children = children,
        .child_count = tree->child_count,
        .backoff_ms = tree->backoff_ms,
        .backoff_max_ms = tree->backoff_max_ms,
    };
    if (tree->max_children != INT_MAX)
        to->max_children = tree->max_children == 0 ? TR_ZERO : tree->max_children;
    const struct spec *spec = tree_first(tree);
    for (size_t i = 0; i < tree->child_count; i++, spec = spec_next(spec))
        unpack_child(spec, &children[i], rest);
    return to;
}

static void unpack_target(const struct spec *spec, tr_child *to)
{
    switch ((enum child_kind)spec->kind) {
    case CHILD_SERVER: to->server = spec->target.server; break;
    case CHILD_ACTOR: to->actor = spec->target.actor; break;
    case CHILD_ENTRY: to->entry = spec->target.entry; break;
    case CHILD_START: to->start = spec->target.start; break;
    case CHILD_SUPERVISOR: break;
    }
}

static void unpack_child(const struct spec *spec, tr_child *to, char **rest)
{
    const tr_spawn_options *spawn = spec_spawn(spec);
    *to = (tr_child){ .restart = (tr_restart)spec->restart, .significant = spec->significant };
    to->shutdown_ms = spec->shutdown_ms == 0 ? TR_ZERO : spec->shutdown_ms;
    to->start_timeout_ms = spec_start_timeout_ms(spec);
    to->id = take(rest, spec_id(spec), string_size(spec_id(spec)));
    to->name = take(rest, spec_name(spec), string_size(spec_name(spec)));
    to->spawn = take(rest, spawn, spawn == NULL ? 0 : sizeof *spawn);
    unpack_target(spec, to);
    if (spec->kind == CHILD_SUPERVISOR) {
        to->supervisor = spec->arg == 0 ? NULL : unpack_tree(spec_arg(spec), rest);
    } else {
        to->arg = take(rest, spec_arg(spec), spec->arg_size);
        to->arg_size = spec->arg_size;
    }
}

void spec_unpack(const struct spec *spec, void *block)
{
    char *rest = (char *)block + up(sizeof(tr_child), BLOCK_ALIGN);
    unpack_child(spec, block, &rest);
}
