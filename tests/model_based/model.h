/* model.h: model-based tests: random commands for the runtime, and beside it a sequential model that says what must
 * come of each.
 *
 *     model_links seed=7 commands=1000000 workers=8        a longer run
 *     model_links workers=8 script=- <<'END'               what a failed run prints: the shortest script that fails
 *     ...
 *     END
 *
 * A model is a table of operations, with the ranges of their arguments, and a function that applies a command to the
 * runtime and to the model and compares them. Commands name things by small numbers (slots), and every list of commands
 * must be one that can be run: what makes no sense at the moment does nothing. So any part of a failing list can be run
 * by itself, and the shrinker (model.c) takes out whatever the failure does not need. A run goes on until `commands` of
 * them were carried out; those that did nothing do not count.
 *
 * All of a model runs in one process of the runtime, the driver. It sends orders to others and, before it compares,
 * waits for events: ends that it monitors, replies, lengths of mailboxes. So it says the same whatever the number of
 * workers is, and in simulation. `begin` and `end` stand around each script: `end` compares what is left, and leaves
 * no process behind. */
#ifndef TROUPE_TESTS_MODEL_BASED_MODEL_H
#define TROUPE_TESTS_MODEL_BASED_MODEL_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <troupe/troupe.h>

#define UNUSED   __attribute__((unused))
#define RULE(id) ((void)0) /* the rule that the next check is about: read by tools/rules */

enum { ARGUMENTS_MOST = 6 };

/* An argument is a number from 0 to below - 1; it is written as its word, where there are words. */
struct argument {
    int below;
    const char *const *words;
};

#define UPTO(below_)   \
    {                  \
        (below_), NULL \
    }
#define ONE_OF(words_)                  \
    {                                   \
        (int)TR_COUNT(words_), (words_) \
    }

/* weight: how often it is chosen, in comparison with the others; 0: only in scripts written by hand. */
struct operation {
    const char *name;
    int weight;
    struct argument arguments[ARGUMENTS_MOST]; /* those with below 0 are none */
};

struct command {
    int operation;
    int arguments[ARGUMENTS_MOST];
};

struct model {
    const char *name;
    const struct operation *operations;
    int operation_count;
    int length;          /* commands in a script, unless asked for otherwise */
    int64_t commands;    /* to be carried out in a run, unless asked for otherwise */
    void (*begin)(void); /* the world is empty */
    void (*apply)(const struct command *command);
    void (*end)(void);
};

/* The program: see above; returns its status. */
int model_main(int argc, char **argv, const struct model *model);

/* The runtime and the model are not of one opinion: ends the run. */
__attribute__((noreturn, format(printf, 3, 4))) void model_differs(const char *file, int line, const char *format, ...);
void model_equal(int64_t real, int64_t expected, const char *what, const char *file, int line);
void model_same_pid(tr_pid real, tr_pid expected, const char *what, const char *file, int line);
void model_same_reason(const tr_reason *real, const tr_reason *expected, const char *what, const char *file, int line);

#define DIFFERS(...)                  model_differs(__FILE__, __LINE__, __VA_ARGS__)
#define EXPECT(condition)             ((condition) ? (void)0 : DIFFERS("not so: %s", #condition))
#define EXPECT_EQ(real, expected)     model_equal((int64_t)(real), (int64_t)(expected), #real, __FILE__, __LINE__)
#define EXPECT_PID(real, expected)    model_same_pid((real), (expected), #real, __FILE__, __LINE__)
#define EXPECT_REASON(real, expected) model_same_reason((real), (expected), #real, __FILE__, __LINE__)

/* Waiting for what must come: `for (struct patience p = { 0 }; !there(); model_wait(&p, "the thing"))`. A difference if
 * it does not come for a long time. */
struct patience {
    int rounds;
    int64_t since_ns;
};
void model_wait(struct patience *patience, const char *what);

/* The command at hand was carried out: it made sense at the moment. A run is over after so many of these. */
void model_did(void);

/* Where there are several workers, the caller now and then goes on on another one. */
void model_wander(void);

/* How long something that must come may take, for calls that wait by themselves; less while shrinking. */
int64_t model_patience_ms(void);

#endif
