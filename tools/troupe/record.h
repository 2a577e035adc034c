/* record.h: `troupe record`: runs a program with the flight recorder fully on and makes a picture of what its workers
 * did. */
#ifndef TROUPE_TOOLS_RECORD_H
#define TROUPE_TOOLS_RECORD_H

#include <stdio.h>

/* The arguments after "record"; the exit status of troupe. */
int record_command(int argc, char **argv);

/* Prints what they may be. */
void record_help(FILE *out);

#endif
