# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# probekit_build_flags(<target>)
#     warnings, assertions and sanitizers, for everything built here
# probekit_add_component(<name> [INTERNAL])
#     the library probekit_<name>, known as probekit::<name> in the tree and when installed.
#     INTERNAL ones are exported, because others link them, but cannot be asked for by name.


function(probekit_build_flags target)
  if(PROBEKIT_DEV)
    target_compile_options(${target} PRIVATE -Wall -Wextra -Wshadow -Wconversion -Werror
                           -UNDEBUG)
  endif()
  if(PROBEKIT_SANITIZE)
    string(REPLACE ";" "," sanitizers "${PROBEKIT_SANITIZE}")
    target_compile_options(${target} PRIVATE -fsanitize=${sanitizers} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${target} PUBLIC $<BUILD_INTERFACE:-fsanitize=${sanitizers}>)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
      # GCC's false alarms in the standard library, seen under sanitizers only.
      target_compile_options(${target} PRIVATE -Wno-maybe-uninitialized)
    endif()
  endif()
  if(PROBEKIT_FUZZ)
    # Counts what runs, for the fuzzer to steer by; its main comes with the harnesses alone.
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
    target_link_options(${target} PUBLIC $<BUILD_INTERFACE:-fsanitize=fuzzer-no-link>)
  endif()
endfunction()

function(probekit_add_component name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "INTERNAL" "" "")
  set(target probekit_${name})
  add_library(${target})
  add_library(probekit::${name} ALIAS ${target})
  target_compile_features(${target} PUBLIC cxx_std_17)
  target_include_directories(
    ${target}
    PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  set_target_properties(
    ${target}
    PROPERTIES EXPORT_NAME ${name}
               VERSION ${PROJECT_VERSION}
               SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
               CXX_EXTENSIONS OFF
               POSITION_INDEPENDENT_CODE ON
               CXX_VISIBILITY_PRESET hidden
               VISIBILITY_INLINES_HIDDEN ON)
  if(BUILD_SHARED_LIBS)
    target_compile_definitions(${target} PUBLIC PROBEKIT_SHARED PRIVATE PROBEKIT_BUILDING)
    # Libraries of ours find each other wherever they are installed.
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN")
    target_link_options(${target} PRIVATE -Wl,--no-undefined)
    if(PROBEKIT_SANITIZE)
      target_link_options(${target} PRIVATE -Wl,-z,undefs)
    endif()
  endif()
  probekit_build_flags(${target})
  if(arg_INTERNAL)
    set(list PROBEKIT_INTERNAL_COMPONENTS)
  else()
    set(list PROBEKIT_COMPONENTS)
  endif()
  set_property(GLOBAL APPEND PROPERTY ${list} ${name})
endfunction()
