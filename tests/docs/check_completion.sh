#!/bin/bash
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_completion.sh ROOT BIN: asks for completions as a shell does, and compares.
set -u

root=$1
PATH=$2:$PATH
faults=0
# shellcheck source=/dev/null
source "$root/examples/completion/probekit.bash"

# complete PROGRAM BEFORE WORD EXPECTED: the answers, sorted, on one line.
expect() {
  COMPREPLY=()
  _probekit "$1" "$3" "$2"
  local got
  got=$(printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ')
  if [[ ${got% } != "$4" ]]; then
    echo "$1 $2 $3<TAB>: '${got% }', not '$4'" >&2
    faults=1
  fi
}

for program in probekit-master probekit-agent probekit-probe probekit-import; do
  [[ $(complete -p "$program") == *"-F _probekit $program" ]] || { echo "$program: none" >&2; faults=1; }
  expect $program $program --log- '--log-format --log-level'
  expect $program --log-format '' 'json text'
  # Every flag of the help is offered.
  COMPREPLY=()
  _probekit $program -- $program
  for flag in $($program --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p'); do
    [[ " ${COMPREPLY[*]} " == *" $flag "* ]] || { echo "$program: no $flag" >&2; faults=1; }
  done
done
expect probekit-import probekit-import --pri --priority
expect probekit-import --priority n normal
expect probekit-import --agents a 'all any'
expect probekit-master --agents a ''
expect probekit-import --name x ''
cd "$root/docs" || exit 1
expect probekit-import --out change changelog.md
expect probekit-import probekit-import change changelog.md
expect probekit-master --api-token-file change changelog.md
exit $faults
