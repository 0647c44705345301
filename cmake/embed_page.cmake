# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# cmake -DFOLDER=<folder> -DSCRIPTS=<name,name,..> -DOUTPUT=<header> -P embed_page.cmake
# Puts page.css and the scripts of FOLDER, in their order and as one function, into page.html, and
# writes the whole into a C++ header with what its Content-Security-Policy needs: the hash of the
# style, that of the script, and one of the whole.

# The base64 of a SHA-256, which is given as hexadecimal: 10 times 3 bytes, and 2 more.
function(base64_of_sha256 hex result)
  set(alphabet "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
  set(text "")
  foreach(at RANGE 0 60 6)
    string(SUBSTRING "${hex}00" ${at} 6 group)
    foreach(shift 18 12 6 0)
      math(EXPR index "(0x${group} >> ${shift}) & 63")
      string(SUBSTRING "${alphabet}" ${index} 1 letter)
      string(APPEND text "${letter}")
    endforeach()
  endforeach()
  string(SUBSTRING "${text}" 0 43 text)
  set(${result} "${text}=" PARENT_SCOPE)
endfunction()

# Puts `content` at `mark`, which must be there exactly once.
function(put mark content)
  string(REPLACE "${mark}" "" without "${page}")
  string(LENGTH "${mark}" mark_length)
  string(LENGTH "${page}" before)
  string(LENGTH "${without}" after)
  math(EXPR removed "${before} - ${after}")
  if(NOT removed EQUAL mark_length)
    message(FATAL_ERROR "page.html: ${mark} is not there exactly once")
  endif()
  string(REPLACE "${mark}" "${content}" page "${page}")
  set(page "${page}" PARENT_SCOPE)
endfunction()

file(READ "${FOLDER}/page.html" page)
file(READ "${FOLDER}/page.css" css)
string(REPLACE "," ";" scripts "${SCRIPTS}")
set(js "(() => {\n'use strict';\n\n")
foreach(script IN LISTS scripts)
  file(READ "${FOLDER}/${script}" part)
  string(APPEND js "${part}\n")
endforeach()
string(APPEND js "})();\n")

foreach(part css js)
  string(SHA256 hash "${${part}}")
  base64_of_sha256("${hash}" ${part}_hash)
endforeach()
if(js MATCHES "</script" OR css MATCHES "</style")
  message(FATAL_ERROR "a script or page.css ends its element")
endif()
put("@PAGE_CSS@" "${css}")
put("@PAGE_JS@" "${js}")
string(SHA256 hash "${page}")
string(SUBSTRING "${hash}" 0 32 etag)
if(page MATCHES "\\)page\"")
  message(FATAL_ERROR "the page ends the literal it is kept in")
endif()

file(WRITE "${OUTPUT}"
     "// Made by cmake/embed_page.cmake from src/api/page/.\n#pragma once\n\n"
     "#define PROBEKIT_PAGE_STYLE_HASH \"sha256-${css_hash}\"\n"
     "#define PROBEKIT_PAGE_SCRIPT_HASH \"sha256-${js_hash}\"\n"
     "#define PROBEKIT_PAGE_ETAG \"\\\"${etag}\\\"\"\n\n"
     "namespace probekit::api {\n\n"
     "constexpr char kPageText[] = R\"page(")
file(APPEND "${OUTPUT}" "${page}")
file(APPEND "${OUTPUT}" ")page\";\n\n}  // namespace probekit::api\n")
