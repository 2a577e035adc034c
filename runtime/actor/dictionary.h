/* dictionary.h: the process dictionary (PROC-11): a list of keys and values, for the few that a process has. Owner
 * only. */
#ifndef TROUPE_ACTOR_DICTIONARY_H
#define TROUPE_ACTOR_DICTIONARY_H

#include "actor/actor.h"

void dictionary_free(struct context *context, struct dictionary *dictionary);
size_t dictionary_count(const struct dictionary *dictionary);

#endif
