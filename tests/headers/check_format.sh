#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_format.sh ROOT: sources are as .clang-format says. Versions of clang-format differ in what
# they make of it; without version 14 the test is skipped.
set -eu
cd "$1"
clang-format --version 2>/dev/null | grep -q 'version 14\.' || {
  echo "needs clang-format 14 (Debian 12: clang-format)" >&2
  exit 77
}
find src include examples tests \( -name '*.cpp' -o -name '*.hpp' \) -not -path '*/build/*' -print0 |
  xargs -0 clang-format --dry-run -Werror
