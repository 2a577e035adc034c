/* path.c: see path.h. */
#include "sim/path.h"

#include "sim/machine.h"
#include "sim/net.h"
#include "sim/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIRECTORY_BYTES = 256 /* paths of sockets have 108 at most */ };
#define FIRST_NUMBER ((ino_t)1 << 40) /* no file of the system's is likely to have it */

/* Where a name is looked up: directories are compared by what they are, as several paths lead to one. */
struct place {
    char directory[DIRECTORY_BYTES];
    const char *name; /* in the path that was given */
    dev_t device;
    ino_t number;
};

struct path {
    struct path *next;
    dev_t device;
    ino_t directory, number;   /* its own: what lstat shows */
    struct sim_socket *socket; /* NULL: closed */
    char name[];
};

static struct path *paths;
static ino_t numbers;

void sim_paths_start(void)
{
    while (paths != NULL) { /* a run may leave some */
        struct path *path = paths;
        paths = path->next;
        free(path);
    }
    numbers = FIRST_NUMBER;
}

/* 0 or the error number. */
static int locate(const char *path, struct place *place)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (length + sizeof "." > sizeof place->directory)
        return ENAMETOOLONG;
    memcpy(place->directory, path, length);
    memcpy(place->directory + length, ".", sizeof "."); /* dir/. is the directory, whatever leads there */
    place->name = path + length;
    struct stat there;
    if (stat(place->directory, &there) < 0)
        return errno;
    place->device = there.st_dev;
    place->number = there.st_ino;
    return 0;
}

/* Where the pointer to it is; where it would be added. */
static struct path **find(const struct place *place)
{
    struct path **at = &paths;
    while (*at != NULL && ((*at)->device != place->device || (*at)->directory != place->number ||
                           strcmp((*at)->name, place->name) != 0))
        at = &(*at)->next;
    return at;
}

static struct path **find_path(const char *path)
{
    static struct path *none;
    struct place place;
    return locate(path, &place) == 0 ? find(&place) : &none;
}

int sim_path_bind(const char *path, struct sim_socket *socket)
{
    struct place place;
    struct stat there;
    int error = locate(path, &place);
    if (error != 0)
        return error;
    struct path **at = find(&place);
    if (*at != NULL || lstat(path, &there) == 0)
        return EADDRINUSE;
    if (access(place.directory, W_OK) < 0)
        return errno;
    size_t size = strlen(place.name) + 1;
    struct path *made = malloc(sizeof *made + size);
    if (made == NULL)
        return ENOMEM;
    *made = (struct path){ .device = place.device, .directory = place.number, .number = ++numbers, .socket = socket };
    memcpy(made->name, place.name, size);
    *at = made;
    return 0;
}

struct sim_socket *sim_path_socket(const char *path, int *error)
{
    struct path *found = *find_path(path);
    struct stat there;
    *error = ECONNREFUSED;
    if (found != NULL)
        return found->socket;
    if (lstat(path, &there) < 0)
        *error = errno;
    else if (S_ISSOCK(there.st_mode) || S_ISLNK(there.st_mode))
        sim_fail("%s is no simulated socket, but the system's, or a link", path);
    return NULL;
}

void sim_path_leave(const struct sim_socket *socket)
{
    for (struct path *path = paths; path != NULL; path = path->next)
        if (path->socket == socket)
            path->socket = NULL;
}

/* ---- in the place of the system's */

int sim_lstat(const char *path, struct stat *to)
{
    sim_net_enter();
    const struct path *found = *find_path(path);
    if (found == NULL)
        return lstat(path, to);
    *to = (struct stat){
        .st_dev = found->device, .st_ino = found->number, .st_mode = S_IFSOCK | S_IRWXU, .st_nlink = 1
    };
    return 0;
}

int sim_unlink(const char *path)
{
    sim_net_enter();
    struct path **at = find_path(path), *found = *at;
    if (found == NULL)
        return unlink(path);
    *at = found->next;
    free(found);
    return 0;
}
