/* ledger.c: what an actor owns, and the public functions for memory and clean-ups. */
#include "actor/ledger.h"

#include "actor/actor.h"
#include "actor/end.h"

void ledger_add(struct actor *self, struct owned *item)
{
    item->next = self->ledger;
    item->link = &self->ledger;
    if (item->next != NULL)
        item->next->link = &item->next;
    self->ledger = item;
}

void ledger_remove(struct owned *item)
{
    if (item->link == NULL)
        return;
    *item->link = item->next;
    if (item->next != NULL)
        item->next->link = item->link;
    item->link = NULL;
}

void ledger_release(struct context *context, struct actor *self)
{
    for (struct owned *item; (item = self->ledger) != NULL;) {
        ledger_remove(item);
        item->release(context, item);
    }
}

/* ---- memory */

/* In front of what the user gets; 16-byte alignment is that of any type. */
struct allocation {
    struct owned owned;
    size_t size;
};
_Static_assert(sizeof(struct allocation) % 16 == 0, "what follows is aligned for any type");

static void release_allocation(struct context *context, struct owned *item)
{
    pool_free(context->pool, CONTAINER_OF(item, struct allocation, owned));
}

size_t ledger_memory(const struct actor *self)
{
    size_t bytes = 0;
    for (const struct owned *item = self->ledger; item != NULL; item = item->next)
        if (item->release == release_allocation)
            bytes += pool_block_size(item);
    return bytes;
}

static struct allocation *allocation_of(void *memory) { return (struct allocation *)memory - 1; }

API void *tr_alloc(size_t size)
{
    struct context *context = api_enter();
    if (context == NULL)
        return NULL;
    struct actor *self = actor_here(context);
    struct allocation *allocation = size > SIZE_MAX - sizeof *allocation
                                        ? NULL
                                        : pool_alloc(context->pool, sizeof *allocation + size);
    if (allocation != NULL) {
        memset(allocation, 0, sizeof *allocation + size);
        allocation->owned.release = release_allocation;
        allocation->size = size;
        if (self != NULL)
            ledger_add(self, &allocation->owned);
    }
    api_leave(context);
    return allocation == NULL ? NULL : allocation + 1;
}

API void tr_free(void *memory)
{
    struct context *context = memory == NULL ? NULL : api_enter();
    if (context == NULL)
        return;
    ledger_remove(&allocation_of(memory)->owned);
    pool_free(context->pool, allocation_of(memory));
    api_leave(context);
}

API void *tr_realloc(void *memory, size_t size)
{
    size_t old_size = memory == NULL ? 0 : allocation_of(memory)->size;
    if (memory != NULL && size <= pool_block_size(allocation_of(memory)) - sizeof(struct allocation)) {
        if (size > old_size) {
            shadow_open((char *)memory + old_size, size - old_size); /* the rest of the block was never asked for */
            memset((char *)memory + old_size, 0, size - old_size);
        }
        allocation_of(memory)->size = size;
        return memory;
    }
    void *fresh = tr_alloc(size);
    if (fresh == NULL)
        tr_exit(tr_because(TR_WHY_STATUS, TR_ENOMEM, "%zu bytes: %s", size, tr_status_text(TR_ENOMEM)));
    if (old_size > 0) /* and less than size: else it would fit where it is */
        memcpy(fresh, memory, old_size);
    tr_free(memory);
    return fresh;
}

/* ---- clean-ups */

struct deferred {
    struct owned owned;
    void (*clean_up)(void *arg);
    void *arg;
};

static void release_deferred(struct context *context, struct owned *item)
{
    struct deferred *deferred = CONTAINER_OF(item, struct deferred, owned);
    deferred->clean_up(deferred->arg);
    pool_free(context->pool, deferred);
}

API int tr_defer(void (*clean_up)(void *arg), void *arg)
{
    struct context *context = api_enter();
    if (context == NULL)
        return TR_ESTOPPED;
    struct actor *self = actor_here(context);
    struct deferred *deferred = self == NULL ? NULL : pool_alloc(context->pool, sizeof *deferred);
    if (deferred != NULL) {
        *deferred = (struct deferred){ { .release = release_deferred }, clean_up, arg };
        ledger_add(self, &deferred->owned);
    }
    api_leave(context);
    return self == NULL ? TR_EFOREIGN : deferred == NULL ? TR_ENOMEM : TR_OK;
}
