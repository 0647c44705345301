# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# cmake -DFOLDER=<folder> -DLISTED=<files> -P check_listed.cmake
# Fails when a source in FOLDER is not LISTED: a test that is not built tests nothing.

file(GLOB present RELATIVE "${FOLDER}" "${FOLDER}/*.cpp")
list(REMOVE_ITEM present ${LISTED})
if(present)
  message(FATAL_ERROR "not in ${FOLDER}/CMakeLists.txt: ${present}")
endif()
