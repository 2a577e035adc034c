/* settings.h: the settings of the runtime that runs, and whether it runs. */
#ifndef TROUPE_ACTOR_SETTINGS_H
#define TROUPE_ACTOR_SETTINGS_H

#include <troupe/runtime.h>

extern struct tr_config settings; /* (c) while the runtime runs; defaults filled in */

#endif
