# What `cmake --install` puts in place: the program, its completions, and for other projects the public
# headers with the library behind them, found by find_package(migrator).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# The library of the public headers. It must stand alone: whoever links it has none of the libraries that
# migrator itself is built with, so nothing of them may be in here, not even by name in the export.
add_library(migrator_core STATIC ${PROJECT_SOURCE_DIR}/adapters/error.cc)
add_library(migrator::core ALIAS migrator_core)
set_target_properties(migrator_core PROPERTIES EXPORT_NAME core OUTPUT_NAME migrator)
target_compile_features(migrator_core PUBLIC cxx_std_20)
target_link_libraries(migrator_core PRIVATE $<BUILD_INTERFACE:migrator_flags>)
target_include_directories(migrator_core INTERFACE
  $<BUILD_INTERFACE:${CMAKE_CURRENT_LIST_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(migrator_package ${CMAKE_INSTALL_LIBDIR}/cmake/migrator)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/migratorConfig.cmake.in
  ${CMAKE_CURRENT_BINARY_DIR}/migratorConfig.cmake INSTALL_DESTINATION ${migrator_package})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/migratorConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)

install(TARGETS migrator_core EXPORT migratorTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        COMPONENT development)
install(EXPORT migratorTargets NAMESPACE migrator:: DESTINATION ${migrator_package} COMPONENT development)
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
