/* script.c: the commands of a script, each on Troupe's own function of that name. */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFS_MOST = 8 };

/* A script that runs; on its own stack. */
struct script {
    struct place place;
    struct run *run;
    uint64_t dice;
    uint64_t calls; /* how many without a timeout */
    struct {
        const char *name;
        tr_ref ref;
        tr_timer timer;
    } refs[REFS_MOST];
    size_t ref_count;
    bool has_last; /* the message received last had a reference in it */
    tr_ref last;
};

typedef void command(struct script *script, const struct op *op);

static void delay(struct script *script) { run_delay(script->run, &script->dice); }

static void write_down(struct script *script, const char *text) { see(script->run, script->place.index, "%s", text); }

static void write_bool(struct script *script, bool value) { write_down(script, value ? "true" : "false"); }

static void step(struct script *script) { atomic_fetch_add(&script->run->steps, 1); }

/* Whom a word means: a process, or whoever holds the name behind an @. */
static tr_pid to(struct script *script, const char *word)
{
    if (strcmp(word, "self") == 0)
        return tr_self();
    if (word[0] == '@')
        return tr_name(run_name(script->run, word + 1).s);
    return (tr_pid){ atomic_load(&script->run->pids[scenario_find(script->run->scenario, word)]) };
}

static size_t keep(struct script *script, const char *name)
{
    tr_assert(script->ref_count < REFS_MOST);
    script->refs[script->ref_count].name = name;
    return script->ref_count++;
}

static size_t kept(struct script *script, const char *name)
{
    size_t at = 0;
    while (at < script->ref_count && strcmp(script->refs[at].name, name) != 0)
        at++;
    tr_assert(at < script->ref_count);
    return at;
}

/* ---- life, links, monitors */

static void do_spawn(struct script *script, const struct op *op)
{
    size_t child = scenario_find(script->run->scenario, op->words[1]);
    tr_ref monitor;
    tr_spawn_options options = { .flags = op_has(op, "link") ? TR_SPAWN_LINK : 0 };
    if (op_has(op, "monitor")) {
        options.flags |= TR_SPAWN_MONITOR;
        options.monitor = &monitor;
    }
    struct place place = { script->run, child };
    tr_pid pid = tr_spawn_with(script_enter, &place, sizeof place, &options);
    atomic_store(&script->run->pids[child], pid.id);
    if (op_has(op, "monitor"))
        script->refs[keep(script, op->words[op->count - 1])].ref = monitor;
}

static void do_exit(struct script *script, const struct op *op)
{
    (void)script;
    tr_exit(reason_of(op->words[1]));
}

static void do_trap(struct script *script, const struct op *op)
{
    (void)script;
    tr_trap_exit(strcmp(op->words[1], "on") == 0);
}

static void do_signal(struct script *script, const struct op *op)
{
    int status = tr_exit_signal(to(script, op->words[1]), reason_of(op->words[2]));
    if (op->words[1][0] == '@')
        write_down(script, status == TR_OK ? "ok" : "nobody");
}

static void do_link(struct script *script, const struct op *op)
{
    write_down(script, tr_link(to(script, op->words[1])) == TR_OK ? "ok" : "noproc");
}

static void do_unlink(struct script *script, const struct op *op) { tr_unlink(to(script, op->words[1])); }

static void do_monitor(struct script *script, const struct op *op)
{
    const char *mode = op->words[3];
    tr_pid target = to(script, op->words[1]);
    size_t at = keep(script, op->words[2]);
    script->refs[at].ref = mode[0] == '\0'
                               ? tr_monitor(target)
                               : tr_monitor_alias(target, strcmp(mode, "explicit") == 0    ? TR_ALIAS_EXPLICIT
                                                          : strcmp(mode, "demonitor") == 0 ? TR_ALIAS_DEMONITOR
                                                                                           : TR_ALIAS_REPLY);
}

static void do_demonitor(struct script *script, const struct op *op)
{
    write_bool(script, tr_demonitor(script->refs[kept(script, op->words[1])].ref, op_has(op, "flush")));
}

static void do_alias(struct script *script, const struct op *op)
{
    script->refs[keep(script, op->words[1])].ref = tr_alias();
}

static void do_unalias(struct script *script, const struct op *op)
{
    write_bool(script, tr_unalias(script->refs[kept(script, op->words[1])].ref));
}

/* ---- messages */

static struct word word_of(const char *text)
{
    struct word word = { .has_ref = false };
    strncpy(word.text, text, sizeof word.text - 1);
    return word;
}

static void do_send(struct script *script, const struct op *op)
{
    struct word word = word_of(op->words[2]);
    if (op->words[3][0] != '\0') {
        word.has_ref = true;
        word.ref = script->refs[kept(script, op->words[3])].ref;
    }
    int status = tr_send(to(script, op->words[1]), WORD, &word, sizeof word);
    if (op->words[1][0] == '@')
        write_down(script, status == TR_OK ? "ok" : "badarg");
}

static void do_reply(struct script *script, const struct op *op)
{
    struct word word = word_of(op->words[1]);
    if (script->has_last)
        tr_send_alias(script->last, WORD, &word, sizeof word);
}

/* A receive, and whose it is. */
struct wish {
    const char *pattern;
    struct run *run;
    size_t index;
};

static bool matches(const tr_msg *message, const char *pattern)
{
    bool any = strcmp(pattern, "any") == 0;
    switch (tr_tag(message)) {
    case WORD: return any || strcmp(((const struct word *)tr_body(message))->text, pattern) == 0;
    case TR_MSG_EXIT: return any || strcmp(pattern, "EXIT") == 0;
    case TR_MSG_DOWN: return any || strcmp(pattern, "DOWN") == 0;
    default: return false;
    }
}

static bool wanted(const tr_msg *message, const void *arg)
{
    const struct wish *wish = arg;
    if (matches(message, wish->pattern)) {
        atomic_store(&wish->run->waits[wish->index], false);
        return true;
    }
    atomic_fetch_add(&wish->run->passed[wish->index], 1);
    return false;
}

static const char *monitor_name(struct script *script, tr_ref ref)
{
    for (size_t i = 0; i < script->ref_count; i++)
        if (tr_same_ref(script->refs[i].ref, ref))
            return script->refs[i].name;
    return "unknown";
}

static void write_message(struct script *script, const tr_msg *message)
{
    struct run *run = script->run;
    size_t index = script->place.index;
    if (tr_tag(message) == WORD) {
        const struct word *word = tr_body(message);
        script->has_last = word->has_ref;
        script->last = word->ref;
        see(run, index, "%s", word->text);
    } else if (tr_tag(message) == TR_MSG_EXIT) {
        see(run, index, "EXIT(%s,%s)", run_process_name(run, tr_sender(message)), reason_name(tr_reason_of(message)).s);
    } else {
        see(run, index, "DOWN(%s,%s)", monitor_name(script, tr_ref_of(message)), reason_name(tr_reason_of(message)).s);
    }
}

static void do_recv(struct script *script, const struct op *op)
{
    struct wish wish = { op->words[1], script->run, script->place.index };
    bool forever = op->count < 3;
    atomic_store(&wish.run->passed[wish.index], 0);
    atomic_store(&wish.run->waits[wish.index], forever);
    const tr_msg *message = tr_receive_match(&(tr_match){ .accept = wanted, .arg = &wish },
                                             forever ? TR_INFINITY : atoi(op->words[2]));
    step(script);
    if (message == NULL)
        write_down(script, "timeout");
    else
        write_message(script, message);
}

/* ---- names */

static void do_register(struct script *script, const struct op *op)
{
    int status = tr_register(run_name(script->run, op->words[1]).s, to(script, op->words[2]));
    write_down(script, status == TR_OK ? "ok" : "badarg");
}

static void do_unregister(struct script *script, const struct op *op)
{
    write_down(script, tr_unregister(run_name(script->run, op->words[1]).s) == TR_OK ? "ok" : "badarg");
}

static void do_whereis(struct script *script, const struct op *op)
{
    tr_pid pid = tr_whereis(run_name(script->run, op->words[1]).s);
    write_down(script, tr_nobody(pid) ? "undefined" : run_process_name(script->run, pid));
}

static void do_alive(struct script *script, const struct op *op)
{
    write_bool(script, tr_is_alive(to(script, op->words[1])));
}

/* ---- timers */

static void do_timer(struct script *script, const struct op *op)
{
    struct run *run = script->run;
    size_t at = keep(script, op->words[1]), place = atomic_fetch_add(&run->timer_count, 1);
    tr_assert(place < TIMERS_MOST);
    bool far = strcmp(op->words[2], "far") == 0;
    struct word word = word_of(op->words[4]);
    atomic_store(&run->far[place], far);
    tr_must(tr_send_after(far ? 3600000 : atoi(op->words[2]), to(script, op->words[3]), WORD, &word, sizeof word,
                          &script->refs[at].timer));
    atomic_store(&run->timers[place], script->refs[at].timer.id);
}

static void do_cancel(struct script *script, const struct op *op)
{
    write_down(script, tr_timer_cancel(script->refs[kept(script, op->words[1])].timer) < 0 ? "false" : "left");
}

static void do_read(struct script *script, const struct op *op)
{
    write_down(script, tr_timer_read(script->refs[kept(script, op->words[1])].timer) < 0 ? "false" : "left");
}

/* ---- requests */

static void write_status(struct script *script, int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = { { TR_OK, "ok" },
                  { TR_ENOPROC, "fail(noproc)" },
                  { TR_ETIMEDOUT, "fail(timeout)" },
                  { TR_EALREADY_STARTED, "already_started" },
                  { TR_EALREADY_PRESENT, "already_present" },
                  { TR_ERUNNING, "running" },
                  { TR_ERESTARTING, "restarting" },
                  { TR_ENOT_FOUND, "not_found" } };
    for (size_t i = 0; i < TR_COUNT(texts); i++)
        if (texts[i].status == status) {
            write_down(script, texts[i].text);
            return;
        }
    see(script->run, script->place.index, "%s(%s)", status == TR_EDOWN ? "fail" : "error",
        status == TR_EDOWN || status == TR_ESTART ? reason_name(tr_last_reason()).s : tr_status_text(status));
}

static struct request request_of(const char *text)
{
    struct request request = { .call = 0 };
    strncpy(request.text, text, sizeof request.text - 1);
    return request;
}

static void do_call(struct script *script, const struct op *op)
{
    struct request request = request_of(op->words[2]);
    char reply[WORD_SIZE];
    bool forever = op->count < 4;
    _Atomic uint64_t *call = &script->run->calls[script->place.index];
    if (forever)
        atomic_store(call, request.call = ++script->calls);
    int status = tr_call(to(script, op->words[1]), REQUEST, &request, sizeof request, reply, sizeof reply,
                         forever ? TR_INFINITY : atoi(op->words[3]));
    atomic_store(call, 0);
    step(script);
    if (status == TR_OK)
        write_down(script, reply);
    else
        write_status(script, status);
}

static void do_cast(struct script *script, const struct op *op)
{
    struct request request = request_of(op->words[2]);
    tr_cast(to(script, op->words[1]), REQUEST, &request, sizeof request);
}

/* The line of a simple_one_for_one supervisor's template. */
static const struct op *template_of(struct script *script, const char *supervisor)
{
    const struct scenario *scenario = script->run->scenario;
    return &scenario->processes[scenario_find(scenario, supervisor)].ops[1];
}

/* Of the child that has the name now. */
static int drop(struct script *script, tr_pid supervisor, const char *name, const char **said)
{
    tr_pid pid = tr_whereis(run_name(script->run, name).s);
    if (!tr_nobody(pid))
        return tr_terminate_child_pid(supervisor, pid);
    *said = "nobody";
    return TR_OK;
}

/* start, add, terminate, drop, delete and restart of a supervisor's child. */
static void do_child(struct script *script, const struct op *op)
{
    struct run *run = script->run;
    struct place place = { run, scenario_find(run->scenario, op->words[1]) };
    tr_pid supervisor = to(script, op->words[1]), pid;
    const char *what = op->words[0], *name = op->words[2], *said = NULL;
    int status;
    if (strcmp(what, "start") == 0) {
        struct child_spec child;
        server_child(&child, place, op, 2);
        status = tr_start_child(supervisor, &child.spec, &pid);
    } else if (strcmp(what, "add") == 0) {
        struct server_arg arg = server_pooled(place, name, template_of(script, op->words[1]));
        status = tr_start_child_with(supervisor, &arg, sizeof arg, &pid);
    } else if (strcmp(what, "terminate") == 0) {
        status = tr_terminate_child(supervisor, name);
    } else if (strcmp(what, "drop") == 0) {
        status = drop(script, supervisor, name, &said);
    } else if (strcmp(what, "delete") == 0) {
        status = tr_delete_child(supervisor, name);
    } else {
        status = tr_restart_child(supervisor, name, &pid);
    }
    step(script);
    if (said != NULL)
        write_down(script, said);
    else
        write_status(script, status);
}

static char shown(const tr_child_info *child) { return child->restarting ? '?' : tr_nobody(child->pid) ? '-' : '+'; }

/* What is shown of children without an id: they have no order either. */
static int by_sign(const void *a, const void *b) { return shown(a) - shown(b); }

static void do_which(struct script *script, const struct op *op)
{
    tr_child_info *children;
    size_t count, used = 0;
    int status = tr_which_children(to(script, op->words[1]), &children, &count);
    step(script);
    if (status != TR_OK) {
        write_status(script, status);
        return;
    }
    bool pooled = count > 0 && strcmp(children[0].id, "undefined") == 0;
    if (pooled)
        qsort(children, count, sizeof *children, by_sign);
    char text[SEEN_SIZE] = "";
    for (size_t i = 0; i < count && used < sizeof text - 8; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%c%.4s", i == 0 ? "" : ",", shown(&children[i]),
                                 pooled ? "" : children[i].id);
    tr_free(children);
    see(script->run, script->place.index, "which(%.40s)", text);
}

/* ---- running */

static const struct {
    const char *name;
    command *run;
} commands[] = { { "spawn", do_spawn },     { "exit", do_exit },           { "trap", do_trap },
                 { "signal", do_signal },   { "link", do_link },           { "unlink", do_unlink },
                 { "monitor", do_monitor }, { "demonitor", do_demonitor }, { "alias", do_alias },
                 { "unalias", do_unalias }, { "send", do_send },           { "reply", do_reply },
                 { "recv", do_recv },       { "register", do_register },   { "unregister", do_unregister },
                 { "whereis", do_whereis }, { "alive", do_alive },         { "timer", do_timer },
                 { "cancel", do_cancel },   { "read", do_read },           { "call", do_call },
                 { "cast", do_cast },       { "start", do_child },         { "terminate", do_child },
                 { "delete", do_child },    { "restart", do_child },       { "which", do_which },
                 { "add", do_child },       { "drop", do_child } };

static command *command_of(const char *name)
{
    for (size_t i = 0; i < TR_COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run;
    fprintf(stderr, "no command %s\n", name);
    abort();
}

void script_enter(const tr_msg *arg)
{
    struct script script = { .place = *(const struct place *)tr_expect(arg, sizeof(struct place)) };
    script.run = script.place.run;
    script.dice = script.run->seed ^ (uint64_t)script.place.index << 56;
    const struct process *process = &script.run->scenario->processes[script.place.index];
    atomic_store(&script.run->pids[script.place.index], tr_self().id);
    if (process->kind == KIND_SCRIPT)
        tr_receive_match(&(tr_match){ .tag = GO }, TR_INFINITY);
    for (size_t i = 0; i < process->count; i++) {
        delay(&script);
        step(&script);
        command_of(process->ops[i].words[0])(&script, &process->ops[i]);
    }
    delay(&script);
    step(&script);
}
