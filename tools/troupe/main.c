/* main.c: the `troupe` command: finds the sub-command. Each one lives in a file of its own and gets the arguments after
 * its name. */
#include "bench.h"
#include "record.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#ifndef TROUPE_VERSION
#define TROUPE_VERSION "1.0.0"
#endif

static int version_command(int argc, char **argv)
{
    (void)argv;
    if (argc > 0) {
        fprintf(stderr, "usage: troupe version\n");
        return 2;
    }
    printf("troupe %s\n", TROUPE_VERSION);
    return 0;
}

static int help_command(int argc, char **argv);

static const struct command {
    const char *name, *arguments, *what;
    int (*run)(int argc, char **argv);
    void (*help)(FILE *out); /* the whole of it; NULL: arguments and what are all */
} commands[] = {
    { "bench", "[WORKLOAD ...] [key=value ...]", "run benchmark workloads, print each one's result as a line of JSON",
      bench_command, bench_help },
    { "record", "[-o FILE] -- PROGRAM ARGS...", "run a program, write what its workers did as a trace for Perfetto",
      record_command, record_help },
    { "help", "[COMMAND]", "say what there is", help_command, NULL },
    { "version", "", "say which version this is", version_command, NULL },
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static void print_help(FILE *out)
{
    fprintf(out, "usage: troupe COMMAND ...\n");
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
        fprintf(out, "  troupe %-8s%-32s%s\n", commands[i].name, commands[i].arguments, commands[i].what);
}

static int help_command(int argc, char **argv)
{
    const struct command *command = argc > 0 ? find(argv[0]) : NULL;
    if (argc > 0 && command == NULL) {
        fprintf(stderr, "troupe: there is no command '%s'\n", argv[0]);
        return 2;
    }
    if (command == NULL) {
        print_help(stdout);
        return 0;
    }
    if (command->help == NULL)
        printf("usage: troupe %s%s%s\n", command->name, *command->arguments != '\0' ? " " : "", command->arguments);
    printf("%s\n", command->what);
    if (command->help != NULL)
        command->help(stdout);
    return 0;
}

static bool asks_for_help(const char *word) { return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0; }

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return 2;
    }
    const char *name = argv[1];
    if (asks_for_help(name))
        name = "help";
    else if (strcmp(name, "--version") == 0)
        name = "version";
    const struct command *command = find(name);
    if (command != NULL && argc > 2 && asks_for_help(argv[2]))
        return help_command(1, (char *[]){ argv[1] });
    if (command != NULL)
        return command->run(argc - 2, argv + 2);
    fprintf(stderr, "troupe: there is no command '%s'\n", argv[1]);
    print_help(stderr);
    return 2;
}
