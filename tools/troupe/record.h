/* record.h: `troupe record`: runs a program with the flight recorder fully on and makes a picture of what its workers
 * did. */
#ifndef TROUPE_TOOLS_RECORD_H
#define TROUPE_TOOLS_RECORD_H

/* The arguments after "record"; the exit status of troupe. */
int record_command(int argc, char **argv);

#endif
