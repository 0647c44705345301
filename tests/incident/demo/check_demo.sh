#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_demo.sh CASE ROOT PROGRAMS FOLDER: runs examples/demo.sh of ROOT with those programs.
#   complete     its own site: every kind of target has its result, in the words expected
#   file         a list of the user's: each line has a result or is named as rejected
#   interrupted  a signal amid the import ends all of it
#   refused      bad usage
# Whatever the case, the demo leaves neither files nor processes.
set -eu
case=$1
root=$2
programs=$3
folder=$4

fail() {
  echo "demo.sh, $case: $1" >&2
  cat "$folder/out" "$folder/err" >&2
  exit 1
}
# demo [FILE]: its exit code is in $code.
demo() {
  code=0
  env TMPDIR="$folder/tmp" PROBEKIT_BIN_DIR="$programs" \
    "$root/examples/demo.sh" "$@" >"$folder/out" 2>"$folder/err" || code=$?
}
expect_code() { [ "$code" -eq "$1" ] || fail "ended with $code, not $1"; }
expect() { grep -qxE "$2" "$folder/$1" || fail "no line '$2' in its $1"; }
# expect_failures KIND:COUNT...: these and no others.
expect_failures() {
  for failure in "$@"; do
    expect out "(failures)? +${failure#*:} ${failure%:*}"
  done
  lines=$(sed -n '/^failures/,/^agents/p' "$folder/out" | grep -vc '^agents')
  [ "$lines" -eq $# ] || fail "$lines kinds of failure, not $#"
}
nothing_left() {
  [ -z "$(ls -A "$folder/tmp")" ] || fail "left files: $(ls "$folder/tmp")"
  # nginx wipes its environment, but names its folder on its command line. The brackets keep grep
  # from finding itself.
  left=$(grep -lasz "$folder[/]tmp" /proc/[0-9]*/environ /proc/[0-9]*/cmdline || true)
  [ -z "$left" ] || fail "left processes: $left"
}
# start_hanging_page: a server that never answers; its address is in $hanging.
start_hanging_page() {
  perl "$root/examples/demo/hang.pl" >"$folder/port" &
  server=$!
  trap 'kill "$server"' EXIT
  until [ -s "$folder/port" ]; do sleep 0.05; done
  hanging=http://127.0.0.1:$(cat "$folder/port")
}

rm -rf "$folder"
mkdir -p "$folder/tmp"

case $case in
  complete)
    demo
    expect_code 0
    # As many tasks as its list has targets: every one done, and each page judged as it should be.
    expect err 'batch [^ ]+: accepted 214, rejected 0'
    expect out 'accepted   214 = done 214 \+ expired 0 \+ cancelled 0'
    expect out 'verdicts   passed 205, failed 9'
    expect_failures dns:2 connect:1 tls:1 timeout:1 protocol:1 assertion:2 denied:1
    expect out 'duration( +[0-9]+\.[0-9]{2}){4}'
    ;;
  file)
    start_hanging_page
    printf '\357\273\277# a list\r\nhttp://127.0.0.1:1/\r\n\nnonsense\n%s/\nhttp://localhost:1/' \
      "$hanging" >"$folder/list"
    demo "$folder/list"
    expect_code 0
    expect err '.*/list:4: .+'
    expect err 'batch [^ ]+: accepted 3, rejected 1'
    expect out 'accepted   3 = done 3 \+ expired 0 \+ cancelled 0'
    expect_failures connect:2 timeout:1
    ;;
  interrupted)
    start_hanging_page
    i=0
    while [ $i -lt 400 ]; do
      echo "$hanging/$i"
      i=$((i + 1))
    done >"$folder/list"
    env TMPDIR="$folder/tmp" PROBEKIT_BIN_DIR="$programs" \
      "$root/examples/demo.sh" "$folder/list" >"$folder/out" 2>"$folder/err" &
    demo=$!
    until grep -qs '^batch ' "$folder/err"; do
      kill -0 "$demo" || fail "ended early"
      sleep 0.05
    done
    kill -TERM "$demo"
    code=0
    wait "$demo" || code=$?
    expect_code 143
    ;;
  refused)
    demo "$folder/none"
    expect_code 2
    expect err "demo.sh: $folder/none: cannot be read"
    demo --no-such-flag
    expect_code 2
    expect err "demo.sh: there is no flag '--no-such-flag'"
    demo a b
    expect_code 2
    ;;
  *)
    fail "no such case"
    ;;
esac
nothing_left
