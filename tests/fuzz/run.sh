#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# tests/fuzz/run.sh BUILD_DIR [SECONDS [TARGET...]]: runs each harness of a build with
# PROBEKIT_FUZZ for so long (300), two at a time, and prints a line a target. What was found stays in
# BUILD_DIR/fuzz/<target>/new, for the next run too; merged/ beside it is the smallest set that
# reaches as much. `tests/run.sh fuzz [SECONDS]` builds first.
# Fails when a harness did; the input that did it stays in BUILD_DIR/fuzz/<target>/.
# FUZZ_JOBS: how many run at once (2). FUZZ_PREFIX: what runs each, such as "nice -n 10".
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
build=$1
seconds=${2:-300}
[ $# -lt 2 ] || shift
shift
work=$build/fuzz
mkdir -p "$work"
work=$(CDPATH='' cd -- "$work" && pwd)
# An address sanitizer's quarantine costs time and finds little in what lives so short.
export ASAN_OPTIONS=detect_leaks=1:quarantine_size_mb=16 UBSAN_OPTIONS=print_stacktrace=1

if [ $# -eq 0 ]; then
  for binary in "$build"/tests/fuzz/probekit_fuzz_*; do
    [ ! -x "$binary" ] || set -- "$@" "${binary##*/probekit_fuzz_}"
  done
fi
[ $# -gt 0 ] || {
  echo "run.sh: no harness in $build" >&2
  exit 2
}

fuzz_one() {
  target=$1
  binary=$build/tests/fuzz/probekit_fuzz_$target
  found=$work/$target
  corpus=$here/corpus/$target
  mkdir -p "$found/new"
  dictionary=$here/dictionaries/$target.dict
  [ -f "$dictionary" ] && dictionary=-dict=$dictionary || dictionary=
  # shellcheck disable=SC2086
  ${FUZZ_PREFIX:-} "$binary" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$found/" $dictionary "$found/new" "$corpus" \
    >"$found/log" 2>&1 || {
    echo "$target: FAILED, see $found/log; the input is"
    ls "$found"/crash-* "$found"/leak-* "$found"/timeout-* "$found"/oom-* 2>/dev/null
    return 1
  }
  # The smallest inputs that reach what these and the corpus do, of which a person takes what is
  # worth keeping.
  rm -rf "$found/merged"
  mkdir "$found/merged"
  ${FUZZ_PREFIX:-} "$binary" -merge=1 -use_counters=0 -max_len=1024 "$found/merged" "$corpus" \
    "$found/new" >"$found/merge.log" 2>&1 || {
    echo "$target: merging FAILED, see $found/merge.log"
    return 1
  }
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$found/log")
  tail=$(grep -E '^#[0-9]+[[:space:]]+DONE' "$found/log" | sed 's/.*cov: \([0-9]*\) ft: \([0-9]*\).*/cov \1 ft \2/')
  echo "$target: $runs runs in ${seconds}s, $tail, merged $(find "$found/merged" -type f | wc -l)"
}

status=0
jobs=${FUZZ_JOBS:-2}
while [ $# -gt 0 ]; do
  pids=
  count=0
  while [ $# -gt 0 ] && [ "$count" -lt "$jobs" ]; do
    fuzz_one "$1" &
    pids="$pids $!"
    count=$((count + 1))
    shift
  done
  for pid in $pids; do wait "$pid" || status=1; done
done
exit $status
