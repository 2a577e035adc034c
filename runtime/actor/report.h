/* report.h: reports of ends: who crashed, why, the last message, the state (LOG-01 to LOG-03). */
#ifndef TROUPE_ACTOR_REPORT_H
#define TROUPE_ACTOR_REPORT_H

#include "actor/actor.h"

/* The actor ends by its own doing with this notice: logs what is to be logged. In its turn, before `ended` runs. */
void report_end_slow(struct actor *self, const struct notice *notice);
static inline bool report_wants_end(const struct notice *notice)
{
    return notice->reason.why != TR_WHY_NORMAL && notice->reason.why != TR_WHY_SHUTDOWN;
}
static inline void report_end(struct actor *self, const struct notice *notice)
{
    if (UNLIKELY(report_wants_end(notice)))
        report_end_slow(self, notice);
}
/* The state as its describe callback shows it (cut to size - 1); "" without one. Of actors that handle messages. */
void report_describe(struct actor *self, char *out, size_t size);
/* What a message is, for a reason's text: kind, name or tag, body if its type prints it. In the actor's turn. */
void report_name_message(struct actor *self, const tr_msg *message, char *out, size_t size);
/* "call", "cast", ...: static. */
const char *report_kind_text(const tr_msg *message);
/* The scheduler's hook: one warning if the pools have grown beyond tr_config.memory_high_water. */
void report_memory(void);
void report_memory_start(void);
/* The process can go on, but only on its own worker: logged if that one is stuck. */
void report_pinned(struct actor *self, unsigned home);
/* The scheduler's hook: a turn is too long. */
void report_slow(struct task *task, unsigned worker, int64_t turn_ms);

#endif
