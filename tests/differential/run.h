/* run.h: one run of a scenario: what its processes share, and what they write down.
 *
 * Observations of a process are written by itself, those of a supervisor by its children too; they are read when the
 * run has come to rest. A run is over when three looks in a row found that nobody did anything in between: a look asks
 * every process, each of which answers behind the signals (scripts) or the messages (servers) that it has; and whether a
 * supervisor's children are alive: the end of one that is not has not reached it yet. */
#ifndef TROUPE_TESTS_DIFFERENTIAL_RUN_H
#define TROUPE_TESTS_DIFFERENTIAL_RUN_H

#include "counts.h"
#include "scenario.h"

#include <stdatomic.h>
#include <troupe/troupe.h>

enum { SEEN_MOST = 64, SEEN_SIZE = 56, TIMERS_MOST = 16, NAMES_MOST = 26, WORD_SIZE = 16 };

/* Tags: a word from script to script, a request to a server, the question whether a server is idle, the start. */
enum { WORD = 1, REQUEST, LOOK, GO };

/* The body of WORD. */
struct word {
    char text[WORD_SIZE];
    bool has_ref;
    tr_ref ref;
};

/* The body of REQUEST. */
struct request {
    char text[WORD_SIZE];
    uint64_t call; /* the client's number of it; 0: it does not wait for ever */
};

/* What one process saw, in order. */
struct seen {
    _Atomic size_t count;
    struct {
        _Atomic bool written;
        char text[SEEN_SIZE];
    } lines[SEEN_MOST];
};

struct run {
    const struct scenario *scenario;
    uint64_t seed; /* of the delays; 0: none */
    size_t slot;   /* tells the names of runs beside each other apart */
    _Atomic uint64_t steps;
    _Atomic uint64_t pids[PROCESSES_MOST];    /* 0: not started */
    _Atomic bool waits[PROCESSES_MOST];       /* a script does nothing but wait, without a timeout ... */
    _Atomic size_t passed[PROCESSES_MOST];    /* ... and has passed over at least so many messages */
    _Atomic uint64_t calls[PROCESSES_MOST];   /* the call in which a script waits without a timeout, or 0 */
    _Atomic uint64_t held[PROCESSES_MOST];    /* the call of a script that a server has kept */
    _Atomic uint64_t held_by[PROCESSES_MOST]; /* that server */
    struct seen seen[PROCESSES_MOST];
    _Atomic uint64_t timers[TIMERS_MOST]; /* all of them, to be cancelled at the end */
    _Atomic bool far[TIMERS_MOST];        /* not to be waited for */
    _Atomic size_t timer_count;
    _Atomic size_t starts[NAMES_MOST]; /* how often a supervisor's child of each letter was started */
    int pause_ms;                      /* between looks; 0: they follow each other at once */
    void (*begun)(void);               /* NULL; else called when the scripts may go, and the run rests when ... */
    int rest;                          /* ... a message with this tag is there */
};

/* A process of a run: the start argument of scripts. */
struct place {
    struct run *run;
    size_t index;
};

/* Runs a scenario once, from a process that traps exits, and writes its outcome. */
void run_once(struct run *run, char *outcome);

/* Lets others go ahead, by the seed: some runs go straight on, some yield, some sleep. */
void run_delay(const struct run *run, uint64_t *dice);
/* Writes down what a process saw. */
void see(struct run *run, size_t index, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The registered name that stands for a scenario's name in this run. */
tr_text run_name(const struct run *run, const char *name);
/* What a pid is called in outcomes. */
const char *run_process_name(struct run *run, tr_pid pid);

/* Reasons by their names: normal, kill, killed, shutdown, noproc, or the user's own. */
tr_reason reason_of(const char *name);
tr_text reason_name(const tr_reason *reason);

/* The body of a script; its start argument is a struct place. */
void script_enter(const tr_msg *arg);
/* The start argument of a server. */
struct server_arg {
    struct place place;
    char name[8];     /* of a supervisor's child, a letter; "" */
    const char *init; /* how its starts go, a letter each, the last for all that follow; NULL: well */
    bool stuck;       /* does not come to an end when its supervisor shuts it down */
    bool registers;   /* itself, in its init */
};
/* A supervisor's child, to be copied at once. */
struct child_spec {
    tr_text name;
    struct server_arg arg;
    tr_child spec;
};
/* What stands from words[at] on: the name, the restart type, and options. */
void server_child(struct child_spec *child, struct place place, const struct op *line, size_t at);
/* The start argument of a child of a simple_one_for_one supervisor, whose template is the line. */
struct server_arg server_pooled(struct place place, const char *name, const struct op *line);
/* Starts a server and a supervisor of the scenario, watched by the caller. */
tr_pid server_start(struct place place, bool trap, tr_ref *monitor);
tr_pid supervisor_start(struct place place, const struct process *process, tr_ref *monitor);

#endif
