# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# Completes the flags of all probekit programs; they are asked for them, so none is missing here.

_probekit() {
  local word=$2 before=$3 words=
  COMPREPLY=()
  case $before in
    --log-level) words='trace debug info warn error' ;;
    --log-format) words='text json' ;;
    --priority) words='high normal low' ;;
    --kind) words='http dns' ;;
    --store) words='memory sqlite:' ;;
    --agents)
      # A selector in one program, an address in another.
      [[ ${1##*/} == probekit-import ]] && words='any all tag: name:'
      ;;
    --config | --out | --*-file)
      mapfile -t COMPREPLY < <(compgen -f -- "$word")
      compopt -o filenames 2>/dev/null
      return
      ;;
    *)
      if [[ $word == -* ]]; then
        words=$("$1" --help 2>/dev/null | grep -oE '(^ +| )--[a-z][a-z-]*' | tr -d ' ' | sort -u)
      elif [[ ${1##*/} == probekit-import ]] &&
        ! "$1" --help 2>/dev/null | grep -qE -- "^  $before [A-Z]"; then
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        compopt -o filenames 2>/dev/null
        return
      fi
      ;;
  esac
  [[ -n $words ]] && mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}

complete -F _probekit probekit-master probekit-agent probekit-probe probekit-import
