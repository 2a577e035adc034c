/* thread.c: threads of the simulation: made, ended, joined, and what each has of its own.
 *
 * Thread-locals of the runtime are ordinary variables of one section (redirect.h); whoever runs has its values
 * there. */
#include "sim/machine.h"
#include "sim/system.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { GUARD_BYTES = 4096, RECORD_BYTES = 1024, DESTRUCTOR_ROUNDS = 4 };

/* Set by the linker; the runtime has thread-locals. */
extern char __start_tr_sim_locals[], __stop_tr_sim_locals[];

void sim_land(void);

static struct {
    bool used;
    void (*destructor)(void *);
} keys[SIM_KEYS_MOST];

static struct sim_thread first_thread;
static struct fiber first_fiber;

static size_t locals_bytes(void) { return (size_t)(__stop_tr_sim_locals - __start_tr_sim_locals); }

void sim_locals_save(struct sim_thread *thread) { memcpy(thread->locals, __start_tr_sim_locals, locals_bytes()); }

void sim_locals_load(const struct sim_thread *thread) { memcpy(__start_tr_sim_locals, thread->locals, locals_bytes()); }

/* ---- the first thread */

void sim_threads_start(void)
{
    char *locals = first_thread.locals != NULL ? first_thread.locals : calloc(1, locals_bytes());
    first_thread = (struct sim_thread){ .fiber = &first_fiber, .locals = locals };
    first_thread.priority = sim_draw(&machine.choice) | UINT64_C(1) << 63;
    machine.threads[0] = machine.current = &first_thread;
    machine.count = 1;
    sim_begin_to_run(&first_thread);
    first_thread.state = SIM_RUNNING;
}

unsigned sim_threads_left(void)
{
    unsigned left = 0;
    for (unsigned i = 1; i < machine.count; i++)
        left += machine.threads[i]->state != SIM_ENDED;
    return left;
}

static void free_stack(struct sim_thread *thread)
{
    if (thread->stack == NULL)
        return;
    if (WITH_ASAN)
        ASAN_FORGET(thread->stack + GUARD_BYTES, thread->stack_size - GUARD_BYTES);
    sim_munmap(thread->stack, thread->stack_size);
    thread->stack = NULL;
}

void sim_threads_end(void)
{
    for (unsigned i = 1; i < machine.count; i++) {
        free_stack(machine.threads[i]);
        free(machine.threads[i]->locals);
        free(machine.threads[i]);
    }
    machine.count = 1;
}

/* ---- others */

static void run_destructors(struct sim_thread *self)
{
    for (int round = 0; round < DESTRUCTOR_ROUNDS; round++)
        for (unsigned key = 0; key < SIM_KEYS_MOST; key++) {
            void *value = self->keys[key];
            self->keys[key] = NULL;
            if (value != NULL && keys[key].used && keys[key].destructor != NULL)
                keys[key].destructor(value);
        }
}

static void enter(void *arg)
{
    struct sim_thread *self = arg;
    sim_land();
    self->result = self->entry(self->arg);
    run_destructors(self);
    if (self->reading != 0)
        sim_fail("thread %u ended in a read section", self->id);
    sim_wake(self, SIM_THREADS_MOST);
    sim_leave();
}

static bool give_stack(struct sim_thread *thread)
{
    thread->stack_size = SIM_STACK_BYTES;
    thread->stack = sim_map_stack(thread->stack_size);
    if (thread->stack == MAP_FAILED)
        return false;
    sim_mprotect(thread->stack, GUARD_BYTES, PROT_NONE);
    thread->low = thread->stack + GUARD_BYTES;
    thread->size = thread->stack_size - GUARD_BYTES;
    thread->fiber = (struct fiber *)(void *)(thread->stack + thread->stack_size - RECORD_BYTES);
    thread->fiber->stack = (struct stack){ .low = thread->stack + GUARD_BYTES,
                                           .high = thread->stack + thread->stack_size };
    fiber_build(thread->fiber, enter, thread);
    return true;
}

int sim_thread_create(pthread_t *id, const pthread_attr_t *attributes, void *(*entry)(void *), void *arg)
{
    (void)attributes;
    sim_point();
    if (!machine.running || machine.count == SIM_THREADS_MOST)
        return EAGAIN;
    struct sim_thread *thread = calloc(1, sizeof *thread);
    char *locals = calloc(1, locals_bytes());
    if (thread == NULL || locals == NULL || !give_stack(thread)) {
        free(thread);
        free(locals);
        return EAGAIN;
    }
    thread->locals = locals;
    thread->entry = entry;
    thread->arg = arg;
    thread->id = machine.count;
    thread->priority = sim_draw(&machine.choice) | UINT64_C(1) << 63;
    machine.threads[machine.count++] = thread;
    sim_begin_to_run(thread);
    *id = (pthread_t)thread->id + 1;
    sim_point();
    return 0;
}

static struct sim_thread *thread_of(pthread_t id)
{
    if (id == 0 || id > machine.count)
        sim_fail("no thread has the number %lu", (unsigned long)id);
    return machine.threads[id - 1];
}

int sim_thread_join(pthread_t id, void **result)
{
    struct sim_thread *thread = thread_of(id);
    sim_point();
    while (thread->state != SIM_ENDED)
        sim_block("end of a thread", thread, SIM_NEVER);
    if (result != NULL)
        *result = thread->result;
    free_stack(thread);
    return 0;
}

pthread_t sim_thread_self(void) { return (pthread_t)(machine.current == NULL ? 1 : machine.current->id + 1); }

/* The attributes hold the thread's number. */
int sim_thread_attributes(pthread_t id, pthread_attr_t *attributes)
{
    memcpy(attributes, &id, sizeof id);
    return 0;
}

int sim_attributes_stack(const pthread_attr_t *attributes, void **low, size_t *size)
{
    pthread_t id;
    memcpy(&id, attributes, sizeof id);
    struct sim_thread *thread = thread_of(id);
    if (thread->stack == NULL)
        sim_fail("the first thread can't be a worker");
    *low = thread->stack + GUARD_BYTES;
    *size = thread->stack_size - GUARD_BYTES;
    return 0;
}

int sim_attributes_destroy(pthread_attr_t *attributes) { return (void)attributes, 0; }

int sim_thread_sigmask(int how, const sigset_t *set, sigset_t *before)
{
    (void)how;
    (void)set;
    if (before != NULL)
        sigemptyset(before);
    return 0;
}

int sim_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
    return (void)prepare, (void)parent, (void)child, 0;
}

/* ---- keys */

int sim_key_create(pthread_key_t *key, void (*destructor)(void *))
{
    for (unsigned i = 0; i < SIM_KEYS_MOST; i++)
        if (!keys[i].used) {
            keys[i].used = true;
            keys[i].destructor = destructor;
            *key = i;
            return 0;
        }
    return EAGAIN;
}

int sim_key_delete(pthread_key_t key)
{
    keys[key].used = false;
    return 0;
}

void *sim_key_get(pthread_key_t key) { return machine.current == NULL ? NULL : machine.current->keys[key]; }

int sim_key_set(pthread_key_t key, const void *value)
{
    if (machine.current == NULL)
        return ENOMEM;
    memcpy(&machine.current->keys[key], &value, sizeof value);
    return 0;
}

/* ---- threads of the program under test */

struct starter {
    void (*entry)(void *arg);
    void *arg;
};

static void *start_for(void *argument)
{
    struct starter starter = *(struct starter *)argument;
    free(argument);
    starter.entry(starter.arg);
    return NULL;
}

TR_API int tr_sim_thread_start(void (*entry)(void *arg), void *arg)
{
    struct starter *starter = malloc(sizeof *starter);
    pthread_t id;
    if (starter == NULL)
        return TR_ENOMEM;
    *starter = (struct starter){ entry, arg };
    if (sim_thread_create(&id, NULL, start_for, starter) != 0) {
        free(starter);
        return TR_ELIMIT;
    }
    return (int)id;
}

TR_API void tr_sim_thread_join(int thread) { sim_thread_join((pthread_t)thread, NULL); }
