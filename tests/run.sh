#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# tests/run.sh [dev|fast|asan|tsan|clang|fuzz [SECONDS]|all]...: installs what the tests need, builds, runs them.
#   dev    everything, the default
#   fast   dev without long scenarios, faults, consumers and benchmarks
#   asan   what runs our code, under AddressSanitizer and UndefinedBehaviorSanitizer, but for faults
#          with bounds in time and what takes its own descriptors away
#   tsan   what has threads, under ThreadSanitizer
#   clang  builds by Clang, warnings as errors
#   fuzz   each harness of tests/fuzz by libFuzzer for SECONDS (300), two at a time
#   all    dev, asan, tsan
# PROBEKIT_BUILD_DIR: where builds go (default: build/ of this checkout).
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
builds=${PROBEKIT_BUILD_DIR:-$root/build}

sh "$root/cmake/install_packages.sh" \
  g++ cmake ninja-build pkg-config ccache libasio-dev libwebsocketpp-dev rapidjson-dev \
  libcurl4-openssl-dev libssl-dev libc-ares-dev libmicrohttpd-dev libsqlite3-dev libcli11-dev catch2 \
  clang-format mandoc groff-base nginx-light nsd openssl curl perl procps iproute2 nftables faketime \
  ca-certificates binutils \
  prometheus prometheus-blackbox-exporter chromium chromium-driver

if command -v ccache >/dev/null; then
  # Another checkout of the same sources finds what this one compiled.
  export CMAKE_CXX_COMPILER_LAUNCHER=ccache CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1
fi

build() {
  preset=$1
  shift
  echo "== $preset: build" >&2
  # A folder that was configured by hand keeps its generator.
  generator=
  [ -e "$builds/$preset/CMakeCache.txt" ] || generator='-G Ninja'
  # shellcheck disable=SC2086
  cmake -S "$root" --preset "$preset" -B "$builds/$preset" $generator >"$builds/$preset.configure.log" 2>&1 || {
    cat "$builds/$preset.configure.log" >&2
    return 1
  }
  cmake --build "$builds/$preset" -j "$(nproc)" ${1:+--target "$@"}
}

run() {
  preset=$1
  shift
  echo "== $preset: test" >&2
  ctest --test-dir "$builds/$preset" --output-on-failure --no-tests=error "$@"
}

mkdir -p "$builds"
[ $# -gt 0 ] || set -- dev
for preset in "$@"; do
  [ "$preset" != all ] || { set -- dev asan tsan; break; }
done
while [ $# -gt 0 ]; do
  preset=$1
  shift
  case $preset in
    dev)
      build dev
      run dev -j 2 -LE 'incident|faults|consumer|benchmark'
      run dev -j 4 -L idle -LE timing
      # What has bounds in time gets more of the machine; what measures it, or uses the whole, all.
      run dev -j 2 -L timing-idle
      run dev -j 1 -L 'incident|faults|consumer|benchmark' -LE idle
      ;;
    fast)
      # What needs neither long scenarios nor other builds.
      build dev
      run dev -j 2 -LE 'incident|faults|consumer|benchmark'
      ;;
    asan)
      build asan
      # A small quarantine, so that tests of memory bounds measure us. Three tests run out of
      # descriptors, which UBSan needs to look at types.
      export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=1 UBSAN_OPTIONS=print_stacktrace=1
      run asan -j 2 -LE 'incident|faults|consumer|benchmark' -E 'without descriptors'
      run asan -j 4 -L idle -LE timing
      run asan -j 1 -L 'incident|faults' -LE 'idle|timing'
      ;;
    tsan)
      build tsan probekit_unit_tests probekit_contract_tests probekit_loopback_tests \
        probekit_stress_tests
      TSAN_OPTIONS=halt_on_error=1 run tsan -j 2 -L 'unit|contract|loopback|stress'
      ;;
    clang)
      sh "$root/cmake/install_packages.sh" clang
      build clang
      ;;
    fuzz)
      sh "$root/cmake/install_packages.sh" clang libclang-rt-14-dev
      seconds=300
      case ${1:-} in
        [0-9]*)
          seconds=$1
          shift
          ;;
      esac
      build fuzz probekit_fuzz
      sh "$root/tests/fuzz/run.sh" "$builds/fuzz" "$seconds"
      ;;
    *)
      echo "run.sh: '$preset' is not one of dev, fast, asan, tsan, clang, fuzz, all" >&2
      exit 2
      ;;
  esac
done
