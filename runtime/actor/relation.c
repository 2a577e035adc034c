/* relation.c: monitors and aliases; links are in link.c. */
#include "actor/relation.h"

#include "actor/inbox.h"
#include "actor/signal.h"

/* ---- lists; under the holder's lock */

/* In front: the watcher's halves, whose order nobody sees. */
static void insert_first(struct relation **list, struct relation *half)
{
    struct relation *first = *list;
    half->next = first;
    half->link = first != NULL ? first->link : &half->next;
    if (first != NULL)
        first->link = &half->next;
    *list = half;
}

/* Behind all others: the target's halves, whose DOWNs go out in the order in which the monitors were made. */
static void insert_last(struct relation **list, struct relation *half)
{
    struct relation *first = *list;
    half->next = NULL;
    if (first == NULL) {
        half->link = &half->next;
        *list = half;
        return;
    }
    half->link = first->link;
    *half->link = half;
    first->link = &half->next;
}

static void take_out(struct relation **list, struct relation *half)
{
    *(*list == half ? list : half->link) = half->next;
    if (half->next != NULL)
        half->next->link = half->link;
    else if (*list != NULL)
        (*list)->link = half->link;
}

/* ---- monitors */

/* Under the watcher's lock: its half is out of its list for good, and to be retired by who took it out. Whoever has
 * found it before still sees that by `twin`: `link` is gone, its place is the retired item's. */
static void take_out_for_good(struct actor *watcher, struct relation *half)
{
    take_out(&watcher->cold->monitors, half);
    half->peer = 0;
    half->twin = half;
}
static bool is_out(const struct relation *half) { return half->twin == half; }

static struct relation *new_half(struct context *context, uint64_t sender, int tag, uint64_t peer)
{
    struct relation *half = pool_alloc(context->pool, sizeof *half);
    if (half != NULL) {
        half->message = (tr_msg){ .sender = sender, .tag = tag, .meta = sizeof(struct notice *) };
        half->peer = peer;
        half->twin = NULL;
    }
    return half;
}

static void free_watcher_half(struct retired *item, void *context)
{
    pool_free(((struct context *)context)->pool, CONTAINER_OF(item, struct relation, retired));
}

/* Out of its list, its handle known to nobody. */
static void retire_watcher_half(struct context *context, struct relation *half)
{
    slots_clear(context_table(TABLE_REFS), &context->caches[TABLE_REFS], half->message.serial);
    half->retired.release = free_watcher_half;
    reclaim_retire(context->bin, &half->retired);
}

static struct relation *new_watcher_half(struct context *context, struct actor *watcher, int alias)
{
    uint64_t handle = slots_take(context_table(TABLE_REFS), &context->caches[TABLE_REFS]);
    struct relation *half = handle == 0 ? NULL : new_half(context, watcher->pid, alias, 0);
    if (half == NULL && handle != 0)
        slots_clear(context_table(TABLE_REFS), &context->caches[TABLE_REFS], handle);
    if (half != NULL)
        half->message.serial = handle;
    return half;
}

uint64_t relation_monitor(struct context *context, struct actor *watcher, uint64_t target, int alias, tr_why if_dead)
{
    if (actor_cold(context, watcher) == NULL)
        return 0;
    bool watches = target != watcher->pid; /* MON-05: oneself never ends while one looks */
    struct relation *mine = new_watcher_half(context, watcher, watches || alias == TR_ALIAS_EXPLICIT ? alias : 0);
    struct relation *down = mine == NULL || !watches ? NULL : new_half(context, target, TR_MSG_DOWN, watcher->pid);
    if (mine == NULL || (watches && down == NULL)) {
        if (mine != NULL)
            retire_watcher_half(context, mine);
        return 0;
    }
    uint64_t handle = mine->message.serial;
    mine->twin = down;
    read_begin();
    struct actor *other = watches ? actor_find(target) : NULL;
    actor_lock_two(watcher, other);
    insert_first(&watcher->cold->monitors, mine);
    bool dead = watches && (other == NULL || (load_relaxed(&other->flags) & ACTOR_GONE) != 0);
    if (down != NULL) {
        down->twin = mine;
        down->message.serial = handle;
        if (!dead) {
            mine->peer = target;
            insert_last(&other->watchers, down);
        }
    }
    actor_unlock_two(watcher, other);
    slots_publish(context_table(TABLE_REFS), handle, &mine->message.serial);
    if (dead) { /* MON-02 */
        message_set_kind(&down->message, KIND_DOWN);
        down->notice = notice_static(if_dead);
        deliver_to(context, watcher, &down->message);
    }
    read_end();
    return handle;
}

/* The watcher's half with this handle, if it is this watcher's; inside a read section. */
static struct relation *find_half(uint64_t owner, uint64_t handle)
{
    uint64_t *found = slots_find(context_table(TABLE_REFS), handle);
    struct relation *half = found == NULL ? NULL : CONTAINER_OF(found, struct relation, message.serial);
    return half != NULL && half->message.sender == owner ? half : NULL;
}

/* Takes the watcher's half out, and the target's if it has not signalled yet: that one is returned. *active: it had
 * not. An explicit alias stays, as a pure one, if `keep` says so; whether the half is the caller's to free then: *free
 * (another thread may have taken it out meanwhile: remove_spent). Inside a read section. */
static struct relation *detach(struct actor *watcher, struct relation *half, bool keep, bool *active, bool *free)
{
    for (;;) {
        actor_lock(watcher);
        uint64_t target = half->peer; /* the target makes it 0, once, under this lock: looked at again below */
        actor_unlock(watcher);
        struct actor *other = target == 0 ? NULL : actor_find(target);
        actor_lock_two(watcher, other);
        if (half->peer != 0 &&
            other == NULL) { /* it is about to signal: bound: its death takes no lock of ours but this one */
            actor_unlock_two(watcher, other);
            continue;
        }
        bool stays = keep && half->message.tag == TR_ALIAS_EXPLICIT, out = is_out(half);
        struct relation *down = out ? NULL : half->twin;
        *active = half->peer != 0;
        *free = !out && !stays;
        if (*active)
            take_out(&other->watchers, down);
        if (!stays)
            half->message.tag = 0; /* no alias any more */
        if (*free) {
            take_out_for_good(watcher, half);
        } else if (!out) {
            half->peer = 0;
            half->twin = NULL;
        }
        actor_unlock_two(watcher, other);
        return down;
    }
}

bool relation_demonitor(struct context *context, struct actor *watcher, uint64_t handle, bool flush)
{
    read_begin();
    struct relation *half = find_half(watcher->pid, handle);
    bool active = false, free = false;
    struct relation *down = half == NULL ? NULL : detach(watcher, half, true, &active, &free);
    read_end();
    if (active) {
        pool_free(context->pool, down);
    } else if (down != NULL) { /* in the mailbox: it is the watcher's */
        down->twin = NULL;
        if (flush)
            message_flag(&down->message, MESSAGE_DONE);
        else
            watcher->cold->stray_downs++;
    } else if (flush && watcher->cold != NULL && watcher->cold->stray_downs > 0) {
        inbox_drop_down(watcher, handle); /* one that an earlier demonitor has left (MON-06) */
    }
    if (free)
        retire_watcher_half(context, half);
    return active;
}

/* Under the owner's lock. A DOWN that is in the mailbox ends all but an explicit one (ALIAS-01). */
static bool alias_is_active(const struct relation *half)
{
    bool signalled = half->peer == 0 && half->twin != NULL;
    return half->message.tag == TR_ALIAS_EXPLICIT || (half->message.tag != 0 && !signalled);
}

bool relation_unalias(struct context *context, struct actor *owner, uint64_t handle)
{
    read_begin();
    struct relation *half = find_half(owner->pid, handle);
    if (half == NULL) {
        read_end();
        return false;
    }
    actor_lock(owner);
    bool active = alias_is_active(half), pure = half->peer == 0 && half->twin == NULL;
    half->message.tag = 0;
    if (pure)
        take_out_for_good(owner, half);
    actor_unlock(owner);
    read_end();
    if (pure)
        retire_watcher_half(context, half);
    return active;
}

void relation_down_met(struct context *context, struct actor *self, tr_msg *down)
{
    bool stray = message_kind(down) != KIND_DOWN || ((struct relation *)(void *)down)->twin == NULL;
    if (stray) { /* flushed ones are no longer counted */
        self->cold->stray_downs -= (message_flags(down) & MESSAGE_DONE) == 0;
        return;
    }
    struct relation *half = ((struct relation *)(void *)down)->twin;
    ((struct relation *)(void *)down)->twin = NULL;
    actor_lock(self);
    half->twin = NULL;
    bool stays = half->message.tag == TR_ALIAS_EXPLICIT;
    if (!stays) {
        half->message.tag = 0;
        take_out_for_good(self, half);
    }
    actor_unlock(self);
    if (!stays)
        retire_watcher_half(context, half);
}

/* A message through an alias: what became of it. */
enum passage { PASSAGE_NONE /* the alias is not active */, PASSAGE_TAKEN, PASSAGE_AGAIN };

/* Inside a read section. A reply alias ends with its first message, and its monitor with it: that takes the target's
 * lock, too. The message is in the mailbox before the owner, by its own lock, can find the alias used up. */
static enum passage pass(struct context *context, struct actor *owner, struct relation *half, tr_msg *message)
{
    actor_lock(owner);
    uint64_t target = half->message.tag == TR_ALIAS_REPLY ? half->peer : 0;
    actor_unlock(owner);
    struct actor *other = target == 0 ? NULL : actor_find(target);
    if (target != 0 && other == NULL)
        return PASSAGE_AGAIN; /* it is about to signal: bound: as in detach */
    actor_lock_two(owner, other);
    bool active = alias_is_active(half), spent = active && half->message.tag == TR_ALIAS_REPLY, first = false;
    bool again = spent && (other == NULL || half->peer != target); /* it has signalled since, say */
    struct relation *down = half->twin;
    if (spent && !again) {
        take_out(&other->watchers, down);
        half->message.tag = 0;
        take_out_for_good(owner, half);
    }
    if (active && !again)
        first = mailbox_put(&owner->mailbox, &message->node);
    actor_unlock_two(owner, other);
    if (first)
        deliver_wake(context, owner);
    if (spent && !again) {
        pool_free(context->pool, down);
        retire_watcher_half(context, half);
    }
    return again ? PASSAGE_AGAIN : active ? PASSAGE_TAKEN : PASSAGE_NONE;
}

bool relation_alias_deliver(struct context *context, uint64_t owner, uint64_t handle, tr_msg *message)
{
    read_begin();
    struct actor *actor = actor_find(owner);
    struct relation *half = actor == NULL ? NULL : find_half(owner, handle);
    enum passage passage = half == NULL ? PASSAGE_NONE : PASSAGE_AGAIN;
    while (passage == PASSAGE_AGAIN)
        passage = pass(context, actor, half, message);
    read_end();
    if (passage == PASSAGE_NONE)
        message_free(context, message);
    return passage == PASSAGE_TAKEN;
}

/* Turns the target's half into the DOWN, which is in the mailbox before the watcher, by its own lock, can find out that
 * its monitor is over (MON-06). Both locked. True: the watcher is idle, and the caller wakes it. */
static bool send_off(struct actor *target, struct actor *watcher, struct relation *half, struct notice *notice)
{
    take_out(&target->watchers, half);
    half->twin->peer = 0;
    message_set_kind(&half->message, KIND_DOWN);
    half->notice = notice_take(notice);
    return mailbox_put(&watcher->mailbox, &half->message.node);
}

void relation_alias_fail(struct context *context, uint64_t owner, uint64_t handle, struct notice *notice)
{
    read_begin();
    struct actor *watcher = actor_find(owner);
    struct relation *half = watcher == NULL ? NULL : find_half(owner, handle);
    uint64_t target = 0;
    if (half != NULL) {
        actor_lock(watcher);
        target = half->peer;
        actor_unlock(watcher);
    }
    struct actor *other = target == 0 ? NULL : actor_find(target); /* NULL: it has signalled, or is about to */
    if (other != NULL) {
        actor_lock_two(watcher, other);
        bool first = half->peer == target && send_off(other, watcher, half->twin, notice);
        actor_unlock_two(watcher, other);
        if (first)
            deliver_wake(context, watcher);
    }
    read_end();
}

/* ---- death */

/* Sends the first DOWN. False: nobody watches any more. */
static bool release_watcher(struct context *context, struct actor *self, struct notice *notice)
{
    read_begin();
    actor_lock(self);
    struct relation *half = self->watchers;
    uint64_t peer = half == NULL ? 0 : half->peer;
    struct actor *other = peer == 0 ? NULL : actor_find(peer);
    bool first = false;
    if (other != NULL) { /* else: it is about to remove this half; look again */
        if (!relation_lock_other(self, other))
            half = self->watchers;
        first = half != NULL && half->peer == peer && send_off(self, other, half, notice);
        actor_unlock(other);
    }
    bool more = self->watchers != NULL;
    actor_unlock(self);
    if (first)
        deliver_wake(context, other);
    read_end();
    return more;
}

static void release_monitors(struct context *context, struct actor *self)
{
    for (;;) {
        bool active = false, free = false;
        read_begin();
        actor_lock(self);
        struct relation *half = self->cold->monitors;
        actor_unlock(self);
        struct relation *down = half == NULL ? NULL : detach(self, half, false, &active, &free);
        read_end();
        if (active)
            pool_free(context->pool, down);
        if (free)
            retire_watcher_half(context, half);
        if (half == NULL)
            return;
    }
}

void relation_release_all(struct context *context, struct actor *self, uint32_t lists, struct notice *notice)
{
    if ((lists & RELATION_MONITORS) != 0)
        release_monitors(context, self); /* first: whoever hears of the end finds it watching nobody */
    if ((lists & RELATION_LINKS) != 0)
        link_release_all(context, self, notice);
    bool more = (lists & RELATION_WATCHERS) != 0;
    while (more)
        more = release_watcher(context, self, notice);
}
