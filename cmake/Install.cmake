# cmake --install: the command with its manual, the libraries with their public headers, and a package for find_package(lull).
include(CMakePackageConfigHelpers)

install(TARGETS lull RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})

# The manual page and the shells' completion are what the command says about itself.
function(lull_install_output file folder)
  add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/manual/${file}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/manual
    COMMAND lull ${ARGN} > ${PROJECT_BINARY_DIR}/manual/${file}
    DEPENDS lull VERBATIM)
  install(FILES ${PROJECT_BINARY_DIR}/manual/${file} DESTINATION ${folder})
  set(outputs ${outputs} ${PROJECT_BINARY_DIR}/manual/${file} PARENT_SCOPE)
endfunction()
lull_install_output(lull.1 ${CMAKE_INSTALL_MANDIR}/man1 man)
lull_install_output(lull ${CMAKE_INSTALL_DATADIR}/bash-completion/completions completion bash)
lull_install_output(_lull ${CMAKE_INSTALL_DATADIR}/zsh/site-functions completion zsh)
lull_install_output(lull.fish ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d completion fish)
add_custom_target(lull_manual ALL DEPENDS ${outputs})
install(TARGETS lull_engine lull_nn lull_diffusion EXPORT lullTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})

# Headers lie below include/lull, so that what is written "engine/tensor.h" in the tree is written so everywhere. Kernels,
# and what they share, are no one else's business.
install(DIRECTORY engine nn diffusion DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/lull
  FILES_MATCHING PATTERN "*.h"
  REGEX "engine/(cpu|cuda)$" EXCLUDE
  REGEX "engine/dispatch\\.h$" EXCLUDE
  REGEX "engine/ops/.*/(kernels|functions|checks|cpu_block|cuda|normal|walk)\\.h$" EXCLUDE)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/lull)
install(EXPORT lullTargets NAMESPACE lull:: DESTINATION ${package_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/lullConfigVersion.cmake COMPATIBILITY SameMinorVersion)
configure_package_config_file(cmake/lullConfig.cmake.in ${PROJECT_BINARY_DIR}/lullConfig.cmake INSTALL_DESTINATION ${package_folder})
install(FILES ${PROJECT_BINARY_DIR}/lullConfig.cmake ${PROJECT_BINARY_DIR}/lullConfigVersion.cmake
  DESTINATION ${package_folder})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
