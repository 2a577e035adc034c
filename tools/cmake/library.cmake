# libtroupe.a; with TR_SHARED libtroupe.so; libtroupe_sim.a, the same runtime in simulation; of both archives one with
# all names (libtroupe_internal.a, libtroupe_sim_internal.a) for the tree itself.
#
# The two halves of the library are compiled apart, so that the floors hold by construction: behaviours/ does not see
# the include path runtime/, only the public headers.

file(GLOB runtime_sources CONFIGURE_DEPENDS runtime/*.c runtime/*/*.c)
file(GLOB behaviour_sources CONFIGURE_DEPENDS behaviours/*.c)
list(FILTER runtime_sources EXCLUDE REGEX "/fiber_ucontext\\.c$")
set(simulator_sources ${runtime_sources})
list(FILTER simulator_sources INCLUDE REGEX "/runtime/sim/")
list(FILTER runtime_sources EXCLUDE REGEX "/runtime/sim/")

# The fiber switch: assembly where we have it, else ucontext.
string(REGEX REPLACE "^(amd64|AMD64)$" "x86_64" architecture "${CMAKE_SYSTEM_PROCESSOR}")
string(REGEX REPLACE "^arm64$" "aarch64" architecture "${architecture}")
set(switch_asm "${PROJECT_SOURCE_DIR}/runtime/sched/fiber_switch_${architecture}.S")
set(switch_ucontext "${PROJECT_SOURCE_DIR}/runtime/sched/fiber_ucontext.c")
if(TR_FIBER STREQUAL "asm" AND NOT EXISTS "${switch_asm}")
    message(FATAL_ERROR "TR_FIBER=asm, but there is no fiber switch for ${architecture}")
elseif(NOT TR_FIBER MATCHES "^(auto|asm|ucontext)$")
    message(FATAL_ERROR "TR_FIBER is '${TR_FIBER}': it must be auto, asm or ucontext")
endif()
if(EXISTS "${switch_asm}" AND NOT TR_FIBER STREQUAL "ucontext")
    set(fiber_switch "${switch_asm}")
    set(fiber_ucontext OFF)
else()
    set(fiber_switch "${switch_ucontext}")
    set(fiber_ucontext ON)
endif()
if(EXISTS "${fiber_switch}")
    list(APPEND runtime_sources "${fiber_switch}")
endif()

# liburcu: the memb flavour and the lock-free structures. By plain names, so that an installed package names no path of
# this machine.
find_library(urcu_memb urcu-memb)
find_path(urcu_include urcu/urcu-memb.h PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE})
if(NOT urcu_memb OR NOT urcu_include)
    message(FATAL_ERROR "liburcu is missing (Debian package liburcu-dev)")
endif()
set(urcu_libraries urcu-memb urcu-cds urcu-common)

# Which halves of liburcu are inlined (_LGPL_SOURCE) is said where it is included: ThreadSanitizer's builds call some of
# them.
add_library(troupe_private INTERFACE) # what the runtime itself, its unit tests and the tools may see
target_include_directories(troupe_private INTERFACE "${PROJECT_SOURCE_DIR}/runtime")
target_compile_definitions(troupe_private INTERFACE
    _GNU_SOURCE $<$<BOOL:${TR_DEBUG}>:TR_DEBUG_BUILD> $<$<BOOL:${fiber_ucontext}>:TR_FIBER_UCONTEXT>)

# The two object libraries for one kind of code, position-independent or not.
function(troupe_objects suffix position_independent)
    add_library(runtime_${suffix} OBJECT ${runtime_sources})
    target_link_libraries(runtime_${suffix} PRIVATE troupe_private)
    set(halves runtime_${suffix})
    if(behaviour_sources)
        add_library(behaviours_${suffix} OBJECT ${behaviour_sources})
        target_compile_definitions(behaviours_${suffix} PRIVATE _GNU_SOURCE)
        list(APPEND halves behaviours_${suffix})
    endif()
    foreach(half IN LISTS halves)
        target_include_directories(${half} PRIVATE "${PROJECT_SOURCE_DIR}/include")
        target_link_libraries(${half} PRIVATE troupe_flags troupe_warnings Threads::Threads)
        set_target_properties(${half} PROPERTIES C_VISIBILITY_PRESET hidden POSITION_INDEPENDENT_CODE ${position_independent})
    endforeach()
endfunction()

function(troupe_library target type objects)
    add_library(${target} ${type} ${objects})
    target_include_directories(${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
    target_link_libraries(${target} PUBLIC Threads::Threads PRIVATE ${urcu_libraries} $<BUILD_INTERFACE:troupe_flags>)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME troupe LINKER_LANGUAGE C)
endfunction()

function(troupe_objects_of kind out)
    set(objects $<TARGET_OBJECTS:runtime_${kind}>)
    if(behaviour_sources)
        list(APPEND objects $<TARGET_OBJECTS:behaviours_${kind}>)
    endif()
    set(${out} "${objects}" PARENT_SCOPE)
endfunction()

# The static library is for programs: its thread-locals are reached directly, as an executable may.
troupe_objects(static OFF)
troupe_objects_of(static objects)

# With all names that the floors share: for tests and tools that look inside. Not installed.
troupe_library(troupe_internal STATIC "${objects}")
set_target_properties(troupe_internal PROPERTIES OUTPUT_NAME troupe_internal)

# What users get: one object in which all but the API is local, so that no name of ours can clash with one of theirs.
# Not under sanitizers, whose tables refer to the names.
function(troupe_public_object name objects out)
    set(${out} "${objects}" PARENT_SCOPE)
    if(TR_SANITIZE)
        return()
    endif()
    set(file "${PROJECT_BINARY_DIR}/${name}")
    add_custom_command(OUTPUT "${file}"
        COMMAND "${CMAKE_C_COMPILER}" -r -nostdlib -o "${file}" ${objects}
        COMMAND "${CMAKE_OBJCOPY}" --localize-hidden "${file}"
        DEPENDS ${objects} COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties("${file}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    set(${out} "${file}" PARENT_SCOPE)
endfunction()

troupe_public_object(troupe_public.o "${objects}" public_objects)
troupe_library(troupe_static STATIC "${public_objects}")

if(TR_SHARED)
    troupe_objects(shared ON)
    troupe_objects_of(shared objects)
    troupe_library(troupe SHARED "${objects}")
    target_link_options(troupe PRIVATE -Wl,--no-undefined)
    # A thread-local is reached relative to the thread at each use; the dynamic model computes its address by a call
    # that the compiler may keep across a block, after which the actor can be on another thread. Costs 1 KB of static
    # TLS if the library is dlopened.
    target_compile_options(runtime_shared PRIVATE -ftls-model=initial-exec)
    set_target_properties(troupe PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
endif()

# The simulation: the runtime's sources again, with what it asks of the system redirected to the simulator
# (runtime/sim/redirect.h), and the simulator itself. Not under ThreadSanitizer: there is one thread.
if(NOT TR_SANITIZE STREQUAL "thread")
    add_library(runtime_sim OBJECT ${runtime_sources})
    target_compile_options(runtime_sim PRIVATE
        "$<$<COMPILE_LANGUAGE:C>:SHELL:-include \"${PROJECT_SOURCE_DIR}/runtime/sim/redirect.h\">"
        -Wno-attributes) # the model of a thread-local that is none here
    add_library(simulator OBJECT ${simulator_sources})
    target_compile_definitions(simulator PRIVATE CONTEXT_INLINE=0)
    foreach(half runtime_sim simulator)
        target_link_libraries(${half} PRIVATE troupe_private troupe_flags troupe_warnings Threads::Threads)
        target_include_directories(${half} PRIVATE "${PROJECT_SOURCE_DIR}/include")
        set_target_properties(${half} PROPERTIES C_VISIBILITY_PRESET hidden)
    endforeach()
    set(objects $<TARGET_OBJECTS:runtime_sim> $<TARGET_OBJECTS:simulator> $<TARGET_OBJECTS:behaviours_static>)
    troupe_library(troupe_sim STATIC "${objects}") # with all names: for the tree itself
    set_target_properties(troupe_sim PROPERTIES OUTPUT_NAME troupe_sim_internal)
    troupe_public_object(troupe_sim_public.o "${objects}" public_objects)
    troupe_library(troupe_sim_public STATIC "${public_objects}")
    set_target_properties(troupe_sim_public PROPERTIES OUTPUT_NAME troupe_sim EXPORT_NAME troupe_sim)
endif()
