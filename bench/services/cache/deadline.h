/* deadline.h: the heap of deadlines inside a store; used by store.c alone, which tells it who moves or goes. */
#ifndef CACHE_DEADLINE_H
#define CACHE_DEADLINE_H

#include "store.h"

/* The entry is at a new address. */
void deadline_moved(struct store *store, struct entry *entry);
/* The entry expires no more; nothing happens if it did not. */
void deadline_remove(struct store *store, struct entry *entry);

#endif
