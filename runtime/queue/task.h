/* task.h: what the scheduler runs, and all that it knows of it. */
#ifndef TROUPE_QUEUE_TASK_H
#define TROUPE_QUEUE_TASK_H

/* Embedded in an actor. A task is in at most one run queue, or running, or nowhere; whoever schedules it has the
 * actor's run token. */
struct task {
    void (*run)(struct task *task); /* the one call upwards; may come back on another fiber and another thread */
    struct task *next;              /* in the global queue */
};

#endif
