/* glob.h: Redis' patterns: * ? [a-z] [^a] and a backslash before what is meant literally. */
#ifndef CACHE_GLOB_H
#define CACHE_GLOB_H

#include "bytes.h"

/* Whether the whole text matches. Time is bounded by size(pattern) * size(text): one place to go back to is enough,
 * since a later star can do whatever an earlier one could. */
bool glob_match(struct slice pattern, struct slice text);

#endif
