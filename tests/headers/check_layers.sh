#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_layers.sh ROOT: the arrows of docs/architecture.md hold, and each third-party library, clock
# and sleep is where it belongs.
set -eu
cd "$1"
status=0
complain() {
  [ -z "$2" ] || {
    echo "$1:" >&2
    echo "$2" >&2
    status=1
  }
}

# A layer includes itself and the layers before it.
before=""
for layer in base json probe resolver probers protocol store dispatch transport master agent api testing; do
  before="$before|$layer"
  allowed=${before#|}
  complain "src/$layer includes a layer that comes after it" \
    "$(grep -rnE '#include "[a-z_]+/' "src/$layer" --include='*.cpp' --include='*.hpp' |
      grep -vE "#include \"(probekit|$allowed)/" || true)"
done
complain "a folder of src/ has no place among the layers" \
  "$(find src -mindepth 1 -maxdepth 1 -type d -printf '%f\n' | grep -vxE "${before#|}" || true)"

# A file that includes a third-party header says so in its name.
named() {
  complain "<$1> outside files named for it" \
    "$(grep -rlE "#include <($1)" src include examples tests --include='*.cpp' --include='*.hpp' |
      grep -vE "_($2)(_test|_fuzz)?\.(c|h)pp$" | grep -vE "$3" || true)"
}
named 'asio[./]' 'asio|websocketpp|openssl' '^tests/consumer/host/'
named 'websocketpp/' 'websocketpp' '^$'
named 'rapidjson/' 'rapidjson|websocketpp' '^tests/consumer/host/'
named 'curl/' 'curl' '^$'
named 'ares' 'cares' '^$'
named 'microhttpd' 'microhttpd' '^$'
named 'openssl/' 'openssl|curl' '^$'
named 'CLI/' 'cli11' '^$'
named 'sqlite3' 'sqlite' '^$'
complain "Catch2 outside tests/support" \
  "$(grep -rlE '#include <catch2/' src include examples tests --include='*.cpp' --include='*.hpp' |
    grep -v '^tests/support/catch' || true)"

complain "a clock read outside src/base/clock.cpp" \
  "$(grep -rnE '(steady|system|high_resolution)_clock::now' src include --include='*.cpp' --include='*.hpp' |
    grep -v '^src/base/clock.cpp' || true)"
complain "std::random_device" "$(grep -rnE '^[^/]*std::random_device' src include examples || true)"
complain "sleeping in tests" \
  "$(grep -rnE 'sleep_for|sleep_until|usleep|nanosleep|[^_a-z]sleep\(' tests --include='*.cpp' --include='*.hpp' || true)"
complain "a file without its licence" \
  "$(find src include examples tests -name '*.cpp' -o -name '*.hpp' -o -name 'CMakeLists.txt' -o -name '*.sh' |
    grep -vE '^(src|include|examples|tests)/.*/build/' | xargs grep -L 'SPDX-License-Identifier: MIT' || true)"
exit $status
