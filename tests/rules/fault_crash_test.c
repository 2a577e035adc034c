/* fault_crash_test.c: hardware faults that end the program, each in a child process, and what the crash report says. */
#include "fault_child.h"

#include <sys/mman.h>

static void wild_non_canonical(void)
{
    nowhere = (int *)(uintptr_t)UINT64_C(0x8000000000000000);
    write_null();
}
static void wild_unmapped(void)
{
    char *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 4096);
    nowhere = (int *)(void *)page;
    write_null();
}
TEST(fault, of_a_wild_pointer_ends_the_program_with_a_report)
{
    NOT_SANITIZED();
    if (ON_X86_64) /* elsewhere every address is canonical */
        check_crash(wild_non_canonical, SIGSEGV, "memory may be damaged");
    check_crash(wild_read_only, SIGSEGV, "memory may be damaged");
    check_crash(wild_unmapped, SIGSEGV, "memory may be damaged");
}

static void inside_critical(void)
{
    tr_critical_begin();
    write_null();
}
static void critical_survives_a_block(void)
{
    tr_critical_begin();
    tr_critical_begin();
    tr_sleep(2);
    tr_critical_end();
    write_null();
}
TEST(fault, inside_tr_critical_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(inside_critical, SIGSEGV, "tr_critical");
    check_crash(critical_survives_a_block, SIGSEGV, "tr_critical");
}

static void critical_and_gone(const tr_msg *arg)
{
    (void)arg;
    tr_critical_begin();
}
static void critical_is_not_inherited(void)
{
    for (int i = 0; i < 8; i++) {
        await_end(tr_spawn(critical_and_gone, NULL, 0));
        one_fault();
    }
}
TEST(fault, is_contained_on_a_worker_where_another_forgot_its_bracket) { run(critical_is_not_inherited); }

static void print_null(void)
{
    char *text = (char *)(uintptr_t)8; /* vfprintf calls strlen */
    volatile int size = snprintf((char *)&sink, 0, "%s", text);
    (void)size;
}
static void free_damaged(void)
{
    /* A chunk whose neighbours are found at address 0 or about: free reads through them. */
    struct {
        size_t before, size;
        char body[64];
    } *chunk = (void *)(uintptr_t)64;
    void *volatile block = (char *)chunk + 16;
    free(block); /* NOLINT(clang-analyzer-unix.Malloc): this is the fault */
}
static int compare_badly(const void *a, const void *b)
{
    (void)a;
    (void)b;
    write_null();
    return 0;
}
static void sort_badly(void)
{
    int numbers[4] = { 4, 3, 2, 1 };
    qsort(numbers, 4, sizeof numbers[0], compare_badly);
}
TEST(fault, inside_libc_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(print_null, SIGSEGV, "library");
    check_crash(free_damaged, SIGSEGV, "library");
    check_crash(sort_badly, SIGSEGV, "callback of a library");
}

static void send_damaged(void)
{
    tr_send(tr_self(), WORD, (const void *)(uintptr_t)8, 100); /* the copy of the body faults in the runtime */
}
static void clean_up_badly(void *arg)
{
    (void)arg;
    write_null();
}
static void defer_badly(void) { CHECK_EQ(tr_defer(clean_up_badly, NULL), TR_OK); }
TEST(fault, inside_the_runtime_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(send_damaged, SIGSEGV, "inside the runtime");
    check_crash(defer_badly, SIGSEGV, "inside the runtime");
}

static int fail_in_pool(void *arg)
{
    (void)arg;
    write_null();
    return 0;
}
static void fault_in_blocking_pool(void) { tr_blocking(fail_in_pool, NULL); }
TEST(fault, on_another_thread_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(fault_in_blocking_pool, SIGSEGV, "outside any process");
}

static void sent_from_outside(void)
{
    kill(getpid(), SIGFPE);
    tr_sleep(10000);
}
TEST(fault, signal_that_was_sent_ends_the_program)
{
    NOT_SANITIZED();
    check_crash(sent_from_outside, SIGFPE, "not contained");
}

static int handle_and_wander(void *state, const tr_msg *message)
{
    (void)state;
    (void)message;
    wild_read_only();
    return TR_OK;
}
static const tr_actor wanderer = { .label = "wanderer", .handle = handle_and_wander };
static void crash_of_a_handler(void)
{
    tr_pid pid = tr_spawn_actor(&wanderer, NULL, 0, NULL);
    tr_send(pid, 4711, "abc", 3);
    tr_sleep(10000);
}
TEST(fault, report_names_process_message_and_latest_events)
{
    NOT_SANITIZED();
    const struct outcome *outcome = in_child(crash_of_a_handler, TR_FAULTS_CONTAIN);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK(strstr(outcome->text, "wanderer") != NULL);
    CHECK(strstr(outcome->text, "last message: message, tag 4711, 3 bytes, from <0.") != NULL);
    /* the flight recorder of its worker: the one where it was spawned, or one that came by it in whatever way */
    const char *events = strstr(outcome->text, "latest events of this worker:\n");
    CHECK(events != NULL && strstr(events, " us ago: ") != NULL);
}

static void fault_plainly(void) { write_null(); }
TEST(fault, policy_abort_contains_nothing)
{
    NOT_SANITIZED();
    const struct outcome *outcome = in_child(fault_plainly, TR_FAULTS_ABORT);
    CHECK(WIFSIGNALED(outcome->status));
    CHECK_EQ(WTERMSIG(outcome->status), SIGSEGV);
    CHECK(strstr(outcome->text, "tr_config.faults") != NULL);
}
