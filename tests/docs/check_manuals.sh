#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_manuals.sh ROOT BIN: manual pages are well formed, and hold the flags that --help shows:
# all of them and no other.
set -u

root=$1
bin=$2
faults=0
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT

for program in probekit-master probekit-agent probekit-probe probekit-import; do
  page=$root/examples/man/$program.1
  "$bin/$program" --help | grep -oE '^  --[a-z-]+|, --[a-z-]+$' | grep -oE -- '--[a-z-]+' | sort -u >"$here/help"
  grep -E '^\.It Fl ' "$page" | grep -oE ' Fl -[a-z-]+| , Fl -[a-z-]+' | sed 's/.*Fl -/--/' | sort -u >"$here/page"
  [ -s "$here/help" ] || { echo "$program: --help shows no flag" >&2; faults=1; }
  for flag in $(comm -23 "$here/help" "$here/page"); do
    echo "$page: $flag of --help is not there" >&2
    faults=1
  done
  for flag in $(comm -13 "$here/help" "$here/page"); do
    # What the program knows and refuses by name is not shown.
    if "$bin/$program" "$flag" 2>&1 </dev/null | grep -q 'there is no flag'; then
      echo "$page: there is no $flag" >&2
      faults=1
    fi
  done
  if command -v mandoc >/dev/null; then
    mandoc -Tlint -Wwarning "$page" >&2 || faults=1
  fi
  if command -v groff >/dev/null; then
    said=$(groff -mandoc -ww -Tutf8 -z "$page" 2>&1)
    [ -z "$said" ] || { echo "$said" >&2; faults=1; }
  fi
done
exit $faults
