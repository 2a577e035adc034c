/* settings.h: the settings of the runtime that runs, and whether it runs. */
#ifndef TROUPE_ACTOR_SETTINGS_H
#define TROUPE_ACTOR_SETTINGS_H

#include "base/atomics.h"

#include <troupe/runtime.h>

extern struct tr_config settings; /* (c) while the runtime runs; defaults filled in */
/* 1: tr_halt ends the processes, and an exit signal from nobody is its own: the parent's word for who has no parent. */
extern _Atomic uint32_t settings_halting;

#endif
