#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_dependencies.sh COMPILER ROOT: no public header pulls in a third-party header, however deep.
# Judged by the compiler's own dependency list: an empty include path would prove nothing where
# libraries lie in /usr/include.
set -eu
compiler=$1
root=$2
status=0
count=0
for header in $(cd "$root/include" && find probekit -name '*.hpp' | sort); do
  count=$((count + 1))
  foreign=$(printf '#include "%s"\n' "$header" |
    "$compiler" -std=c++17 -M -I"$root/include" -x c++ - | tr ' \\' '\n\n' |
    grep -E '/(asio|websocketpp|rapidjson|curl|microhttpd|openssl|sqlite3|CLI|catch2)(/|\.h)|/ares[_a-z]*\.h' || true)
  if [ -n "$foreign" ]; then
    echo "$header pulls in $(echo "$foreign" | head -n 1)" >&2
    status=1
  fi
done
if [ "$count" -lt 20 ]; then
  echo "only $count headers found under $root/include" >&2
  status=1
fi
exit $status
