# The programs, all into BUILD/bin and linked statically, with the library that users get unless they are PRIVATE. What
# has no sources yet is not built. The larger ones are a main.c and an archive of their other sources (command_parts,
# cache_parts ...), which the unit tests link, too.

set(bin "${PROJECT_BINARY_DIR}/bin")

# troupe_program(NAME SOURCES... [PRIVATE] [SIMULATED]): PRIVATE programs may include the runtime's own headers.
function(troupe_program name)
    cmake_parse_arguments(program "PRIVATE;SIMULATED" "" "" ${ARGN})
    add_executable(${name} ${program_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE troupe_flags troupe_warnings troupe_sanitizers)
    if(program_PRIVATE)
        target_link_libraries(${name} PRIVATE troupe_internal troupe_private ${urcu_libraries})
    elseif(program_SIMULATED)
        target_link_libraries(${name} PRIVATE troupe_sim_public)
    else()
        target_link_libraries(${name} PRIVATE troupe_static)
    endif()
    # exported symbols: functions in a backtrace have names
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${bin}" ENABLE_EXPORTS ON)
endfunction()

# troupe_parts(NAME SOURCES...): the sources but main.c, as an archive.
function(troupe_parts name)
    set(sources ${ARGN})
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    add_library(${name} STATIC ${sources})
    target_include_directories(${name} PUBLIC "${PROJECT_SOURCE_DIR}/include" PRIVATE tools/troupe bench/workloads)
    target_compile_definitions(${name} PRIVATE _GNU_SOURCE)
    target_link_libraries(${name} PRIVATE troupe_flags troupe_warnings)
endfunction()

# The command line, with the benchmark's workloads inside (`troupe bench`). Floor 7: it may look down into the runtime.
file(GLOB command_sources CONFIGURE_DEPENDS tools/troupe/*.c bench/workloads/*.c bench/savina/*.c)
if(EXISTS "${PROJECT_SOURCE_DIR}/tools/troupe/main.c")
    troupe_parts(command_parts ${command_sources})
    target_link_libraries(command_parts PRIVATE troupe_private m)
    troupe_program(troupe_command tools/troupe/main.c PRIVATE)
    target_link_libraries(troupe_command PRIVATE command_parts troupe_internal)
    set_target_properties(troupe_command PROPERTIES OUTPUT_NAME troupe)
    target_include_directories(troupe_command PRIVATE tools/troupe bench/workloads)
endif()

# The service of tools/run: public headers only, as a user would write it.
file(GLOB cache_sources CONFIGURE_DEPENDS bench/services/cache/*.c)
if(EXISTS "${PROJECT_SOURCE_DIR}/bench/services/cache/main.c")
    troupe_parts(cache_parts ${cache_sources})
    troupe_program(cache bench/services/cache/main.c)
    target_link_libraries(cache PRIVATE cache_parts troupe_static)
    target_compile_definitions(cache PRIVATE _GNU_SOURCE)
endif()

# Smaller services, which share a listener and its options (service_parts).
file(GLOB service_sources CONFIGURE_DEPENDS bench/services/tcp/*.c)
troupe_parts(service_parts ${service_sources})
foreach(service echo hello)
    file(GLOB sources CONFIGURE_DEPENDS bench/services/${service}/*.c)
    list(FILTER sources EXCLUDE REGEX "/main\\.c$")
    troupe_program(${service} bench/services/${service}/main.c)
    if(sources)
        troupe_parts(${service}_parts ${sources})
        target_link_libraries(${service} PRIVATE ${service}_parts)
    endif()
    target_link_libraries(${service} PRIVATE service_parts troupe_static)
    target_compile_definitions(${service} PRIVATE _GNU_SOURCE)
endforeach()

# The load generator of bench/compare: plain threads and epoll, nothing of Troupe.
file(GLOB load_sources CONFIGURE_DEPENDS bench/load/*.c)
troupe_parts(load_parts ${load_sources})
troupe_program(load bench/load/main.c)
target_link_libraries(load_parts PUBLIC m)
target_link_libraries(load PRIVATE load_parts Threads::Threads)
target_compile_definitions(load PRIVATE _GNU_SOURCE)

# The programs that people learn Troupe with: strict C11, nothing but the public headers. NAME_sim runs in simulation,
# where it is built.
file(GLOB example_sources CONFIGURE_DEPENDS tests/examples/*.c)
if(NOT TARGET troupe_sim_public)
    list(FILTER example_sources EXCLUDE REGEX "_sim\\.c$")
endif()
foreach(source IN LISTS example_sources)
    cmake_path(GET source STEM name)
    if(name MATCHES "_sim$")
        troupe_program(example_${name} ${source} SIMULATED)
    else()
        troupe_program(example_${name} ${source})
    endif()
endforeach()

# The hand-made floors that the benchmark is measured against: the least that messages need, and plain threads; all of
# them by the target floors.
file(GLOB floor_sources CONFIGURE_DEPENDS bench/floor/*.c)
add_custom_target(floors)
foreach(source IN LISTS floor_sources)
    cmake_path(GET source STEM name)
    troupe_program(floor_${name} ${source} PRIVATE)
    target_link_libraries(floor_${name} PRIVATE m)
    add_dependencies(floors floor_${name})
endforeach()
