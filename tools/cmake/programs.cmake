# The programs, all into BUILD/bin and linked with the static library. What has no sources yet is not built.

set(bin "${PROJECT_BINARY_DIR}/bin")

# troupe_program(NAME SOURCES... [PRIVATE]): PRIVATE programs may include the runtime's own headers.
function(troupe_program name)
    cmake_parse_arguments(program "PRIVATE" "" "" ${ARGN})
    add_executable(${name} ${program_UNPARSED_ARGUMENTS})
    target_link_libraries(${name} PRIVATE troupe_static troupe_flags troupe_warnings)
    if(program_PRIVATE)
        target_link_libraries(${name} PRIVATE troupe_private ${urcu_libraries})
    endif()
    # exported symbols: functions in a backtrace have names
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${bin}" ENABLE_EXPORTS ON)
endfunction()

# The command line, with the benchmark's workloads inside (`troupe bench`).
file(GLOB command_sources CONFIGURE_DEPENDS tools/troupe/*.c)
file(GLOB workload_sources CONFIGURE_DEPENDS bench/workloads/*.c)
if(command_sources)
    troupe_program(troupe_command ${command_sources} ${workload_sources} PRIVATE)
    set_target_properties(troupe_command PROPERTIES OUTPUT_NAME troupe)
    target_include_directories(troupe_command PRIVATE tools/troupe bench/workloads)
endif()

# The service of tools/run: public headers only, as a user would write it.
file(GLOB cache_sources CONFIGURE_DEPENDS bench/services/cache/*.c)
if(cache_sources)
    troupe_program(cache ${cache_sources})
    target_compile_definitions(cache PRIVATE _GNU_SOURCE)
    target_include_directories(cache PRIVATE bench/services/cache)
endif()

# The programs that people learn Troupe with: strict C11, nothing but the public headers.
file(GLOB example_sources CONFIGURE_DEPENDS tests/examples/*.c)
foreach(source IN LISTS example_sources)
    cmake_path(GET source STEM name)
    troupe_program(example_${name} ${source})
endforeach()

# The hand-made floors that the benchmark is measured against.
file(GLOB floor_sources CONFIGURE_DEPENDS bench/floor/*.c)
foreach(source IN LISTS floor_sources)
    cmake_path(GET source STEM name)
    troupe_program(floor_${name} ${source} PRIVATE)
endforeach()
