/* path.h: the paths of simulated Unix sockets. Seen by runtime/sim/ only.
 *
 * A path is a directory of the system's file system, which is asked for it each time, and a name in it. The names of
 * simulated sockets are the simulator's: the directory does not show them. All other files are the system's.
 *
 * Invariants
 *   P1  Of a directory and a name there is one path at most, and no file of the system's when it is made.
 *   P2  A path outlives its socket: then nobody listens there, until it is unlinked. */
#ifndef TROUPE_SIM_PATH_H
#define TROUPE_SIM_PATH_H

struct sim_socket;

void sim_paths_start(void);
/* A new path, the socket's. 0 or the system's error number. */
int sim_path_bind(const char *path, struct sim_socket *socket);
/* Whose it is; NULL with the error number: there is none, or its socket is closed. */
struct sim_socket *sim_path_socket(const char *path, int *error);
/* The socket is closed. */
void sim_path_leave(const struct sim_socket *socket);

#endif
