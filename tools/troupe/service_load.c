/* service_load.c: see service_load.h. The service and the load generator are programs of their own, in the folder of
 * this one: the service on a free port of 127.0.0.1, the generator's line is read and said again in the form of all
 * workloads. ops are the answers within the measured time; latencies count from the planned send time. */
#include "service_load.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef TROUPE_VERSION
#define TROUPE_VERSION "1.0.0"
#endif

enum { PATH_BYTES = 512, WORD_BYTES = 24, FLOOD = 2000000 /* requests a second that nobody answers here */ };

static const struct service {
    const char *name, *protocol, *what;
} services[] = {
    { "echo", "echo", "TCP echo of 64 bytes" },
    { "hello", "http", "HTTP GET, keep-alive" },
    { "cache", "redis", "Redis SET and GET in turn" },
};

enum { RATE, SECONDS, CONNECTIONS, WORKERS, SETTINGS };

static const struct service *find(const char *name)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        if (strcmp(services[i].name, name) == 0)
            return &services[i];
    return NULL;
}

bool service_load_has(const char *name) { return find(name) != NULL; }

void service_load_list(FILE *out)
{
    for (size_t i = 0; i < sizeof services / sizeof *services; i++)
        fprintf(out, "  %-27s%-40s %s\n", services[i].name, " rate=0 seconds=5 connections=64", services[i].what);
    fprintf(out, "  of these: rate requests a second (0: more than it can answer); from the service and from load\n");
}

static const char *const setting_names[SETTINGS] = { "rate", "seconds", "connections", "workers" };

const char *service_load_name(int index)
{
    return index < (int)(sizeof services / sizeof *services) ? services[index].name : NULL;
}

enum setting_fit service_load_fit(const char *setting)
{
    for (int i = 0; i < SETTINGS; i++) {
        const char *value = setting_value(setting, setting_names[i]);
        if (value != NULL)
            return setting_is_number(value) ? SETTING_GOOD : SETTING_BAD;
    }
    return SETTING_UNKNOWN;
}

static void set(uint64_t *settings, const char *setting)
{
    for (int i = 0; i < SETTINGS; i++) {
        const char *value = setting_value(setting, setting_names[i]);
        if (value != NULL)
            settings[i] = strtoull(value, NULL, 10);
    }
}

/* The path of a program beside this one; false: it is not there. */
static bool beside(const char *name, char *path, size_t size)
{
    char self[PATH_BYTES];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length <= 0)
        return false;
    self[length] = '\0';
    *strrchr(self, '/') = '\0';
    int written = snprintf(path, size, "%s/%s", self, name);
    if (written > 0 && (size_t)written < size && access(path, X_OK) == 0)
        return true;
    fprintf(stderr, "troupe bench: the program %s is not beside this one: it comes with the source tree\n", name);
    return false;
}

/* Starts a program; what it prints is read from *out. */
static pid_t start(char *const *words, FILE **out)
{
    int ends[2];
    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); /* whoever ends this one by a signal ends it, too */
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(words[0], words);
        _exit(127);
    }
    close(ends[1]);
    *out = child > 0 ? fdopen(ends[0], "r") : NULL;
    if (*out == NULL)
        close(ends[0]);
    return child;
}

static int await(pid_t child)
{
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return 1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* The port in a service's first line: "... port N"; 0 if it ends without. */
static int read_port(FILE *out)
{
    char *line = NULL;
    size_t capacity = 0;
    int port = 0;
    while (port == 0 && getline(&line, &capacity, out) > 0) {
        const char *at = strstr(line, " port ");
        if (at != NULL)
            port = atoi(at + strlen(" port "));
    }
    free(line);
    return port;
}

static double field(const char *line, const char *name)
{
    char wanted[WORD_BYTES];
    snprintf(wanted, sizeof wanted, "\"%s\":", name);
    const char *at = strstr(line, wanted);
    return at == NULL ? 0 : strtod(at + strlen(wanted), NULL);
}

static void print(const struct service *service, const uint64_t *settings, const char *line)
{
    static const char *const latencies[] = { "p50_us", "p90_us", "p99_us", "p999_us", "max_us", "lost" };
    double answered = field(line, "answered"), rate = field(line, "answered_rate");
    printf("{\"peer\":\"troupe\",\"version\":\"%s\",\"workload\":\"%s\",\"params\":{", TROUPE_VERSION, service->name);
    for (int i = 0; i < SETTINGS; i++)
        printf("%s\"%s\":%" PRIu64, i > 0 ? "," : "", setting_names[i], settings[i]);
    printf("},\"ops\":%.0f,\"seconds\":%.6f", answered, rate > 0 ? answered / rate : 0);
    for (size_t i = 0; i < sizeof latencies / sizeof *latencies; i++)
        printf(",\"%s\":%.10g", latencies[i], field(line, latencies[i]));
    printf("}\n");
}

/* Runs the generator on the port; 0 if it went well. */
static int load(const struct service *service, const uint64_t *settings, int port)
{
    char path[PATH_BYTES], words[4][WORD_BYTES], *line = NULL;
    uint64_t rate = settings[RATE] == 0 ? FLOOD : settings[RATE];
    size_t capacity = 0;
    FILE *out;
    if (!beside("load", path, sizeof path))
        return 1;
    snprintf(words[0], WORD_BYTES, "%d", port);
    snprintf(words[1], WORD_BYTES, "%" PRIu64, rate);
    snprintf(words[2], WORD_BYTES, "%" PRIu64, settings[SECONDS]);
    snprintf(words[3], WORD_BYTES, "%" PRIu64, settings[CONNECTIONS]);
    char protocol[WORD_BYTES];
    snprintf(protocol, sizeof protocol, "%s", service->protocol);
    /* what comes before a flood would be answered before it, and nothing after */
    char *warm_up = settings[RATE] == 0 ? "0" : "1";
    pid_t child = start((char *[]){ path, "--protocol", protocol, "--port", words[0], "--rate", words[1], "--seconds",
                                    words[2], "--connections", words[3], "--warm-up", warm_up, NULL },
                        &out);
    if (child < 0 || out == NULL)
        return 1;
    bool read = getline(&line, &capacity, out) > 0;
    fclose(out);
    int status = await(child);
    if (read && status == 0)
        print(service, settings, line);
    free(line);
    return read ? status : 1;
}

int service_load_run(const char *name, int count, char **given)
{
    const struct service *service = find(name);
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t settings[SETTINGS] = {
        [RATE] = 0, [SECONDS] = 5, [CONNECTIONS] = 64, [WORKERS] = cores > 0 ? (uint64_t)cores : 1
    };
    char path[PATH_BYTES], workers[WORD_BYTES];
    FILE *out;
    for (int i = 0; i < count; i++)
        set(settings, given[i]);
    if (!beside(name, path, sizeof path))
        return 1;
    snprintf(workers, sizeof workers, "%" PRIu64, settings[WORKERS]);
    pid_t child = start((char *[]){ path, "--port", "0", "--workers", workers, NULL }, &out);
    if (child < 0 || out == NULL)
        return 1;
    int port = read_port(out), status = port > 0 ? load(service, settings, port) : 1;
    kill(child, SIGTERM);
    int ended = await(child);
    fclose(out);
    if (status != 0 || ended != 0)
        fprintf(stderr, "troupe bench: %s failed\n", name);
    return status != 0 ? status : ended;
}
