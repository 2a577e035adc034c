/* setting.h: words of a command line of the form key=value. */
#ifndef TROUPE_TOOLS_SETTING_H
#define TROUPE_TOOLS_SETTING_H

#include <stdbool.h>

/* Whether a workload or a service has a parameter of that key, and whether the value is one that it can take. */
enum setting_fit { SETTING_UNKNOWN, SETTING_BAD, SETTING_GOOD };

/* The value in key=value if the key is this one, else NULL. */
const char *setting_value(const char *setting, const char *key);

/* Up to 18 digits; letters and digits. */
bool setting_is_number(const char *value);
bool setting_is_word(const char *value);

#endif
