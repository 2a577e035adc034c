# Install: headers, libraries, the `troupe` command; troupe.pc and troupe_sim.pc for pkg-config; find_package(troupe) with the targets
# troupe::troupe (the shared library, where it is built), troupe::troupe_static and troupe::troupe_sim; a Debian package by `cpack` in
# the build folder.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

install(DIRECTORY include/troupe TYPE INCLUDE FILES_MATCHING PATTERN "*.h")
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
if(TARGET troupe_command)
    install(TARGETS troupe_command)
endif()

set(installed_libraries troupe_static)
if(TR_SHARED)
    list(APPEND installed_libraries troupe)
endif()
if(TARGET troupe_sim_public)
    list(APPEND installed_libraries troupe_sim_public)
endif()
set_target_properties(troupe_static PROPERTIES EXPORT_NAME troupe_static)
install(TARGETS ${installed_libraries} EXPORT troupe)
set(config_dir ${CMAKE_INSTALL_LIBDIR}/cmake/troupe)
install(EXPORT troupe NAMESPACE troupe:: FILE troupe-targets.cmake DESTINATION ${config_dir})
configure_file(tools/cmake/troupe-config.cmake troupe-config.cmake COPYONLY)
write_basic_package_version_file(troupe-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/troupe-config.cmake" "${PROJECT_BINARY_DIR}/troupe-config-version.cmake"
        DESTINATION ${config_dir})

# A prefix relative to the file itself: the package may be moved.
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
set(pc_files troupe)
if(TARGET troupe_sim_public)
    list(APPEND pc_files troupe_sim)
endif()
foreach(package IN LISTS pc_files)
    configure_file(tools/cmake/${package}.pc.in ${package}.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/${package}.pc" DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME troupe)
set(CPACK_PACKAGE_VENDOR "The Troupe authors")
set(CPACK_PACKAGE_CONTACT "The Troupe authors <troupe@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_DEPENDS liburcu-dev) # a static link needs it; the shared libraries are added below
find_program(shlibdeps dpkg-shlibdeps)
if(shlibdeps)
    set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
endif()
include(CPack)
