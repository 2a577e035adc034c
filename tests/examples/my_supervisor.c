/* my_supervisor.c: a supervisor of one's own, a plain gen_server that traps exits and keeps a map from pid to child */
#include <stdio.h>
#include <troupe/troupe.h>

enum { START = 1, COUNT };
struct entry {
    tr_pid pid;
    tr_child child;
};
struct children {
    size_t count;
    struct entry entries[16];
};

/* --- the supervisor */
static int sup_call(void *state, const tr_msg *request, tr_from from)
{
    struct children *children = state;
    if (tr_tag(request) != START)
        return tr_unexpected(request);
    struct entry *entry = &children->entries[children->count];
    tr_assert(children->count < TR_COUNT(children->entries));
    entry->child = *(const tr_child *)tr_expect(request, sizeof(tr_child));
    if (tr_start_link(&entry->child, &entry->pid) == TR_OK)
        children->count++;
    return tr_reply(from, &entry->pid, sizeof entry->pid);
}

static int sup_info(void *state, const tr_msg *message)
{
    struct children *children = state;
    if (tr_tag(message) == TR_MSG_EXIT)
        for (size_t i = 0; i < children->count; i++)
            if (tr_same(children->entries[i].pid, tr_sender(message)))
                return tr_start_link(&children->entries[i].child, &children->entries[i].pid);
    return TR_OK;
}

static void sup_terminate(void *state, const tr_reason *reason)
{
    struct children *children = state;
    (void)reason;
    while (children->count > 0) {
        tr_pid pid = children->entries[--children->count].pid;
        tr_exit_signal(pid, TR_SHUTDOWN);
        tr_receive_match(&(tr_match){ .tag = TR_MSG_EXIT, .from = pid }, TR_INFINITY);
    }
}

static const tr_gen_server my_supervisor = {
    .label = "my supervisor",
    .state_size = sizeof(struct children),
    .trap_exit = true,
    .handle_call = sup_call,
    .handle_info = sup_info,
    .terminate = sup_terminate,
};

/* --- its use */
static const tr_gen_server idle = { .label = "idle" };

static tr_pid start(tr_pid supervisor, const tr_child *child)
{
    tr_pid pid;
    tr_call_or_exit(supervisor, START, child, sizeof *child, &pid, sizeof pid, 5000);
    return pid;
}

static void session(const tr_msg *unused)
{
    (void)unused;
    tr_pid supervisor;
    tr_must(tr_start_link(&(tr_child){ .name = "my supervisor", .server = &my_supervisor }, &supervisor));
    tr_pid first = start(supervisor, &(tr_child){ .name = "idle", .server = &idle });
    tr_ref monitor = tr_monitor(first);
    tr_exit_signal(first, TR_KILL);
    tr_must(tr_await_down(monitor, TR_INFINITY, NULL));
    start(supervisor,
          &(tr_child){ .name = "other", .server = &idle }); /* a call: the EXIT before it has been handled */
    tr_pid second = tr_whereis("idle");
    printf("restarted: %s, same process: %s\n", tr_nobody(second) ? "no" : "yes",
           tr_same(first, second) ? "yes" : "no");
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
