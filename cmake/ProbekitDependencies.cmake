# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# Finds what probekit is built on and decides which components there are: PROBEKIT_WITH_<COMPONENT>
# is true when the dependencies of that component were found. Header-only ones become INTERFACE
# targets of our own, used in the build only and never exported.

find_package(Threads REQUIRED)

# Asio, standalone. Its namespace is renamed, so that a host may use another Asio version in the
# same program without breaking the one-definition rule. ASIO_NO_DEPRECATED must stay undefined:
# websocketpp needs what it removes.
find_path(PROBEKIT_ASIO_INCLUDE_DIR asio.hpp DOC "Folder of asio.hpp (standalone Asio)")
mark_as_advanced(PROBEKIT_ASIO_INCLUDE_DIR)
if(NOT PROBEKIT_ASIO_INCLUDE_DIR)
  message(FATAL_ERROR "probekit needs standalone Asio (Debian: libasio-dev); "
                      "set PROBEKIT_ASIO_INCLUDE_DIR to the folder of asio.hpp")
endif()
file(STRINGS "${PROBEKIT_ASIO_INCLUDE_DIR}/asio/version.hpp" asio_version_line
     REGEX "^#define ASIO_VERSION [0-9]+")
string(REGEX REPLACE "^#define ASIO_VERSION ([0-9]+).*" "\\1" PROBEKIT_ASIO_VERSION
       "${asio_version_line}")
add_library(probekit_asio INTERFACE)
target_include_directories(probekit_asio SYSTEM INTERFACE "${PROBEKIT_ASIO_INCLUDE_DIR}")
# Without ASIO_DISABLE_STD_ALIGNED_ALLOC Asio takes memory by aligned_alloc() or by operator new,
# and gives it back likewise, as a translation unit includes a standard header before it or not.
target_compile_definitions(probekit_asio INTERFACE ASIO_STANDALONE asio=probekit_asio
                                                   ASIO_DISABLE_STD_ALIGNED_ALLOC)
target_link_libraries(probekit_asio INTERFACE Threads::Threads)
if("thread" IN_LIST PROBEKIT_SANITIZE)
  # ThreadSanitizer does not know fences; what matters is under Asio's locks.
  target_compile_definitions(probekit_asio INTERFACE ASIO_DISABLE_FENCED_BLOCK)
endif()

find_path(PROBEKIT_RAPIDJSON_INCLUDE_DIR rapidjson/reader.h DOC "Folder of rapidjson/")
mark_as_advanced(PROBEKIT_RAPIDJSON_INCLUDE_DIR)
if(NOT PROBEKIT_RAPIDJSON_INCLUDE_DIR)
  message(FATAL_ERROR "probekit needs RapidJSON (Debian: rapidjson-dev); "
                      "set PROBEKIT_RAPIDJSON_INCLUDE_DIR to the folder that holds rapidjson/")
endif()
add_library(probekit_rapidjson INTERFACE)
target_include_directories(probekit_rapidjson SYSTEM INTERFACE "${PROBEKIT_RAPIDJSON_INCLUDE_DIR}")

# Every other dependency is optional: without it its components are not built, and one line says so.
find_package(PkgConfig QUIET)
find_package(CURL QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(PROBEKIT_CARES QUIET IMPORTED_TARGET libcares)
  pkg_check_modules(PROBEKIT_MICROHTTPD QUIET IMPORTED_TARGET libmicrohttpd)
  # 3.33: sqlite_schema.
  pkg_check_modules(PROBEKIT_SQLITE QUIET IMPORTED_TARGET sqlite3>=3.33)
endif()
find_path(PROBEKIT_WEBSOCKETPP_INCLUDE_DIR websocketpp/version.hpp DOC "Folder of websocketpp/")
mark_as_advanced(PROBEKIT_WEBSOCKETPP_INCLUDE_DIR)

find_package(OpenSSL QUIET)

set(PROBEKIT_WITH_WEBSOCKET OFF)
if(PROBEKIT_WEBSOCKETPP_INCLUDE_DIR AND NOT OpenSSL_FOUND)
  message(STATUS "probekit::websocket is not built: OpenSSL was not found")
elseif(PROBEKIT_WEBSOCKETPP_INCLUDE_DIR)
  # Asio 1.33 removed the interfaces websocketpp 0.8.2 is written against.
  if(PROBEKIT_ASIO_VERSION GREATER_EQUAL 103300)
    message(FATAL_ERROR
      "probekit::websocket: websocketpp needs Asio older than 1.33, and "
      "${PROBEKIT_ASIO_INCLUDE_DIR}/asio is ASIO_VERSION ${PROBEKIT_ASIO_VERSION}. "
      "Set PROBEKIT_ASIO_INCLUDE_DIR to Asio 1.18 to 1.32, or "
      "PROBEKIT_WEBSOCKETPP_INCLUDE_DIR= (empty) to build without this component.")
  endif()
  set(PROBEKIT_WITH_WEBSOCKET ON)
  add_library(probekit_websocketpp INTERFACE)
  target_include_directories(probekit_websocketpp SYSTEM
                             INTERFACE "${PROBEKIT_WEBSOCKETPP_INCLUDE_DIR}")
  target_link_libraries(probekit_websocketpp INTERFACE probekit_asio)
else()
  message(STATUS "probekit::websocket is not built: websocketpp was not found")
endif()

set(PROBEKIT_WITH_RESOLVER OFF)
set(PROBEKIT_WITH_DNS OFF)
set(PROBEKIT_WITH_HTTP OFF)
if(PROBEKIT_CARES_FOUND)
  set(PROBEKIT_WITH_RESOLVER ON)
  set(PROBEKIT_WITH_DNS ON)
  if(CURL_FOUND)
    set(PROBEKIT_WITH_HTTP ON)
  else()
    message(STATUS "probekit::http is not built: libcurl was not found")
  endif()
else()
  message(STATUS "probekit::http and probekit::dns are not built: c-ares was not found")
endif()

set(PROBEKIT_WITH_SQLITE OFF)
if(PROBEKIT_SQLITE_FOUND)
  set(PROBEKIT_WITH_SQLITE ON)
else()
  message(STATUS "probekit::sqlite is not built: SQLite was not found")
endif()

set(PROBEKIT_WITH_API OFF)
if(PROBEKIT_MICROHTTPD_FOUND)
  set(PROBEKIT_WITH_API ON)
else()
  message(STATUS "probekit::api is not built: libmicrohttpd was not found")
endif()
