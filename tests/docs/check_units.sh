#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# check_units.sh ROOT BIN: what systemd says about the units; ends with 77 where there is none.
set -eu

command -v systemd-analyze >/dev/null || exit 77
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
for program in probekit-master probekit-agent; do
  sed "s|@bin@|$2|" "$1/examples/systemd/$program.service.in" >"$here/$program.service"
done
# A manual that is not installed yet is no fault.
systemd-analyze verify --man=no "$here"/*.service >"$here/said" 2>&1 || { cat "$here/said" >&2; exit 1; }
# Of other units it may say what it likes.
! grep probekit "$here/said" >&2
