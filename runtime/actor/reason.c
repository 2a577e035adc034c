/* reason.c: statuses and reasons as values and as text; the version's. */
#include "base/compiler.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <troupe/base.h>

API const char *tr_version(void) { return TR_VERSION_STRING; }

API const char *tr_status_text(int status)
{
    switch (status) {
    case TR_OK: return "ok";
#define TR_X(name, value, text) \
    case name: return text;
        TR_ERRORS(TR_X)
#undef TR_X
    default: return "unknown status";
    }
}

API tr_reason tr_because(tr_why why, int code, const char *format, ...)
{
    tr_reason reason = { .why = (int32_t)why, .code = code };
    if (format != NULL) {
        va_list list;
        va_start(list, format);
        vsnprintf(reason.text, sizeof reason.text, format, list);
        va_end(list);
    }
    return reason;
}

API bool tr_reason_same(const tr_reason *a, const tr_reason *b)
{
    return a->why == b->why && a->code == b->code && a->text[0] == b->text[0] &&
           (a->text[0] == '\0' || strncmp(a->text, b->text, sizeof a->text) == 0);
}

API bool tr_reason_clean(const tr_reason *reason)
{
    return reason->why == TR_WHY_NORMAL || reason->why == TR_WHY_SHUTDOWN;
}

static const char *why_text(int why)
{
    static const char *const texts[] = {
        [TR_WHY_NORMAL] = "normal",
        [TR_WHY_SHUTDOWN] = "shutdown",
        [TR_WHY_KILL] = "kill",
        [TR_WHY_KILLED] = "killed",
        [TR_WHY_NOPROC] = "noproc",
        [TR_WHY_TIMEOUT] = "timeout",
        [TR_WHY_UNEXPECTED] = "unexpected message",
        [TR_WHY_ASSERT] = "assertion failed",
        [TR_WHY_FAULT] = "fault",
        [TR_WHY_STATUS] = "status",
        [TR_WHY_START] = "failed to start",
        [TR_WHY_BAD_RETURN] = "bad return value",
        [TR_WHY_SYSTEM_LIMIT] = "system limit",
        [TR_WHY_USER] = "error",
    };
    return why >= 0 && (size_t)why < sizeof texts / sizeof *texts ? texts[why] : "unknown reason";
}

API const char *tr_reason_text(const tr_reason *reason, char *out, size_t size)
{
    const char *why = why_text(reason->why);
    if (size == 0)
        return out;
    if (reason->text[0] == '\0' && reason->code == 0)
        snprintf(out, size, "%s", why);
    else if (reason->text[0] == '\0')
        snprintf(out, size, "%s %d", why, (int)reason->code);
    else if (strcmp(reason->text, why) == 0)
        snprintf(out, size, "%s", why);
    else if (reason->code == 0 || reason->why == TR_WHY_UNEXPECTED || reason->why == TR_WHY_STATUS ||
             reason->why == TR_WHY_ASSERT) /* the text says as much */
        snprintf(out, size, "%s: %s", why, reason->text);
    else
        snprintf(out, size, "%s %d: %s", why, (int)reason->code, reason->text);
    return out;
}
