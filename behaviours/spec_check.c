/* spec_check.c: what is wrong with a spec, in OTP's words: SUP-03, SUP-32, DSUP-03. */
#include "spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MAX_MS (INT64_C(1) << 40) /* 34 years: may be doubled without overflow */

int spec_bad(tr_reason *why, const char *format, ...)
{
    char text[sizeof why->text];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    *why = tr_because(TR_WHY_STATUS, TR_ESPEC, "%s", text);
    return TR_ESPEC;
}

const char *spec_default_id(const tr_child *child)
{
    if (child->id != NULL || child->name != NULL)
        return child->id != NULL ? child->id : child->name;
    if (child->server != NULL && child->server->label != NULL)
        return child->server->label;
    if (child->actor != NULL && child->actor->label != NULL)
        return child->actor->label;
    return child->spawn == NULL ? NULL : child->spawn->label;
}

static int check_start(const tr_child *child, tr_reason *why)
{
    int starts = (child->server != NULL) + (child->supervisor != NULL) + (child->actor != NULL) +
                 (child->entry != NULL) + (child->start != NULL);
    if (starts == 0)
        return spec_bad(why, "missing_start");
    if (starts > 1)
        return spec_bad(why, "invalid_mfa: more than one start");
    if (child->arg_size > 0 && (child->arg == NULL || child->supervisor != NULL || child->arg_size > UINT32_MAX / 2))
        return spec_bad(why, "invalid_mfa: argument of %zu bytes", child->arg_size);
    if (child->start_timeout_ms < TR_INFINITY)
        return spec_bad(why, "invalid_mfa: start_timeout_ms %lld", (long long)child->start_timeout_ms);
    return TR_OK;
}

static int check_spawn(const tr_child *child, tr_reason *why)
{
    const tr_spawn_options *spawn = child->spawn;
    bool data_taken = child->server != NULL || child->supervisor != NULL;
    if (spawn == NULL)
        return TR_OK;
    if (child->start != NULL || spawn->monitor != NULL || (spawn->flags & ~(TR_SPAWN_TRAP_EXIT | TR_SPAWN_PIN_THREAD)))
        return spec_bad(why, "invalid_spawn");
    if (data_taken && (spawn->data != NULL || spawn->extra_state != 0))
        return spec_bad(why, "invalid_spawn: data or extra_state");
    return TR_OK;
}

int spec_check(const tr_child *child, tr_reason *why)
{
    int status = check_start(child, why);
    if (status == TR_OK)
        status = check_spawn(child, why);
    if (status != TR_OK)
        return status;
    if (child->id != NULL && child->id[0] == '\0')
        return spec_bad(why, "missing_id");
    if (child->name != NULL && child->name[0] == '\0')
        return spec_bad(why, "invalid_name");
    if ((unsigned)child->restart > TR_TEMPORARY)
        return spec_bad(why, "invalid_restart_type %d", (int)child->restart);
    if (child->shutdown_ms < TR_ZERO)
        return spec_bad(why, "invalid_shutdown %lld", (long long)child->shutdown_ms);
    if (child->significant && child->restart == TR_PERMANENT)
        return spec_bad(why, "bad_combination: permanent, significant");
    if (child->supervisor == NULL)
        return TR_OK;
    status = tree_check(child->supervisor, why);
    if (status == TR_OK && tree_size(child->supervisor) > UINT32_MAX / 2)
        return spec_bad(why, "invalid_mfa: a tree of more than 2 GB");
    return status;
}

int spec_suits(bool has_id, bool significant, int64_t shutdown_ms, tr_strategy strategy, tr_auto_shutdown auto_shutdown,
               tr_reason *why)
{
    if (!has_id && strategy != TR_DYNAMIC && strategy != TR_SIMPLE_ONE_FOR_ONE)
        return spec_bad(why, "missing_id");
    if (significant && auto_shutdown == TR_NEVER)
        return spec_bad(why, "bad_combination: auto_shutdown never, significant");
    if (strategy == TR_DYNAMIC && shutdown_ms == 0)
        return spec_bad(why, "invalid_shutdown 0");
    return TR_OK;
}

static int check_flags(const tr_supervisor *supervisor, tr_reason *why)
{
    bool added_only = supervisor->strategy == TR_SIMPLE_ONE_FOR_ONE || supervisor->strategy == TR_DYNAMIC;
    if ((unsigned)supervisor->strategy > TR_DYNAMIC)
        return spec_bad(why, "invalid_strategy %d", (int)supervisor->strategy);
    if (supervisor->intensity < 0 && supervisor->intensity != TR_ZERO)
        return spec_bad(why, "invalid_intensity %d", supervisor->intensity);
    if (supervisor->period_s < 0)
        return spec_bad(why, "invalid_period %d", supervisor->period_s);
    if ((unsigned)supervisor->auto_shutdown > TR_ALL_SIGNIFICANT)
        return spec_bad(why, "invalid_auto_shutdown %d", (int)supervisor->auto_shutdown);
    if (supervisor->auto_shutdown != TR_NEVER && added_only)
        return spec_bad(why, "bad_combination: auto_shutdown, strategy %d", (int)supervisor->strategy);
    if ((supervisor->max_children < 0 && supervisor->max_children != TR_ZERO) ||
        (supervisor->max_children != 0 && supervisor->strategy != TR_DYNAMIC))
        return spec_bad(why, "invalid_max_children %d", supervisor->max_children);
    if (supervisor->backoff_ms < 0 || supervisor->backoff_ms > BACKOFF_MAX_MS || supervisor->backoff_max_ms < 0 ||
        supervisor->backoff_max_ms > BACKOFF_MAX_MS)
        return spec_bad(why, "invalid_backoff");
    return TR_OK;
}

static int by_id(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* All ids at once, sorted: two equal ones stand side by side. */
static int check_ids(const tr_supervisor *supervisor, tr_reason *why)
{
    size_t count = supervisor->child_count;
    int status = TR_OK;
    if (count < 2)
        return TR_OK;
    const char **ids = tr_alloc(count * sizeof *ids);
    if (ids == NULL)
        return TR_ENOMEM;
    for (size_t i = 0; i < count; i++)
        ids[i] = spec_default_id(&supervisor->children[i]);
    qsort(ids, count, sizeof *ids, by_id);
    for (size_t i = 1; i < count && status == TR_OK; i++)
        if (strcmp(ids[i - 1], ids[i]) == 0)
            status = spec_bad(why, "duplicate_child_name %s", ids[i]);
    tr_free(ids);
    return status;
}

int tree_check(const tr_supervisor *supervisor, tr_reason *why)
{
    int status = check_flags(supervisor, why);
    if (status != TR_OK)
        return status;
    if ((supervisor->child_count > 0 && supervisor->children == NULL) ||
        (supervisor->strategy == TR_SIMPLE_ONE_FOR_ONE && supervisor->child_count != 1) ||
        (supervisor->strategy == TR_DYNAMIC && supervisor->child_count != 0))
        return spec_bad(why, "bad_start_spec: %zu children", supervisor->child_count);
    for (size_t i = 0; i < supervisor->child_count && status == TR_OK; i++) {
        const tr_child *child = &supervisor->children[i];
        status = spec_check(child, why);
        if (status == TR_OK)
            status = spec_suits(spec_default_id(child) != NULL, child->significant, child->shutdown_ms,
                                supervisor->strategy, supervisor->auto_shutdown, why);
    }
    return status == TR_OK ? check_ids(supervisor, why) : status;
}

int tr_check_spec(const tr_supervisor *spec, tr_reason *why)
{
    tr_reason unused;
    if (why == NULL)
        why = &unused;
    return spec == NULL ? spec_bad(why, "invalid_type") : tree_check(spec, why);
}
