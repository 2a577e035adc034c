/* supervisor_api.c: the supervisor's API, in the caller: a request, and what its answer means. */
#include <string.h>

#include "protocol.h"

enum { SMALL = 512 }; /* specs up to this size are packed on the stack */

/* Asks for a struct answer. pid: out; NULL: not wanted. */
static int ask(tr_pid supervisor, int tag, const void *body, size_t size, tr_pid *pid)
{
    struct answer answer;
    int status = tr_call(supervisor, tag, body, size, &answer, sizeof answer, TR_INFINITY);
    if (status != TR_OK)
        return status;
    if (pid != NULL)
        *pid = answer.pid;
    if (answer.status == TR_ESTART || answer.status == TR_ESPEC)
        return tr_fail(answer.status, &answer.why);
    return answer.status;
}

static int ask_about(tr_pid supervisor, int tag, const char *id, tr_pid *pid)
{
    return id == NULL ? TR_EINVAL : ask(supervisor, tag, id, strlen(id) + 1, pid);
}

int tr_start_child(tr_pid supervisor, const tr_child *spec, tr_pid *pid)
{
    union {
        struct spec spec;
        char bytes[SMALL];
    } small;
    tr_reason why;
    if (spec == NULL)
        return TR_EINVAL;
    int status = spec_check(spec, &why);
    if (status != TR_OK)
        return tr_fail(status, &why);
    size_t size = spec_size(spec);
    struct spec *packed = size <= sizeof small ? &small.spec : tr_alloc(size);
    if (packed == NULL)
        return TR_ENOMEM;
    spec_pack(spec, packed);
    status = ask(supervisor, SUP_START_CHILD, packed, size, pid);
    if (packed != &small.spec)
        tr_free(packed);
    return status;
}

int tr_start_child_with(tr_pid supervisor, const void *arg, size_t size, tr_pid *pid)
{
    if (arg == NULL && size > 0)
        return TR_EINVAL;
    return ask(supervisor, arg == NULL ? SUP_START_TEMPLATE : SUP_START_WITH, arg, size, pid);
}

int tr_terminate_child(tr_pid supervisor, const char *id) { return ask_about(supervisor, SUP_TERMINATE_ID, id, NULL); }

int tr_terminate_child_pid(tr_pid supervisor, tr_pid child)
{
    return ask(supervisor, SUP_TERMINATE_PID, &child, sizeof child, NULL);
}

int tr_restart_child(tr_pid supervisor, const char *id, tr_pid *pid)
{
    return ask_about(supervisor, SUP_RESTART_CHILD, id, pid);
}

int tr_delete_child(tr_pid supervisor, const char *id) { return ask_about(supervisor, SUP_DELETE_CHILD, id, NULL); }

int tr_count_children(tr_pid supervisor, tr_child_counts *counts)
{
    return tr_call(supervisor, SUP_COUNT_CHILDREN, NULL, 0, counts, sizeof *counts, TR_INFINITY);
}

/* The list as one block: the entries, then the ids. */
static int take_listing(const tr_msg *reply, tr_child_info **list, size_t *count)
{
    if (tr_size(reply) == 0)
        return TR_ENOMEM;
    const struct listing *listing = tr_body(reply);
    size_t rest = tr_size(reply) - sizeof *listing;
    if (tr_size(reply) < sizeof *listing || listing->count > rest / sizeof(struct line) ||
        listing->ids_size != rest - listing->count * sizeof(struct line))
        return TR_ESIZE; /* whoever answered, it is no supervisor */
    const struct line *lines = (const struct line *)(const void *)(listing + 1);
    tr_child_info *block = tr_alloc(listing->count * sizeof *block + listing->ids_size);
    if (block == NULL)
        return TR_ENOMEM;
    char *ids = (char *)(block + listing->count);
    memcpy(ids, lines + listing->count, listing->ids_size);
    for (size_t i = 0; i < listing->count; i++)
        block[i] = (tr_child_info){ .id = ids + lines[i].id,
                                    .pid = lines[i].pid,
                                    .restarting = lines[i].restarting,
                                    .is_supervisor = lines[i].is_supervisor };
    *list = block;
    *count = listing->count;
    return TR_OK;
}

int tr_which_children(tr_pid supervisor, tr_child_info **list, size_t *count)
{
    tr_msg *reply;
    int status = tr_call_msg(supervisor, SUP_WHICH_CHILDREN, NULL, 0, TR_INFINITY, &reply);
    if (status != TR_OK)
        return status;
    status = take_listing(reply, list, count);
    tr_drop(reply);
    return status;
}

static int take_spec(const tr_msg *reply, tr_child **spec)
{
    const struct spec *packed = tr_body(reply);
    if (tr_size(reply) == 0)
        return TR_ENOT_FOUND;
    if (tr_size(reply) < sizeof *packed || packed->size != tr_size(reply))
        return TR_ESIZE; /* as above */
    tr_child *block = tr_alloc(spec_unpacked_size(packed));
    if (block == NULL)
        return TR_ENOMEM;
    spec_unpack(packed, block);
    *spec = block;
    return TR_OK;
}

int tr_get_childspec(tr_pid supervisor, const char *id, tr_child **spec)
{
    tr_msg *reply;
    if (id == NULL)
        return TR_EINVAL;
    int status = tr_call_msg(supervisor, SUP_GET_CHILDSPEC, id, strlen(id) + 1, TR_INFINITY, &reply);
    if (status != TR_OK)
        return status;
    status = take_spec(reply, spec);
    tr_drop(reply);
    return status;
}
