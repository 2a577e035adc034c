/* scenario.c: reading scenarios. */
#include "scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The whole file as a string; NULL: it can't be read. */
static char *read_text(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    size_t used = 0, room = 1 << 16;
    char *text = malloc(room);
    while (text != NULL) {
        used += fread(text + used, 1, room - used - 1, file);
        if (used + 1 < room)
            break;
        char *larger = realloc(text, room *= 2);
        if (larger == NULL)
            free(text);
        text = larger;
    }
    if (text != NULL)
        text[used] = '\0';
    fclose(file);
    return text;
}

static bool read_op(struct op *op, char *text)
{
    char *rest;
    for (op->count = 0; op->count < WORDS_MOST; op->count++)
        op->words[op->count] = "";
    op->count = 0;
    for (char *word = strtok_r(text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (op->count == WORDS_MOST)
            return false;
        op->words[op->count++] = word;
    }
    return true;
}

static bool read_process(struct scenario *scenario, const char *name, char *body)
{
    if (scenario->count == PROCESSES_MOST)
        return false;
    struct process *process = &scenario->processes[scenario->count++];
    snprintf(process->name, sizeof process->name, "%.2s", name);
    switch (name[0]) {
    case 'p': process->kind = KIND_SCRIPT; break;
    case 'd': process->kind = KIND_SPAWNED; break;
    case 'v': process->kind = KIND_SERVER; break;
    case 's': process->kind = KIND_SUPERVISOR; break;
    default: return false;
    }
    char *rest;
    for (char *part = strtok_r(body, ";", &rest); part != NULL; part = strtok_r(NULL, ";", &rest)) {
        if (process->count == OPS_MOST || !read_op(&process->ops[process->count], part))
            return false;
        if (process->ops[process->count].count > 0)
            process->count++;
    }
    return true;
}

/* Takes a line in; *last is where the next scenario goes, scenario the one at hand or NULL. */
static bool read_line(struct scenario **scenario, struct scenario ***last, char *line)
{
    if (strncmp(line, "scenario ", 9) == 0) {
        *scenario = **last = calloc(1, sizeof **scenario);
        if (*scenario == NULL)
            return false;
        (*scenario)->name = line + 9;
        *last = &(*scenario)->next;
        return true;
    }
    if (strlen(line) >= 3 && line[2] == ':')
        return *scenario != NULL && read_process(*scenario, line, line + 3);
    return line[0] == '\0' || line[0] == '#' || strncmp(line, "otp ", 4) == 0 || strncmp(line, "troupe ", 7) == 0;
}

bool scenario_read(const char *path, struct scenario **first)
{
    struct scenario *scenario = NULL, **last = first;
    char *text = read_text(path), *rest;
    *first = NULL;
    if (text == NULL) {
        fprintf(stderr, "%s can't be read\n", path);
        return false;
    }
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
        if (!read_line(&scenario, &last, line)) {
            fprintf(stderr, "%s: not a line of a scenario, or too long: %s\n", path, line);
            return false;
        }
    return true;
}

bool op_has(const struct op *op, const char *word)
{
    for (size_t i = 1; i < op->count; i++)
        if (strcmp(op->words[i], word) == 0)
            return true;
    return false;
}

const char *op_value(const struct op *op, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 1; i < op->count; i++)
        if (strncmp(op->words[i], key, length) == 0 && op->words[i][length] == '=')
            return op->words[i] + length + 1;
    return NULL;
}

size_t scenario_find(const struct scenario *scenario, const char *name)
{
    size_t at = 0;
    while (at < scenario->count && strcmp(scenario->processes[at].name, name) != 0)
        at++;
    return at;
}
