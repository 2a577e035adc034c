/* jobs.c: a job queue. A job is a call that is answered when the job is done, so who asks for one waits for it. Workers
 * are temporary children of a dynamic supervisor and are watched by the queue; what they found travels with their end.
 * A job whose worker crashes or takes too long is tried again by a fresh one. */
#include <stdio.h>
#include <string.h>
#include <troupe/troupe.h>

enum { JOB = 1 };
enum { WORKERS = 2, PLACES = 4, TRIES = 3 };

struct job {
    char what[16];
    int64_t limit_ms; /* of each try */
};
struct answer {
    char text[64];
};

/* ---- a worker: does one job */

static void work(const tr_msg *unused)
{
    (void)unused;
    const struct job *job = tr_expect(tr_receive(TR_INFINITY), sizeof *job);
    struct answer answer;
    if (strcmp(job->what, "crash") == 0)
        tr_exit(tr_because(TR_WHY_USER, 0, "cannot do that"));
    tr_sleep(strcmp(job->what, "hang") == 0 ? TR_INFINITY : 5);
    snprintf(answer.text, sizeof answer.text, "done");
    tr_exit_with(TR_NORMAL, &answer, sizeof answer);
}

static const tr_spawn_options worker_options = { .label = "worker" };
static const tr_child worker = { .entry = work, .spawn = &worker_options, .restart = TR_TEMPORARY };
static const tr_supervisor workers = { .strategy = TR_DYNAMIC };

/* ---- the queue: a task is the request that brought it, kept until it is answered */

struct task {
    tr_msg *request;
    tr_ref monitor; /* of its worker */
    bool running;
    int tries;
};
struct queue {
    struct task tasks[PLACES]; /* the oldest first */
    int count, running;
};

/* A failure ends the queue: the supervisor starts it and the workers anew, and those who wait hear of it. */
static int start_task(struct queue *queue, struct task *task)
{
    const struct job *job = tr_body(task->request);
    tr_pid pid;
    tr_must(tr_start_child(tr_name("workers"), &worker, &pid));
    tr_must(tr_exit_after(job->limit_ms, pid, tr_because(TR_WHY_TIMEOUT, 0, NULL), NULL)); /* the timer ends with pid */
    task->monitor = tr_monitor(pid);
    task->running = true;
    task->tries++;
    queue->running++;
    return tr_send(pid, JOB, job, sizeof *job); /* watched before it begins, so its answer is not missed */
}

static int start_some(struct queue *queue)
{
    int status = TR_OK;
    for (int i = 0; i < queue->count && queue->running < WORKERS && status == TR_OK; i++) {
        if (!queue->tasks[i].running)
            status = start_task(queue, &queue->tasks[i]);
    }
    return status;
}

static int queue_call(void *state, const tr_msg *request, tr_from from)
{
    static const struct answer busy = { "busy" };
    struct queue *queue = state;
    if (tr_tag(request) != JOB || tr_size(request) != sizeof(struct job))
        return tr_unexpected(request);
    if (queue->count == PLACES)
        return tr_reply(from, &busy, sizeof busy);
    tr_msg *kept = tr_keep(request); /* it ends with the queue, if that crashes */
    if (kept == NULL)
        return TR_ENOMEM;
    queue->tasks[queue->count++] = (struct task){ .request = kept };
    return start_some(queue);
}

static void finish(struct queue *queue, struct task *task, const struct answer *answer)
{
    tr_reply(tr_from_of(task->request), answer, sizeof *answer);
    tr_drop(task->request);
    queue->count--;
    memmove(task, task + 1, (size_t)(&queue->tasks[queue->count] - task) * sizeof *task);
}

/* A worker has ended. */
static int queue_info(void *state, const tr_msg *message)
{
    struct queue *queue = state;
    struct task *task = queue->tasks;
    if (tr_tag(message) != TR_MSG_DOWN)
        return tr_unexpected(message);
    while (!task->running || !tr_same_ref(task->monitor, tr_ref_of(message)))
        task++;
    queue->running--;
    task->running = false;
    if (tr_reason_same(tr_reason_of(message), &TR_NORMAL)) {
        finish(queue, task, tr_expect(message, sizeof(struct answer)));
    } else if (task->tries == TRIES) {
        struct answer failed;
        tr_reason_text(tr_reason_of(message), failed.text, sizeof failed.text);
        finish(queue, task, &failed);
    }
    return start_some(queue);
}

static const tr_gen_server queue = {
    .label = "queue", .state_size = sizeof(struct queue), .handle_call = queue_call, .handle_info = queue_info
};
static const tr_child children[] = { { .name = "workers", .supervisor = &workers },
                                     { .name = "queue", .server = &queue } };
static const tr_supervisor root = { .strategy = TR_ONE_FOR_ALL,
                                    .children = children,
                                    .child_count = TR_COUNT(children) };

/* ---- a session */

static void session(const tr_msg *unused)
{
    (void)unused;
    static const struct job jobs[] = { { "sleep", 5000 }, { "crash", 5000 }, { "hang", 10 } };
    static const struct job endless = { "hang", 60000 };
    struct answer answer;
    tr_ref request = { 0, 0 };
    tr_msg *reply;
    tr_pid pid;
    tr_must(tr_start_link(&(tr_child){ .supervisor = &root }, &pid));
    for (size_t i = 0; i < TR_COUNT(jobs); i++) {
        tr_call_or_exit(tr_name("queue"), JOB, &jobs[i], sizeof jobs[i], &answer, sizeof answer, 10000);
        printf("%s: %s\n", jobs[i].what, answer.text);
    }
    for (int i = 0; i <= PLACES; i++) /* without waiting for the one before */
        request = tr_send_request(tr_name("queue"), JOB, &endless, sizeof endless);
    tr_must(tr_receive_response(request, 10000, &reply));
    printf("one more than there are places: %s\n", ((const struct answer *)tr_body(reply))->text);
}

int main(void) { return tr_main(NULL, session, NULL, 0); }
