/* script.h: the script at hand, of the model at hand: as text, and made from a seed. For model.c. */
#ifndef TROUPE_TESTS_MODEL_BASED_SCRIPT_H
#define TROUPE_TESTS_MODEL_BASED_SCRIPT_H

#include "model.h"

enum { SCRIPT_MOST = 1 << 20 };

static const struct model *model;
static struct command *script; /* room for SCRIPT_MOST */
static int script_length;

/* ---- commands as text */

static void print_command(FILE *to, const struct command *command)
{
    const struct operation *operation = &model->operations[command->operation];
    fputs(operation->name, to);
    for (int i = 0; i < ARGUMENTS_MOST && operation->arguments[i].below > 0; i++) {
        const struct argument *argument = &operation->arguments[i];
        if (argument->words != NULL)
            fprintf(to, " %s", argument->words[command->arguments[i]]);
        else
            fprintf(to, " %d", command->arguments[i]);
    }
    fputc('\n', to);
}

static int read_argument(const struct argument *argument, const char *word)
{
    for (int i = 0; argument->words != NULL && i < argument->below; i++)
        if (strcmp(argument->words[i], word) == 0)
            return i;
    char *end;
    long value = strtol(word, &end, 10);
    return argument->words != NULL || *end != '\0' || value < 0 || value >= argument->below ? -1 : (int)value;
}

/* False: the line is no command. */
static bool read_command(char *line, struct command *command)
{
    char *rest = NULL, *word = strtok_r(line, " \n", &rest);
    command->operation = 0;
    while (command->operation < model->operation_count && strcmp(model->operations[command->operation].name, word) != 0)
        command->operation++;
    if (command->operation == model->operation_count)
        return false;
    const struct operation *operation = &model->operations[command->operation];
    for (int i = 0; i < ARGUMENTS_MOST && operation->arguments[i].below > 0; i++) {
        word = strtok_r(NULL, " \n", &rest);
        command->arguments[i] = word == NULL ? -1 : read_argument(&operation->arguments[i], word);
        if (command->arguments[i] < 0)
            return false;
    }
    return strtok_r(NULL, " \n", &rest) == NULL;
}

static void read_script(const char *path)
{
    char line[256];
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    script_length = 0;
    while (file != NULL && script_length < SCRIPT_MOST && fgets(line, sizeof line, file) != NULL) {
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (!read_command(line, &script[script_length++])) {
            fprintf(stderr, "command %d is none: %s\n", script_length, line);
            exit(2);
        }
    }
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    if (file != stdin)
        fclose(file);
}

/* ---- the generator: script `number` of the seed is always the same */

static uint32_t roll(uint64_t *state, uint32_t below)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return below == 0 ? 0 : (uint32_t)((z ^ (z >> 31)) % below);
}

static void generate(uint64_t seed, int64_t number, int length)
{
    uint64_t state = seed * UINT64_C(0xd1342543de82ef95) + (uint64_t)number * UINT64_C(0xaf251af3b0f025b5);
    int total = 0;
    for (int i = 0; i < model->operation_count; i++)
        total += model->operations[i].weight;
    for (script_length = 0; script_length < length; script_length++) {
        struct command *command = &script[script_length];
        int chosen = (int)roll(&state, (uint32_t)total);
        memset(command, 0, sizeof *command);
        while (chosen >= model->operations[command->operation].weight)
            chosen -= model->operations[command->operation++].weight;
        const struct operation *operation = &model->operations[command->operation];
        for (int i = 0; i < ARGUMENTS_MOST && operation->arguments[i].below > 0; i++)
            command->arguments[i] = (int)roll(&state, (uint32_t)operation->arguments[i].below);
    }
}

#endif
