/* names.h: the registry: names to processes (D14).
 *
 * A name in a tr_pid is a keyed 63-bit hash (SipHash-1-3; Aumasson and Bernstein, 2012) with the top bit set, so a
 * use is at most one look-up by an integer in liburcu's lock-free hash table. The table holds one entry a name, with
 * its text; a second text with the same hash is refused.
 *
 * Invariants: an entry in the table belongs to one actor, whose `name` points to it (LOCK), but for the moments of its
 * making and removal. Register: entry into the table first, then actor->name under LOCK, where EXITING or another name
 * sends it back. Release: both at once under LOCK; whoever does it frees the entry, after a grace period.
 *
 * A thread remembers the few names that it has found, as long as no name is taken out of the table:
 *     deleter   leaving = 1;  [NM1] removals + 1, release;  delete the entry
 *     finder    [NM2] r = removals, acquire;  find the entry;  leaving == 0: remember pid and r
 *     later     [NM3] removals == r, acquire:  the pid
 * [NM1] pairs with [NM2]: who counts a removal sees that its entry is leaving; so what is remembered with r is in the
 * table until removals is above r, and nobody can have seen the name gone, and told, before [NM3] sees that. New names
 * change nothing, since nobody remembers that a name is free.
 *
 * Progress: look-up wait-free, register and unregister lock-free but for the actor's LOCK. */
#ifndef TROUPE_ACTOR_NAMES_H
#define TROUPE_ACTOR_NAMES_H

#include "actor/actor.h"

bool names_open(void);
void names_close(void);

/* names_find, the pid that holds the name with a hash or 0, is declared in actor.h, for actor_resolve. */

/* Of an actor that the caller makes, under its LOCK, outside read sections: TR_OK, TR_ETAKEN, TR_ENOMEM, TR_EINVAL.
 * After a success, without that LOCK: names_registered. */
int names_register(struct context *context, const char *name, struct actor *actor);
void names_registered(struct context *context);
/* Death: its name is free. */
void names_release(struct context *context, struct actor *actor);
/* The same in two halves: under the actor's LOCK, inside a read section, its entry is out of the table, NULL: it has
 * none; and, outside of both, what is left of that. */
struct name_entry *names_take_out(struct actor *actor);
void names_retire(struct context *context, struct name_entry *entry);
/* Copies the actor's name (cut) to out, "" if none. Any thread; inside a read section. */
void names_copy(struct actor *actor, char *out, size_t size);

#endif
