/* service_load.h: `troupe bench` of the example services: echo, hello, cache. */
#ifndef TROUPE_TOOLS_SERVICE_LOAD_H
#define TROUPE_TOOLS_SERVICE_LOAD_H

#include "setting.h"

#include <stdbool.h>
#include <stdio.h>

/* Whether it is one of the services; the name of each (NULL behind the last); the list of them for people. */
bool service_load_has(const char *name);
const char *service_load_name(int index);
void service_load_list(FILE *out);

/* Whether it is a setting of theirs (all have the same). */
enum setting_fit service_load_fit(const char *setting);

/* Runs the service and a load on it, prints the result as a line of JSON; the command's status. Words that are no
 * setting of theirs are passed over. */
int service_load_run(const char *name, int count, char **words);

#endif
