/* quota.c: the CPU quota of this process's control groups, versions 1 and 2.
 *
 * Which groups it is in stands in /proc/self/cgroup, where they are mounted in /proc/self/mountinfo. A quota may be set
 * at any level (of a service, its slice, a container), so all are looked at, from the process's own group up to the
 * root of the mount; the smallest counts. What cannot be read or understood is no quota. */
#include "sched/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_SIZE = 4096 };

/* A hierarchy of groups that may have quotas. */
struct hierarchy {
    const char *type; /* of its mount */
    const char
        *controller; /* among the mount's options and in the group's line; NULL: version 2, which has one for all */
    unsigned (*quota)(const char *group); /* in cores; 0: none */
};

/* Cores that a quota of `limit` microseconds each `period` allows, rounded up; 0: no quota. */
static unsigned cores_of(long long limit, long long period)
{
    return limit <= 0 || period <= 0 ? 0 : (unsigned)((limit + period - 1) / period);
}

/* The first line of a group's file; false: there is none. */
static bool read_line(const char *group, const char *name, char *line, int size)
{
    char path[LINE_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s", group, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool got = fgets(line, size, file) != NULL;
    fclose(file);
    return got;
}

static unsigned read_version2(const char *group)
{
    char line[64], *end;
    if (!read_line(group, "cpu.max", line, sizeof line))
        return 0;
    long long limit = strtoll(line, &end, 10); /* "max 100000": 0 */
    return cores_of(limit, strtoll(end, NULL, 10));
}

static unsigned read_version1(const char *group)
{
    char limit[64], period[64];
    if (!read_line(group, "cpu.cfs_quota_us", limit, sizeof limit) ||
        !read_line(group, "cpu.cfs_period_us", period, sizeof period))
        return 0;
    return cores_of(strtoll(limit, NULL, 10), strtoll(period, NULL, 10));
}

/* Whether a word stands in a list with commas. */
static bool lists(const char *list, const char *word)
{
    size_t size = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, word, size) == 0 && strchr(",\n", at[size]) != NULL) /* or its end */
            return true;
    }
    return false;
}

/* "4:cpu,cpuacct:/path", or "0::/path" of version 2: the path of this process's group, cut out of the line; NULL: it is
 * another hierarchy's. */
static const char *path_of_group(char *line, const struct hierarchy *hierarchy)
{
    char *controllers = strchr(line, ':'), *path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    if (path == NULL)
        return NULL;
    *path++ = '\0';
    path[strcspn(path, "\n")] = '\0';
    controllers++;
    bool its = hierarchy->controller == NULL ? *controllers == '\0' : lists(controllers, hierarchy->controller);
    return its ? path : NULL;
}

/* \040 and the like in a path of mountinfo become what they mean. */
static void unescape(char *path)
{
    char *to = path;
    for (const char *from = path; *from != '\0'; to++) {
        bool escaped = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        *to = escaped ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + (from[3] - '0')) : *from;
        from += escaped ? 4 : 1;
    }
    *to = '\0';
}

/* "36 35 98:0 ROOT PLACE OPTIONS ... - TYPE SOURCE OPTIONS": root and place, cut out of the line, if it is the
 * hierarchy's. */
static bool read_mount(char *line, const struct hierarchy *hierarchy, char **root, char **place)
{
    char type[32] = "", options[256] = "", *rest = NULL;
    const char *filesystem = strstr(line, " - ");
    if (filesystem == NULL || sscanf(filesystem, " - %31s %*s %255s", type, options) < 1 ||
        strcmp(type, hierarchy->type) != 0 || (hierarchy->controller != NULL && !lists(options, hierarchy->controller)))
        return false;
    for (int i = 0; i < 3; i++)
        (void)strtok_r(i == 0 ? line : NULL, " ", &rest);
    *root = strtok_r(NULL, " ", &rest);
    *place = strtok_r(NULL, " ", &rest);
    if (*place == NULL)
        return false;
    unescape(*root);
    unescape(*place);
    return true;
}

/* The lines are cut up: what is found points into them. */
static bool find_group(const struct hierarchy *hierarchy, char *line, const char **path)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    *path = NULL;
    while (file != NULL && *path == NULL && fgets(line, LINE_SIZE, file) != NULL)
        *path = path_of_group(line, hierarchy);
    if (file != NULL)
        fclose(file);
    return *path != NULL;
}

static bool find_mount(const struct hierarchy *hierarchy, char *line, char **root, char **place)
{
    FILE *file = fopen("/proc/self/mountinfo", "re");
    bool found = false;
    while (file != NULL && !found && fgets(line, LINE_SIZE, file) != NULL)
        found = read_mount(line, hierarchy, root, place);
    if (file != NULL)
        fclose(file);
    return found;
}

/* What of the group's path is below the mount: a mount may show a part of the hierarchy only (a container's). "" if the
 * group is not in that part. */
static const char *below(const char *path, const char *root)
{
    size_t size = strcmp(root, "/") == 0 ? 0 : strlen(root);
    bool inside = strncmp(path, root, size) == 0 && (path[size] == '/' || path[size] == '\0');
    return inside && strstr(path, "/..") == NULL ? path + size : "";
}

static unsigned smaller(unsigned a, unsigned b) { return a == 0 || (b != 0 && b < a) ? b : a; }

static unsigned quota_of(const struct hierarchy *hierarchy)
{
    char mount_line[LINE_SIZE], group_line[LINE_SIZE], group[LINE_SIZE], *root, *place;
    const char *path;
    if (!find_mount(hierarchy, mount_line, &root, &place) || !find_group(hierarchy, group_line, &path))
        return 0;
    size_t top = strlen(place);
    if ((size_t)snprintf(group, sizeof group, "%s%s", place, below(path, root)) >= sizeof group)
        return 0;
    unsigned quota = 0;
    for (char *end = group + strlen(group); end != NULL && end >= group + top; end = strrchr(group, '/')) {
        *end = '\0'; /* the group itself first, then what it is in */
        quota = smaller(quota, hierarchy->quota(group));
    }
    return quota;
}

unsigned quota_cores(void)
{
    static const struct hierarchy version2 = { "cgroup2", NULL, read_version2 },
                                  version1 = { "cgroup", "cpu", read_version1 };
    return smaller(quota_of(&version2), quota_of(&version1));
}
