# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT

# cmake -DFOLDER=<libraries> -P check_symbols.cmake
# What a shared build exports is ours alone: nothing of the libraries it is made of. Asio under its
# renamed namespace may be seen: components share its thread-local state, and no host can meet it.

file(GLOB libraries "${FOLDER}/libprobekit_*.so")
if(NOT libraries)
  message(FATAL_ERROR "no libraries in ${FOLDER}")
endif()
foreach(library ${libraries})
  execute_process(COMMAND nm -D -C --defined-only ${library} OUTPUT_VARIABLE symbols
                  RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "nm ${library}: ${result}")
  endif()
  string(REGEX MATCHALL "[^\n]*([^_]asio::|websocketpp|rapidjson::|curl_|ares_|MHD_)[^\n]*" foreign
               "${symbols}")
  if(foreign)
    list(GET foreign 0 first)
    list(LENGTH foreign count)
    message(FATAL_ERROR "${library} exports ${count} foreign symbols, such as ${first}")
  endif()
endforeach()
