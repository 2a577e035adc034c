/* verbs.h: what each command on keys asks of the shards: its arguments are checked here, its errors are Redis' own. */
#ifndef CACHE_VERBS_H
#define CACHE_VERBS_H

#include "plan.h"

typedef void verb(struct plan *plan, const struct request *request);

verb verb_ping, verb_echo, verb_select, verb_time;
verb verb_get, verb_set, verb_setnx, verb_setex, verb_psetex, verb_getset, verb_getdel, verb_getex, verb_getrange;
verb verb_incr, verb_decr, verb_incrby, verb_decrby, verb_append, verb_strlen;
verb verb_del, verb_exists, verb_mget, verb_mset, verb_type;
verb verb_expire, verb_pexpire, verb_expireat, verb_pexpireat, verb_ttl, verb_pttl, verb_persist;
verb verb_keys, verb_scan, verb_dbsize, verb_flush, verb_info;

#endif
