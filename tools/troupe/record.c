/* record.c: `troupe record [-o FILE] [-n EVENTS] -- PROGRAM ARGS...`, or `troupe record -o FILE -d DUMP` for a dump
 * that exists.
 *
 * The program runs as a child with the recorder's environment; the runtime in it writes the dump when it stops, or in a
 * crash. The child's signals are its own: while it runs, SIGINT and SIGTERM only reach troupe to be passed on by the
 * terminal or ignored, so that the picture is still made. The exit status is the program's (128 + number for a signal),
 * or 1 if there is no picture. A file that cannot be written is found before the program runs; a recording that could
 * not be made a picture is kept. */
#include "record.h"

#include "perfetto.h"
#include "setting.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_STARTED = 127 /* the status, as a shell's, of a program that could not be */ };

struct options {
    const char *json;   /* where the picture goes */
    const char *dump;   /* -d: an existing dump */
    const char *events; /* -n: events a ring; NULL: the runtime's default */
    char **program;
};

void record_help(FILE *out)
{
    fprintf(out,
            "usage: troupe record [-o FILE] [-n EVENTS] -- PROGRAM ARGS...   run it, write FILE (trace.json)\n"
            "       troupe record [-o FILE] -d DUMP                          convert a dump\n"
            "Open FILE with https://ui.perfetto.dev or chrome://tracing. EVENTS: the latest so many of each worker.\n"
            "A dump is what a program leaves that runs with TROUPE_TRACE=all and TROUPE_TRACE_FILE=DUMP.\n");
}

static int usage(const char *what)
{
    fprintf(stderr, "troupe record: %s\n", what);
    record_help(stderr);
    return 2;
}

static int parse(int argc, char **argv, struct options *options)
{
    int at = 0;
    *options = (struct options){ .json = "trace.json" };
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        if (strlen(argv[at]) != 2 || strchr("ond", argv[at][1]) == NULL || at + 1 == argc)
            return usage("unknown option, or its value is missing");
        const char **value = argv[at][1] == 'o'   ? &options->json
                             : argv[at][1] == 'n' ? &options->events
                                                  : &options->dump;
        *value = argv[++at];
    }
    options->program = &argv[at];
    if (options->events != NULL && (!setting_is_number(options->events) || strtoull(options->events, NULL, 10) == 0))
        return usage("-n takes a number of events, 1 or more");
    if ((options->dump == NULL) == (at == argc))
        return usage("either a program or a dump is needed");
    return 0;
}

/* Whether the file can be written, as far as can be known without a trace of having tried. */
static bool writable(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    bool good = access(path, W_OK) == 0 || (errno == ENOENT && folder != NULL && access(folder, W_OK | X_OK) == 0);
    if (!good)
        fprintf(stderr, "troupe record: %s: %s\n", path, strerror(errno));
    free(folder);
    return good;
}

static int convert(const char *dump_path, const char *json_path)
{
    FILE *dump = fopen(dump_path, "rb");
    if (dump == NULL) {
        fprintf(stderr, "troupe record: %s: %s\n", dump_path, strerror(errno));
        return -1;
    }
    FILE *json = fopen(json_path, "w");
    int result = -1;
    if (json == NULL)
        fprintf(stderr, "troupe record: %s: %s\n", json_path, strerror(errno));
    else
        result = perfetto_convert(dump, json);
    if (json != NULL && fclose(json) != 0 && result == 0) {
        fprintf(stderr, "troupe record: %s: %s\n", json_path, strerror(errno));
        result = -1;
    }
    fclose(dump);
    if (result == 0)
        fprintf(stderr, "troupe record: wrote %s\n", json_path);
    return result;
}

/* Runs the program to its end; its exit status as a shell tells it, or -1. */
static int run(const struct options *options, const char *dump_path)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN }, old_int, old_term;
    int status;
    sigaction(SIGINT, &ignore, &old_int);
    sigaction(SIGTERM, &ignore, &old_term);
    pid_t child = fork();
    if (child == 0) {
        sigaction(SIGINT, &old_int, NULL);
        sigaction(SIGTERM, &old_term, NULL);
        if (setenv("TROUPE_TRACE", "all", 1) == 0 && setenv("TROUPE_TRACE_FILE", dump_path, 1) == 0 &&
            (options->events == NULL || setenv("TROUPE_TRACE_EVENTS", options->events, 1) == 0))
            execvp(options->program[0], options->program);
        fprintf(stderr, "troupe record: %s: %s\n", options->program[0], strerror(errno));
        _exit(NOT_STARTED);
    }
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    if (child < 0)
        return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int record(const struct options *options)
{
    const char *folder = getenv("TMPDIR");
    char path[512];
    struct stat about;
    snprintf(path, sizeof path, "%s/troupe-trace-XXXXXX", folder != NULL && strlen(folder) < 400 ? folder : "/tmp");
    int fd = mkstemp(path);
    if (fd < 0) {
        fprintf(stderr, "troupe record: %s: %s\n", path, strerror(errno));
        return 1;
    }
    close(fd);
    int status = run(options, path);
    bool keep = false;
    if (status < 0) {
        fprintf(stderr, "troupe record: fork: %s\n", strerror(errno));
        status = 1;
    } else if (stat(path, &about) != 0 || about.st_size == 0) {
        if (status != NOT_STARTED)
            fprintf(stderr, "troupe record: the program left no recording: did it start and stop Troupe?\n");
        status = status == 0 ? 1 : status;
    } else if (convert(path, options->json) != 0) {
        fprintf(stderr, "troupe record: the recording is kept: troupe record -o FILE -d %s\n", path);
        keep = true;
        status = status == 0 ? 1 : status;
    }
    if (!keep)
        unlink(path);
    return status;
}

int record_command(int argc, char **argv)
{
    struct options options;
    int status = parse(argc, argv, &options);
    if (status != 0)
        return status;
    if (!writable(options.json))
        return 1;
    if (options.dump != NULL)
        return convert(options.dump, options.json) == 0 ? 0 : 1;
    return record(&options);
}
