/* task.h: what the scheduler runs, and all that it knows of it. */
#ifndef TROUPE_QUEUE_TASK_H
#define TROUPE_QUEUE_TASK_H

struct fiber;

/* Embedded in an actor. A task is in at most one run queue, or running, or nowhere; whoever schedules it has the
 * actor's run token. */
struct task {
    /* The one call upwards. Returns the fiber of a task that was blocked, for the loop to go on with; or NULL: it has
     * run, and the caller may be on another fiber and another thread by now. */
    struct fiber *(*run)(struct task *task);
    struct task *next; /* in the global queue */
};

#endif
