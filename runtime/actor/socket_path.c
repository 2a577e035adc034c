/* socket_path.c: see socket_path.h.
 *
 * Invariant: only the holder removes the file, and who locked a file looks whether it is still the one that the name
 * leads to: so two holders at a time would hold the same file, which flock forbids. */
#include "actor/socket_path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRIES = 16 }; /* each but the first means that another was faster, and done */

static bool leads_to(const char *name, int file)
{
    struct stat locked, there;
    return fstat(file, &locked) == 0 && stat(name, &there) == 0 && locked.st_dev == there.st_dev &&
           locked.st_ino == there.st_ino;
}

int socket_path_lock(struct socket_path_lock *lock, const char *path)
{
    lock->file = -1;
    if (path == NULL)
        return 0;
    snprintf(lock->name, sizeof lock->name, "%s.troupe-lock", path);
    for (int i = 0; i < TRIES; i++) {
        /* O_NONBLOCK: should it be a pipe */
        int file = open(lock->name, O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, S_IRUSR | S_IWUSR);
        if (file < 0)
            return errno;
        /* a file system without locks refuses in another way: there everybody goes on alone */
        bool taken = flock(file, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK;
        if (!taken && leads_to(lock->name, file)) {
            lock->file = file;
            return 0;
        }
        close(file);
        if (taken)
            break;
    }
    return EADDRINUSE;
}

void socket_path_unlock(struct socket_path_lock *lock)
{
    if (lock->file < 0)
        return;
    int error = errno;
    unlink(lock->name); /* first: a forked child that shares the file holds what nobody finds any more */
    close(lock->file);
    errno = error;
}
