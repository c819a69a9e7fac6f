# The packages that other projects find us by: poolbufConfig.cmake for CMake, poolbuf.pc and poolbuf-static.pc for
# pkg-config. Both work from wherever the install tree is moved to. tests/install.sh builds programs against them.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/poolbuf)
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/poolbufConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/package/poolbufConfig.cmake INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may break: only the same one will do.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/poolbufConfigVersion.cmake
                                 VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/poolbufConfig.cmake ${PROJECT_BINARY_DIR}/package/poolbufConfigVersion.cmake
              ${PROJECT_SOURCE_DIR}/cmake/PoolbufLeakTest.cmake DESTINATION ${package_dir})
install(EXPORT poolbuf_targets NAMESPACE poolbuf:: FILE poolbufTargets.cmake DESTINATION ${package_dir})

file(RELATIVE_PATH PC_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
function(poolbuf_pkg_config PC_NAME PC_LIBS PC_CFLAGS)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/poolbuf.pc.in ${PROJECT_BINARY_DIR}/package/${PC_NAME}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/package/${PC_NAME}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
poolbuf_pkg_config(poolbuf "-L\${libdir} -lpoolbuf" "")
poolbuf_pkg_config(poolbuf-static "-L\${libdir} -l:libpoolbuf.a -pthread -ldl -Wl,-z,nodelete" " -DPOOLBUF_INLINE=1")

install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
# What the JSON files hold, for those who read them; scenarios/schema.json lies beside the scenarios.
install(FILES ${PROJECT_SOURCE_DIR}/leakdetect/leaks.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/poolbuf)
if(POOLBUF_TOOLS)
  install(FILES ${PROJECT_SOURCE_DIR}/reports/results.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/poolbuf)
endif()
