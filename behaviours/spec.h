/* spec.h: supervisor and child specs, checked and packed.
 *
 * A packed spec is one block without an address in it but static ones (servers, actors, functions, labels): it may be
 * copied anywhere, sent, and kept. All defaults are filled in. What has no fixed size stands behind the struct, found
 * by offsets from the struct's own begin; offset 0: none. A nested supervisor's whole tree is its child's argument.
 *
 *     struct tree   struct spec  id name arg ...   struct spec  id name arg ...
 *     |<-------------------------- tree.size ------------------------------>|
 *                   |<------- spec.size ------>|   |<------- spec.size ---->|
 *
 * Invariant: sizes are multiples of SPEC_ALIGN; spec.size covers every offset plus what is there. */
#ifndef TROUPE_BEHAVIOURS_SPEC_H
#define TROUPE_BEHAVIOURS_SPEC_H

#include <troupe/supervisor.h>

enum { SPEC_ALIGN = 8 };

enum child_kind { CHILD_SERVER, CHILD_SUPERVISOR, CHILD_ACTOR, CHILD_ENTRY, CHILD_START };

union child_target {
    const tr_gen_server *server;
    const tr_actor *actor;
    tr_entry *entry;
    int (*start)(const tr_msg *arg, tr_pid *pid);
};

/* What few children have. */
struct spec_extra {
    int64_t start_timeout_ms; /* >= 1 or TR_INFINITY */
    bool has_spawn;
    tr_spawn_options spawn;
};

struct spec {
    uint32_t size;
    uint8_t kind, restart; /* enum child_kind, tr_restart */
    bool significant;
    uint32_t id, name, extra; /* offsets; id and name may be the same */
    uint32_t arg, arg_size;
    int64_t shutdown_ms; /* >= 0, TR_INFINITY or TR_BRUTAL_KILL */
    union child_target target;
};

struct tree {
    size_t size, child_count;
    tr_strategy strategy;
    tr_auto_shutdown auto_shutdown;
    int intensity, period_s, max_children; /* max_children: INT_MAX: no limit */
    bool is_root;                          /* of tr_run: it says why it gave up */
    int64_t backoff_ms, backoff_max_ms;
};

/* Whether a spec is good by itself (spec_check) and among its siblings (tree_check): TR_OK; TR_ESPEC and *why;
 * TR_ENOMEM. */
int spec_check(const tr_child *child, tr_reason *why);
int tree_check(const tr_supervisor *supervisor, tr_reason *why);
/* Whether a child that is good by itself suits a supervisor of this kind. shutdown_ms: as in struct spec. */
int spec_suits(bool has_id, bool significant, int64_t shutdown_ms, tr_strategy strategy, tr_auto_shutdown auto_shutdown,
               tr_reason *why);
/* Makes *why the reason for TR_ESPEC and returns that. */
int spec_bad(tr_reason *why, const char *format, ...) TR_PRINTF(2, 3);
/* What a child is known by if nothing else is said: id, name or label; NULL: none of them. */
const char *spec_default_id(const tr_child *child);
/* Of a good spec: what is to be started, as the kind says. */
enum child_kind spec_target(const tr_child *child, union child_target *target);

/* Of a good spec: how large it is packed, and packing it into that many bytes, aligned for SPEC_ALIGN. */
size_t spec_size(const tr_child *child);
void spec_pack(const tr_child *child, struct spec *to);
size_t tree_size(const tr_supervisor *supervisor);
void tree_pack(const tr_supervisor *supervisor, struct tree *to);

/* Copies a packed spec, with its argument or without: the size of the copy, and the copy. */
size_t spec_copy_size(const struct spec *spec, bool with_arg);
void spec_copy(const struct spec *spec, bool with_arg, struct spec *to);

/* How much of a packed spec is neither id, name nor argument: the struct, and its extra. */
size_t spec_bare_size(const struct spec *spec);

/* Walks a tree: the first of child_count specs, and the one after a spec. */
const struct spec *tree_first(const struct tree *tree);
const struct spec *spec_next(const struct spec *spec);

/* Reading a packed spec; NULL: it has none. */
const char *spec_id(const struct spec *spec);
const char *spec_name(const struct spec *spec);
const void *spec_arg(const struct spec *spec);
const tr_spawn_options *spec_spawn(const struct spec *spec);
int64_t spec_start_timeout_ms(const struct spec *spec);

/* Turns a packed spec back into a tr_child: how large a block that takes, and filling it. */
size_t spec_unpacked_size(const struct spec *spec);
void spec_unpack(const struct spec *spec, void *block);

#endif
