# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# Installs headers and libraries, a targets file for each component, the package configuration and
# the pkg-config file.

include(CMakePackageConfigHelpers)

set(PROBEKIT_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/probekit)
get_property(PROBEKIT_COMPONENTS GLOBAL PROPERTY PROBEKIT_COMPONENTS)
get_property(PROBEKIT_INTERNAL_COMPONENTS GLOBAL PROPERTY PROBEKIT_INTERNAL_COMPONENTS)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/probekit
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        FILES_MATCHING PATTERN "*.hpp")

foreach(component ${PROBEKIT_COMPONENTS} ${PROBEKIT_INTERNAL_COMPONENTS})
  install(TARGETS probekit_${component}
          EXPORT probekit-${component}-targets
          LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
          ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
          RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(EXPORT probekit-${component}-targets
          NAMESPACE probekit::
          DESTINATION ${PROBEKIT_CMAKE_DIR})
endforeach()

set(PROBEKIT_STATIC ON)
if(BUILD_SHARED_LIBS)
  set(PROBEKIT_STATIC OFF)
endif()
configure_package_config_file(
  cmake/probekitConfig.cmake.in ${PROJECT_BINARY_DIR}/probekitConfig.cmake
  INSTALL_DESTINATION ${PROBEKIT_CMAKE_DIR}
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/probekitConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/probekitConfig.cmake
              ${PROJECT_BINARY_DIR}/probekitConfigVersion.cmake
        DESTINATION ${PROBEKIT_CMAKE_DIR})

# Users of a static library link what it is built on; of a shared one they do not.
set(pc_libs "")
set(pc_packages "")
foreach(component websocket http dns resolver sqlite api)
  if(TARGET probekit_${component})
    string(APPEND pc_libs " -lprobekit_${component}")
  endif()
endforeach()
string(APPEND pc_libs " -lprobekit_core")
if(TARGET probekit_websocket)
  list(APPEND pc_packages openssl)
endif()
if(TARGET probekit_http)
  list(APPEND pc_packages libcurl)
endif()
if(TARGET probekit_resolver)
  list(APPEND pc_packages libcares)
endif()
if(TARGET probekit_sqlite)
  list(APPEND pc_packages sqlite3)
endif()
if(TARGET probekit_api)
  list(APPEND pc_packages libmicrohttpd)
endif()
list(JOIN pc_packages ", " pc_packages)
string(STRIP "${pc_libs}" pc_libs)
set(PROBEKIT_PC_CFLAGS "")
if(PROBEKIT_STATIC)
  set(PROBEKIT_PC_REQUIRES "Requires: ${pc_packages}")
  set(PROBEKIT_PC_LIBS "${pc_libs} -pthread")
else()
  set(PROBEKIT_PC_REQUIRES "Requires.private: ${pc_packages}")
  set(PROBEKIT_PC_LIBS "${pc_libs}")
  set(PROBEKIT_PC_CFLAGS " -DPROBEKIT_SHARED")
endif()
# Found from where the file lies, so that the package may be installed anywhere.
file(RELATIVE_PATH PROBEKIT_PC_UP /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
configure_file(cmake/probekit.pc.in ${PROJECT_BINARY_DIR}/probekit.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/probekit.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
