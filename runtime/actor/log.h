/* log.h: log records: a bounded ring that any thread fills, and a thread that empties it into the sink. */
#ifndef TROUPE_ACTOR_LOG_H
#define TROUPE_ACTOR_LOG_H

#include "actor/actor.h"

bool log_start(void);
/* Everything that was logged reaches the sink first. */
void log_stop(void);
/* In a forked child, whose logger is in the parent. */
void log_forget(void);
bool log_wanted(tr_level level);
/* While the runtime stops, all processes end at once: supervisors' reports about that are not made. */
void log_hush(bool on);
/* About an actor (NULL: the runtime); event is static. Never blocks for longer than a copy. */
void log_write(struct actor *actor, tr_level level, const char *event, const char *text);
uint64_t log_dropped(void);

#endif
