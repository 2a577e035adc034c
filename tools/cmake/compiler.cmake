# How everything is compiled. Two interface targets:
#
#   troupe_flags      what object code must agree on: sanitizers, reproducible paths; every target links it
#   troupe_warnings   the warnings that our own sources keep to
#
# and the object library troupe_sanitizers: how the sanitizers are set, in every executable of this tree
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

add_library(troupe_flags INTERFACE)
# unwind tables: backtraces of faults; the prefix map: messages and reports name files relative to the tree
target_compile_options(troupe_flags INTERFACE -fasynchronous-unwind-tables "-fmacro-prefix-map=${PROJECT_SOURCE_DIR}/=")
if(TR_SANITIZE STREQUAL "address")
    set(sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(TR_SANITIZE STREQUAL "thread")
    set(sanitizers -fsanitize=thread -fno-omit-frame-pointer)
elseif(TR_SANITIZE STREQUAL "")
    set(sanitizers "")
elseif(TR_SANITIZE STREQUAL "fuzzer")
    set(sanitizers -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(TR_SANITIZE STREQUAL "coverage")
    # not a sanitizer, but in the same place: clang's counters of branches; relocatable, so that they live in a shared
    # mapping of their file and outlast a crash or _exit (tools/coverage). Atomic: one way of a condition is counted as
    # the difference of two counters, so a count that threads lose would look like a branch that was taken
    set(sanitizers -fprofile-instr-generate -fcoverage-mapping -fprofile-update=atomic)
else()
    message(FATAL_ERROR "TR_SANITIZE is '${TR_SANITIZE}': it must be empty, address, thread, fuzzer or coverage")
endif()
target_compile_options(troupe_flags INTERFACE ${sanitizers})
target_link_options(troupe_flags INTERFACE ${sanitizers})
if(TR_SANITIZE STREQUAL "coverage")
    target_compile_options(troupe_flags INTERFACE "$<$<COMPILE_LANGUAGE:C>:SHELL:-mllvm -runtime-counter-relocation=true>")
endif()

add_library(troupe_warnings INTERFACE)
target_compile_options(troupe_warnings INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${TR_WERROR}>:-Werror>)

if(TR_SANITIZE STREQUAL "coverage")
    target_compile_definitions(troupe_flags INTERFACE TR_COVERAGE) # base/compiler.h: LIKELY(a == b) is (a == b)
    target_compile_options(troupe_warnings INTERFACE -Wno-parentheses-equality)
endif()

add_library(troupe_sanitizers INTERFACE)
if(sanitizers)
    add_library(sanitizer_settings OBJECT tests/harness/sanitizers.c)
    target_link_libraries(sanitizer_settings PRIVATE troupe_flags troupe_warnings)
    target_sources(troupe_sanitizers INTERFACE $<TARGET_OBJECTS:sanitizer_settings>)
endif()
