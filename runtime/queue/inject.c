/* inject.c: the global run queue. */
#include "queue/inject.h"

#include "queue/task.h"

#include <stddef.h>

void inject_init(struct inject *inject)
{
    pthread_mutex_init(&inject->lock, NULL);
    inject->first = NULL;
    inject->last = &inject->first;
    store_relaxed(&inject->count, 0);
}

void inject_put(struct inject *inject, struct task *first, struct task *last, uint32_t count)
{
    last->next = NULL;
    pthread_mutex_lock(&inject->lock);
    *inject->last = first;
    inject->last = &last->next;
    store_relaxed(&inject->count,
                  load_relaxed(&inject->count) + count); /* relaxed: the lock orders, the reader only hints */
    pthread_mutex_unlock(&inject->lock);
}

uint32_t inject_take(struct inject *inject, uint32_t most, struct task **first)
{
    pthread_mutex_lock(&inject->lock);
    uint32_t taken = 0;
    struct task **end = &inject->first;
    while (taken < most && *end != NULL) {
        end = &(*end)->next;
        taken++;
    }
    *first = inject->first;
    inject->first = *end;
    if (inject->first == NULL)
        inject->last = &inject->first;
    *end = NULL;
    if (taken == 0)
        *first = NULL;
    store_relaxed(&inject->count, load_relaxed(&inject->count) - taken); /* relaxed: as above */
    pthread_mutex_unlock(&inject->lock);
    return taken;
}
