/* calls.h: a straight-line client calls a server and waits for each reply: what the floors of calls have in common.
 *
 * The loop runs on a pooled fiber and calls the server's handler directly. A client that waits keeps its fiber, and the
 * loop goes on, on another; the reply goes to a slot in the client, by compare-and-swap on its wait word, and the
 * winner makes the client runnable. So a call is two messages' worth of work (one of them a request in a mailbox) and
 * two switches. Left out: deadline, monitor, copying by size. */
#ifndef TROUPE_BENCH_FLOOR_CALLS_H
#define TROUPE_BENCH_FLOOR_CALLS_H

#include "floor.h"

/* switch_to(save, to): saves what a callee must, puts the stack pointer into *save, and goes on where the stack `to`
 * stopped. */
void switch_to(void **save, void *to);

#if defined(__x86_64__)
__asm__(".text\n.globl switch_to\n.type switch_to, @function\nswitch_to:\n"
        "  push %rbp\n  push %rbx\n  push %r12\n  push %r13\n  push %r14\n  push %r15\n"
        "  mov %rsp, (%rdi)\n  mov %rsi, %rsp\n"
        "  pop %r15\n  pop %r14\n  pop %r13\n  pop %r12\n  pop %rbx\n  pop %rbp\n  pop %rcx\n  jmp *%rcx\n"
        ".size switch_to, .-switch_to\n");
enum { SAVED_WORDS = 7, ENTRY_WORD = 6, PADDING_WORDS = 1 };
#elif defined(__aarch64__)
__asm__(".text\n.globl switch_to\n.type switch_to, %function\nswitch_to:\n"
        "  sub sp, sp, #160\n"
        "  stp x19, x20, [sp]\n  stp x21, x22, [sp, #16]\n  stp x23, x24, [sp, #32]\n  stp x25, x26, [sp, #48]\n"
        "  stp x27, x28, [sp, #64]\n  stp x29, x30, [sp, #80]\n  stp d8, d9, [sp, #96]\n  stp d10, d11, [sp, #112]\n"
        "  stp d12, d13, [sp, #128]\n  stp d14, d15, [sp, #144]\n"
        "  mov x9, sp\n  str x9, [x0]\n  mov sp, x1\n"
        "  ldp x19, x20, [sp]\n  ldp x21, x22, [sp, #16]\n  ldp x23, x24, [sp, #32]\n  ldp x25, x26, [sp, #48]\n"
        "  ldp x27, x28, [sp, #64]\n  ldp x29, x30, [sp, #80]\n  ldp d8, d9, [sp, #96]\n  ldp d10, d11, [sp, #112]\n"
        "  ldp d12, d13, [sp, #128]\n  ldp d14, d15, [sp, #144]\n"
        "  add sp, sp, #160\n  ret\n"
        ".size switch_to, .-switch_to\n");
enum { SAVED_WORDS = 20, ENTRY_WORD = 11, PADDING_WORDS = 0 };
#else
#error "the floor of call knows x86-64 and aarch64"
#endif

enum { STACK_BYTES = 64 * 1024, INCREMENT = 1 };

struct fiber {
    void *stack_pointer;
    struct fiber *next; /* in the pool */
};

struct client {
    struct fiber *fiber;   /* while it waits */
    _Atomic uint64_t wait; /* 0, or serial << 1 | 1 while it waits */
    uint64_t serial, reply;
};

static struct fiber *fiber_pool, *running;
static struct client client;
static struct actor *client_actor;

static struct fiber *fiber_new(void (*entry)(void))
{
    char *stack = aligned_alloc(64, STACK_BYTES);
    must(stack != NULL, "no memory");
    struct fiber *fiber = (struct fiber *)(void *)stack; /* at its far end */
    void **words = (void **)(void *)(stack + STACK_BYTES) - SAVED_WORDS - PADDING_WORDS;
    memset(words, 0, (SAVED_WORDS + PADDING_WORDS) * sizeof *words);
    memcpy(&words[ENTRY_WORD], &entry, sizeof entry);
    fiber->stack_pointer = words;
    return fiber;
}

static void go_to(struct fiber *to)
{
    struct fiber *from = running;
    running = to;
    switch_to(&from->stack_pointer, to->stack_pointer);
}

/* The worker's loop: a client that has its reply goes on, on its own fiber, and this one goes to the pool. */
static void loop(void)
{
    for (;;) {
        struct actor *actor = next_actor();
        if (actor != client_actor) {
            run_actor(actor);
        } else {
            running->next = fiber_pool;
            fiber_pool = running;
            go_to(client.fiber);
        }
    }
}

static uint64_t call(uint64_t server, uint32_t tag)
{
    uint64_t serial = ++client.serial;
    atomic_store_explicit(&client.wait, serial << 1 | 1, memory_order_relaxed);
    send_number(server, client_actor->pid, tag, serial);
    struct fiber *other = fiber_pool;
    if (other != NULL)
        fiber_pool = other->next;
    else
        other = fiber_new(loop);
    client.fiber = running;
    go_to(other);
    return client.reply;
}

static void reply(uint64_t to, uint64_t serial, uint64_t value)
{
    struct actor *actor = actor_of(to);
    uint64_t waiting = serial << 1 | 1;
    if (actor == NULL || atomic_load_explicit(&client.wait, memory_order_relaxed) != waiting)
        return;
    client.reply = value;
    if (atomic_compare_exchange_strong_explicit(&client.wait, &waiting, 0, memory_order_acq_rel, memory_order_relaxed))
        make_runnable(actor);
}

static void server(struct actor *me, const struct message *message)
{
    must(message->tag == INCREMENT, "the server got something else");
    reply(message->sender, message->body[0], ++me->state[0]);
}

static void client_handle(struct actor *me, const struct message *message)
{
    must(me == NULL || message == NULL, "the client got a message");
}

/* Makes the calling thread the client, on its own stack. */
static inline void client_begin(void)
{
    static struct fiber first;
    client_actor = actor_new(client_handle);
    running = &first;
}

/* Does n calls to each of so many servers in turn, on the calling thread's own stack. */
static inline void calls_run_all(struct actor **servers, uint64_t count, uint64_t n)
{
    client_begin();
    for (uint64_t s = 0; s < count; s++) {
        uint64_t last = 0;
        for (uint64_t i = 0; i < n; i++)
            last = call(servers[s]->pid, INCREMENT);
        must(last == n, "wrong result");
    }
}

#endif
