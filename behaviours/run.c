/* run.c: tr_run: a supervision tree as the whole program.
 *
 * The program's first process starts the root supervisor, and is its parent. It waits for one of two EXITs: the root's,
 * or anybody else's, which is the system asking for the end (SIGTERM, SIGINT, tr_shutdown). */
#include <stdio.h>

#include <troupe/runtime.h>

#include "supervisor.h"

/* Ends the program as a failure, with a line that says so: by a signal, which is not logged once more (LOG-03). */
TR_NORETURN static void fail(const char *what, const tr_reason *reason)
{
    char text[128];
    const tr_reason told = tr_because(TR_WHY_START, reason->code, "%s", what);
    tr_log_flush(); /* the last line says it all; those that lead there stand before it */
    fprintf(stderr, "%s: %s\n", what, tr_reason_text(reason, text, sizeof text));
    tr_trap_exit(false);
    tr_exit_signal(tr_self(), told);
    tr_exit(told); /* without memory for the signal */
}

static tr_pid start_root(const tr_supervisor *root)
{
    tr_reason why;
    tr_pid pid = { 0 };
    int status = tree_check(root, &why);
    if (status == TR_OK) {
        size_t size = tree_size(root);
        struct tree *tree = tr_alloc(size);
        status = TR_ENOMEM;
        if (tree != NULL) {
            tree_pack(root, tree);
            tree->is_root = true;
            const tr_spawn_options spawn = { .flags = TR_SPAWN_TRAP_EXIT };
            const tr_start_options options = { .flags = TR_START_LINK, .spawn = &spawn };
            status = tr_start_actor(&supervisor_actor, tree, size, &options, &pid);
            tr_free(tree);
        }
        why = status == TR_ESTART ? *tr_last_reason() : tr_because(TR_WHY_STATUS, status, NULL);
    }
    if (status != TR_OK)
        fail("the root supervisor could not start", &why);
    return pid;
}

static const tr_reason *await_exit(const tr_match *match, tr_pid *from)
{
    const tr_msg *message = tr_receive_match(match, TR_INFINITY);
    *from = tr_sender(message);
    return tr_reason_of(message);
}

static void run(const tr_msg *arg)
{
    const tr_supervisor *root = *(const tr_supervisor *const *)tr_expect(arg, sizeof root);
    tr_pid from;
    tr_trap_exit(true);
    tr_pid supervisor = start_root(root);
    const tr_reason *reason = await_exit(&(tr_match){ .tag = TR_MSG_EXIT }, &from);
    if (tr_same(from, supervisor)) {
        if (!tr_reason_clean(reason) || tr_reason_same(reason, &supervisor_gave_up))
            fail("the root supervisor ended", reason);
        return;
    }
    tr_must(tr_exit_signal(supervisor, TR_SHUTDOWN)); /* the parent asks: SUP-46 */
    await_exit(&(tr_match){ .tag = TR_MSG_EXIT, .from = supervisor }, &from);
}

int tr_run_with(const tr_config *config, const tr_supervisor *root)
{
    if (root == NULL)
        return 1;
    return tr_main(config, run, &root, sizeof root);
}

int tr_run(const tr_supervisor *root) { return tr_run_with(NULL, root); }
