# find_package(troupe): troupe::troupe, troupe::troupe_static and, for tests, troupe::troupe_sim.
include(CMakeFindDependencyMacro)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_dependency(Threads)
include("${CMAKE_CURRENT_LIST_DIR}/troupe-targets.cmake")
if(NOT TARGET troupe::troupe) # a build without the shared library
    add_library(troupe::troupe ALIAS troupe::troupe_static)
endif()
