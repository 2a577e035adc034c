/* check.c: how a broken invariant and a misuse are reported; nothing here allocates or locks, so a signal handler may
 * call it. */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void say(const char *text)
{
    size_t size = strlen(text);
    while (size > 0) {
        ssize_t written = write(STDERR_FILENO, text, size);
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

static void say_number(unsigned rest)
{
    char digits[16];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    say(digits + at);
}

void check_failed(const char *what, const char *file, int line)
{
    say("troupe: broken invariant: ");
    say(what);
    say(" at ");
    say(file);
    say(":");
    say_number((unsigned)line); /* counts from 1 */
    say("\n");
    abort();
}

void misuse(const char *function, const char *what)
{
    say("troupe: ");
    say(function);
    say(": ");
    say(what);
    say("\n");
    abort();
}
