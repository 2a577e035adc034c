/* perfetto.h: turns a dump of the flight recorder (base/trace.h) into the JSON that Perfetto and chrome://tracing open.
 */
#ifndef TROUPE_TOOLS_PERFETTO_H
#define TROUPE_TOOLS_PERFETTO_H

#include <stdio.h>

/* Reads a whole dump and writes the picture. 0; or -1, and a line about it went to stderr. */
int perfetto_convert(FILE *dump, FILE *json);

#endif
