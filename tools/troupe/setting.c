/* setting.c: see setting.h. */
#include "setting.h"

#include <ctype.h>
#include <string.h>

const char *setting_value(const char *setting, const char *key)
{
    size_t length = strlen(key);
    return strncmp(setting, key, length) == 0 && setting[length] == '=' ? setting + length + 1 : NULL;
}

bool setting_is_number(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits < 19 && value[digits] == '\0';
}

bool setting_is_word(const char *value)
{
    if (*value == '\0')
        return false;
    for (; *value != '\0'; value++)
        if (!isalnum((unsigned char)*value))
            return false;
    return true;
}
