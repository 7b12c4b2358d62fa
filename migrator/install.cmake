# What `cmake --install` puts in place: the program, its completions, and for other projects the public
# headers with the library behind them, found by find_package(migrator).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# The library of the public headers: the shim, and what it is made of. It must stand alone: whoever links it
# has none of the libraries that migrator itself is built with, so nothing of them may be asked for. Each
# engine is a library of its own, so that a program links the client libraries of what it uses.
add_library(migrator_installed STATIC $<TARGET_OBJECTS:migrator_adapter> $<TARGET_OBJECTS:migrator_shim>
            ${CMAKE_CURRENT_LIST_DIR}/shim/format_symbols.cc)
set_target_properties(migrator_installed PROPERTIES OUTPUT_NAME migrator)
set_source_files_properties(${CMAKE_CURRENT_LIST_DIR}/shim/format_symbols.cc PROPERTIES COMPILE_OPTIONS "-O0")
target_link_libraries(migrator_installed PRIVATE migrator_flags)

set(migrator_package ${CMAKE_INSTALL_LIBDIR}/cmake/migrator)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/migratorConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/migratorConfig.cmake INSTALL_DESTINATION ${migrator_package}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_LIBDIR)
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/migratorConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)

install(FILES $<TARGET_FILE:migrator_installed> $<TARGET_FILE:migrator_postgres> $<TARGET_FILE:migrator_mysql>
              $<TARGET_FILE:migrator_sqlite>
        DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/migratorConfig.cmake
              ${CMAKE_CURRENT_BINARY_DIR}/migratorConfigVersion.cmake
        DESTINATION ${migrator_package} COMPONENT development)
install(DIRECTORY ${CMAKE_CURRENT_LIST_DIR}/include/migrator DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        COMPONENT development FILES_MATCHING PATTERN "*.h")

install(TARGETS migrate RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/scripts/completions/migrate.bash RENAME migrate
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/scripts/completions/_migrate
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions COMPONENT runtime)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/CHANGELOG.md
        DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT runtime)
