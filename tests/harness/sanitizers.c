/* sanitizers.c: how the sanitizers are set in every executable of this tree, so that a program started by hand behaves
 * as under ctest. ASAN_OPTIONS, UBSAN_OPTIONS and TSAN_OPTIONS come on top. Nothing is suppressed.
 *
 * AddressSanitizer: no fake stacks, since fibers leave frames behind when an actor ends; the runtime's fault handlers
 * take the place of its own. ThreadSanitizer: goes on after a race, and its exit status then tells. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void) { return "detect_stack_use_after_return=0:allow_user_segv_handler=1"; }

const char *__ubsan_default_options(void) { return "print_stacktrace=1"; }

const char *__tsan_default_options(void) { return "halt_on_error=0:second_deadlock_stack=1:exitcode=66"; }
