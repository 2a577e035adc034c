/* fault_place_test.c: faults in unusual places: code that no file holds, stacks of the user's own, clean-ups, idle
 * workers; two at once; and what stood before the runtime's handlers. */
#include "fault_child.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>

/* Threads, signals and addresses of the system's. */
#define NATIVE()                                                      \
    do {                                                              \
        NOT_SANITIZED();                                              \
        if (HARNESS_SIMULATED)                                        \
            SKIP("the threads and the unwinder are the simulator's"); \
    } while (0)

/* ---- other signals */

static void bus_error(void)
{
    char name[] = "/tmp/troupe-fault-XXXXXX";
    int fd = mkstemp(name);
    CHECK(fd >= 0 && unlink(name) == 0);
    nowhere = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); /* behind the end of the file */
    write_null();
}
static void illegal_instruction(void) { __builtin_trap(); }

TEST(fault_place, bus_errors_and_illegal_instructions_end_the_program_by_their_names)
{
    NATIVE();
    check_crash(bus_error, SIGBUS, "troupe: SIGBUS at 0x");
    if (ON_X86_64) /* elsewhere a trap is another signal */
        check_crash(illegal_instruction, SIGILL, "troupe: SIGILL at 0x");
}

/* ---- what the report says and where it goes */

static void crash_after_message(const tr_msg *arg)
{
    (void)arg;
    await_tag(4711);
    wild_read_only();
}
static void crash_of_a_process(void)
{
    tr_pid pid = tr_spawn(crash_after_message, NULL, 0);
    tr_send(pid, 4711, "abcd", 4);
    tr_sleep(10000);
}
TEST(fault_place, the_report_names_the_message_that_a_process_received_last)
{
    NATIVE();
    check_crash(crash_of_a_process, SIGSEGV, "last message: message, tag 4711, 4 bytes, from <0.");
}

static void without_stderr(void)
{
    close(STDERR_FILENO);
    wild_read_only();
}
TEST(fault_place, a_report_that_nobody_takes_changes_nothing)
{
    NATIVE();
    const struct outcome *outcome = in_child(without_stderr, TR_FAULTS_CONTAIN);
    CHECK(WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGSEGV);
    CHECK_STR(outcome->text, "");
}

/* The first report is held up by a full pipe, which the parent empties later. */
static int fault_is_near;
static void second_fault(const tr_msg *arg)
{
    (void)arg;
    while (__atomic_load_n(&fault_is_near, __ATOMIC_ACQUIRE) == 0)
        ;
    usleep(50000);
    wild_read_only();
}
static void two_faults(void)
{
    static const char block[4096];
    int flags = fcntl(STDERR_FILENO, F_GETFL);
    tr_spawn(second_fault, NULL, 0);
    tr_yield(); /* it runs: here, or on the other worker */
    fcntl(STDERR_FILENO, F_SETFL, flags | O_NONBLOCK);
    while (write(STDERR_FILENO, block, sizeof block) > 0)
        ;
    fcntl(STDERR_FILENO, F_SETFL, flags);
    __atomic_store_n(&fault_is_near, 1, __ATOMIC_RELEASE);
    wild_read_only();
}
TEST(fault_place, two_faults_at_once_make_one_report)
{
    NATIVE();
    int ends[2], status;
    static char text[200000];
    size_t used = 0, reports = 0;
    CHECK_EQ(pipe(ends), 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        alarm(60);
        the_body = two_faults;
        _exit(tr_main(&(tr_config){ .workers = 2, .log = drop_record }, enter_body, NULL, 0));
    }
    close(ends[1]);
    usleep(300000);
    for (ssize_t got; (got = read(ends[0], text + used, sizeof text - used)) > 0;)
        used += (size_t)got;
    close(ends[0]);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    for (char *at = text; (at = memmem(at, used - (size_t)(at - text), "not contained", 13)) != NULL; at++)
        reports++;
    CHECK_EQ(reports, 1);
}

/* ---- idle workers, clean-ups, stacks of the user's own */

static pid_t worker_thread;
static void note_thread(const tr_msg *arg)
{
    (void)arg;
    worker_thread = (pid_t)syscall(SYS_gettid);
}
/* In place of a process: a foreign thread, while the one worker has nothing to do. */
static void signal_an_idle_worker(void)
{
    if (tr_boot(&(tr_config){ .workers = 1, .log = drop_record }) != TR_OK)
        _exit(9);
    tr_pid pid = tr_spawn(note_thread, NULL, 0);
    while (tr_is_alive(pid))
        usleep(1000);
    usleep(300000); /* its worker has finished with it, and sleeps */
    syscall(SYS_tgkill, getpid(), worker_thread, SIGSEGV);
    usleep(10000000);
}
TEST(fault_place, on_a_worker_without_a_process_ends_the_program)
{
    NATIVE();
    const struct outcome *outcome = without_runtime_in_child(signal_an_idle_worker);
    CHECK(WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGSEGV);
    CHECK(strstr(outcome->text, "troupe: SIGSEGV, not contained: outside any process") != NULL);
}

static void free_and_fail(void *arg)
{
    tr_free(arg); /* comes back from the runtime, into a clean-up */
    write_null();
}
static void clean_up_after_a_call(void)
{
    void *memory = tr_alloc(10);
    CHECK_EQ(tr_defer(free_and_fail, memory), TR_OK);
}
TEST(fault_place, in_a_clean_up_that_came_back_from_a_call_ends_the_program)
{
    NATIVE();
    check_crash(clean_up_after_a_call, SIGSEGV, "inside the runtime");
}

static ucontext_t home, away;
static void on_a_stack_of_ones_own(void)
{
    static char stack[65536];
    getcontext(&away);
    away.uc_stack.ss_sp = stack;
    away.uc_stack.ss_size = sizeof stack;
    away.uc_link = &home;
    makecontext(&away, write_null, 0);
    swapcontext(&home, &away);
}
TEST(fault_place, on_a_stack_of_the_users_own_ends_the_program)
{
    NATIVE();
    check_crash(on_a_stack_of_ones_own, SIGSEGV, "the stack pointer is outside the process's stack");
}

/* Its own frames are small, snprintf's are large: the end of the stack is met in there. */
static size_t (*volatile format_deeper)(size_t depth);
FAULT static size_t format_and_recurse(size_t depth)
{
    char text[8];
    volatile int size = snprintf(text, sizeof text, "%.3f", (double)depth);
    return format_deeper(depth + 1) + (size_t)size;
}
static void overflow_in_libc(void)
{
    format_deeper = format_and_recurse;
    sink = format_deeper(1);
}
TEST(fault_place, the_end_of_the_stack_inside_libc_ends_the_program)
{
    NATIVE();
    check_crash(overflow_in_libc, SIGSEGV, "in a library that may hold locks");
}

/* ---- code that no file holds (x86-64) */

/* Makes code from bytes, and calls it. */
static void run_bytes(const unsigned char *bytes, size_t size)
{
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    void (*code)(void);
    CHECK(page != MAP_FAILED);
    memcpy(page, bytes, size);
    CHECK_EQ(mprotect(page, 4096, PROT_READ | PROT_EXEC), 0);
    memcpy(&code, &page, sizeof code);
    code();
}
static void generated_access(const tr_msg *arg)
{
    static const unsigned char bytes[] = { 0x31, 0xc0, 0x89, 0x00, 0xc3 }; /* xor eax, eax; mov [rax], eax; ret */
    (void)arg;
    run_bytes(bytes, sizeof bytes);
}
static void await_generated(void)
{
    tr_ref monitor;
    tr_spawn_monitor(generated_access, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .ref = monitor }, TR_INFINITY);
    CHECK_EQ(tr_reason_of(down)->why, TR_WHY_FAULT);
    CHECK(strncmp(tr_body(down), "    0x", 6) == 0); /* the first frame has no name */
}
TEST(fault_place, in_generated_code_is_contained_and_its_frame_shown_as_an_address)
{
    NATIVE();
    if (!ON_X86_64)
        SKIP("bytes of x86-64");
    run(await_generated);
}

static void generated_measures_null(void)
{
    /* push rbx; xor edi, edi; mov rax, strlen; call rax; pop rbx; ret */
    unsigned char bytes[] = { 0x53, 0x31, 0xff, 0x48, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xd0, 0x5b, 0xc3 };
    size_t (*volatile measure)(const char *text) = strlen;
    memcpy(bytes + 5, (const void *)&measure, sizeof measure);
    run_bytes(bytes, sizeof bytes);
}
TEST(fault_place, a_leaf_called_by_generated_code_ends_the_program)
{
    NATIVE();
    if (!ON_X86_64)
        SKIP("bytes of x86-64");
    check_crash(generated_measures_null, SIGSEGV, "called by a library that may hold locks");
}

#if defined(__x86_64__)
/* Jumps to strlen(NULL) with a return address that no call has left. */
FAULT static void jump_to_leaf(void)
{
    size_t (*volatile measure)(const char *text) = strlen;
    __asm__ volatile("leaq 1f(%%rip), %%rcx\n\tpushq %%rcx\n\txorl %%edi, %%edi\n\tjmp *%0\n\tnop\n\tnop\n\tnop\n1:"
                     :
                     : "r"(measure)
                     : "rax", "rcx", "rdi", "rsi", "rdx", "memory");
}
/* As a processor's trap on an overflow would: such a signal may be sent by a thread to itself. */
FAULT static void integer_overflow(const tr_msg *arg)
{
    siginfo_t info = { .si_signo = SIGFPE, .si_code = FPE_INTOVF };
    (void)arg;
    long result, process = getpid(), thread = syscall(SYS_gettid);
    register siginfo_t *fourth __asm__("r10") = &info;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"((long)SYS_rt_tgsigqueueinfo), "D"(process), "S"(thread), "d"((long)SIGFPE), "r"(fourth)
                     : "rcx", "r11", "memory");
}
#else
static void jump_to_leaf(void) {}
static void integer_overflow(const tr_msg *arg) { (void)arg; }
#endif

TEST(fault_place, a_leaf_that_was_not_called_ends_the_program)
{
    NATIVE();
    if (!ON_X86_64)
        SKIP("instructions of x86-64");
    check_crash(jump_to_leaf, SIGSEGV, "called by a library that may hold locks");
}

static void await_overflow(void)
{
    tr_reason reason = await_end(tr_spawn(integer_overflow, NULL, 0));
    CHECK(reason.why == TR_WHY_FAULT && reason.code == SIGFPE);
}
TEST(fault_place, an_integer_overflow_that_traps_is_contained)
{
    NATIVE();
    if (!ON_X86_64)
        SKIP("instructions of x86-64");
    run(await_overflow);
}

/* ---- long backtraces */

static void (*volatile go_deeper)(int depth);
void a_function_whose_name_is_so_long_that_a_backtrace_of_a_few_calls_of_it_is_longer_than_the_room_that_there_is(
    int depth);
FAULT void
a_function_whose_name_is_so_long_that_a_backtrace_of_a_few_calls_of_it_is_longer_than_the_room_that_there_is(int depth)
{
    if (depth == 0)
        write_null();
    else
        go_deeper(depth - 1);
    sink++; /* no tail call */
}
static void deep_fault(const tr_msg *arg)
{
    (void)arg;
    go_deeper =
        a_function_whose_name_is_so_long_that_a_backtrace_of_a_few_calls_of_it_is_longer_than_the_room_that_there_is;
    go_deeper(18);
}
static void await_deep(void)
{
    tr_ref monitor;
    tr_spawn_monitor(deep_fault, NULL, 0, &monitor);
    const tr_msg *down = tr_receive_match(&(tr_match){ .tag = TR_MSG_DOWN, .ref = monitor }, TR_INFINITY);
    CHECK_EQ(tr_reason_of(down)->why, TR_WHY_FAULT);
    CHECK_EQ(tr_size(down), 1499); /* cut */
    CHECK(strstr(tr_body(down), "a_function_whose_name_is") != NULL);
}
TEST(fault_place, a_backtrace_that_is_too_long_is_cut)
{
    NATIVE();
    run(await_deep);
}

/* ---- what was there before */

static void tell_and_leave(int number, siginfo_t *info, void *context)
{
    (void)context;
    _exit(number == SIGSEGV && info->si_addr == (void *)nowhere ? 42 : 43);
}
static void with_a_handler(void)
{
    struct sigaction own = { .sa_sigaction = tell_and_leave, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &own, NULL);
    the_body = wild_read_only;
    _exit(tr_main(&(tr_config){ .workers = 1, .log = drop_record }, enter_body, NULL, 0));
}
static void with_the_default(void)
{
    struct sigaction own = { .sa_handler = SIG_DFL, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &own, NULL);
    the_body = wild_read_only;
    _exit(tr_main(&(tr_config){ .workers = 1, .log = drop_record }, enter_body, NULL, 0));
}
TEST(fault_place, a_handler_from_before_the_start_has_the_last_word)
{
    NATIVE();
    const struct outcome *outcome = without_runtime_in_child(with_a_handler);
    CHECK(strstr(outcome->text, "not contained") != NULL);
    CHECK(WIFEXITED(outcome->status) && WEXITSTATUS(outcome->status) == 42);
    outcome = without_runtime_in_child(with_the_default);
    CHECK(strstr(outcome->text, "not contained") != NULL);
    CHECK(WIFSIGNALED(outcome->status) && WTERMSIG(outcome->status) == SIGSEGV);
}
