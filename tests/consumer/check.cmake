# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT

# cmake -DSOURCE=<project> -DBINARY=<folder> [-DARGUMENTS=<cmake arguments>] [-DFAILS_WITH=<regex>]
#       [-DRUN=<program>] -P check.cmake
# Configures, builds and runs a consumer from nothing. With FAILS_WITH it is configuring that must
# fail, saying that.

file(REMOVE_RECURSE "${BINARY}")
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BINARY} -G Ninja ${ARGUMENTS}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(FAILS_WITH)
  # CMake wraps its messages.
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  if(result EQUAL 0)
    message(FATAL_ERROR "configuring should have failed")
  elseif(NOT output MATCHES "${FAILS_WITH}")
    message(FATAL_ERROR "the failure does not say '${FAILS_WITH}':\n${output}")
  endif()
  return()
endif()
if(result EQUAL 0)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BINARY}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${output}")
endif()
if(RUN)
  execute_process(COMMAND ${BINARY}/${RUN} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${RUN} ended with ${result}")
  endif()
endif()
