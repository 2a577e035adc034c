/* service_load.h: `troupe bench` of the example services: echo, hello, cache. */
#ifndef TROUPE_TOOLS_SERVICE_LOAD_H
#define TROUPE_TOOLS_SERVICE_LOAD_H

#include <stdbool.h>
#include <stdio.h>

/* Whether it is one of the services; the list of them. */
bool service_load_has(const char *name);
void service_load_list(FILE *out);

/* Runs the service and a load on it, prints the result as a line of JSON; the command's status. settings: key=value. */
int service_load_run(const char *name, int count, char **settings);

#endif
