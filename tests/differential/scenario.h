/* scenario.h: the scenario language as the interpreter reads it; scenario.py says what it looks like.
 *
 * A file is read once; the words are pointers into its text, which lives as long as the list. */
#ifndef TROUPE_TESTS_SCENARIO_H
#define TROUPE_TESTS_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>

enum { PROCESSES_MOST = 8, OPS_MOST = 24, WORDS_MOST = 9, CHILDREN_MOST = 6 };

enum kind { KIND_SCRIPT, KIND_SPAWNED, KIND_SERVER, KIND_SUPERVISOR };

/* A command: its words; those that are not there are "". */
struct op {
    const char *words[WORDS_MOST];
    size_t count;
};

/* Of a server, ops[0] is its line; of a supervisor, ops[0] its strategy and intensity, the others its children. */
struct process {
    char name[4];
    enum kind kind;
    struct op ops[OPS_MOST];
    size_t count;
};

struct scenario {
    const char *name;
    struct process processes[PROCESSES_MOST];
    size_t count;
    struct scenario *next;
};

/* Reads a file, in the order of its scenarios, which live until the end of the program. False, and a line on stderr: it
 * can't be read, or a line is none of the language. */
bool scenario_read(const char *path, struct scenario **first);
/* Whether a command has this word. */
bool op_has(const struct op *op, const char *word);
/* What stands behind "key=" in a command; NULL: it has no such word. */
const char *op_value(const struct op *op, const char *key);
/* The index of a process by its name; count if there is none. */
size_t scenario_find(const struct scenario *scenario, const char *name);

#endif
