/* socket_path.h: the lock beside a Unix listener's path, so that of several who find the path stale one listens there.
 *
 * Whoever listens holds it from before bind until after listen. Without it two could find the same path stale: one
 * removes it and listens, then the other removes that one's and listens, and the first is never reached. Nor would it
 * do to hold it for a stale path only: between its bind and its listen a new path looks stale.
 *
 * It is a file beside the path, "PATH.troupe-lock", and its lock is flock's: the system lets go of it when the holder
 * ends, however it ends. So a file that a crash leaves there is no harm: the next takes it, and removes it. tmux guards
 * its socket so; PostgreSQL's lock file holds a process number instead, which another process may have got meanwhile.
 * Rejected: a lock on the directory (anybody who can read /tmp could keep it), an abstract address (containers that
 * share a directory do not share those), and a new socket put in the place of the old by rename (which replaces
 * whatever is there by then). Nobody waits for the lock: who holds it is about to listen, or has found somebody who
 * does.
 *
 * Threads: any; a lock belongs to the call that took it. */
#ifndef TROUPE_ACTOR_SOCKET_PATH_H
#define TROUPE_ACTOR_SOCKET_PATH_H

#include <sys/un.h>

struct socket_path_lock {
    int file; /* -1: there is no path */
    char name[sizeof((struct sockaddr_un *)0)->sun_path + sizeof ".troupe-lock"];
};

/* path: of a Unix address; NULL: another address, nothing to lock. 0, or the system's error number: EADDRINUSE if
 * another holds it. */
int socket_path_lock(struct socket_path_lock *lock, const char *path);

/* Removes the file and lets go of it. errno is kept. */
void socket_path_unlock(struct socket_path_lock *lock);

#endif
