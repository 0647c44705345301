# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# Sourced with $root set: the machine and the commit that a generated part of a page is of, and how
# it gets there.

# shellcheck disable=SC2034,SC2154
machine="$(nproc) cores ($(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)), $(
  awk '/MemTotal/ { printf "%.0f GiB", $2 / 1048576 }' /proc/meminfo), Linux $(uname -r), $(
  nginx -v 2>&1 | sed 's/.*: //')"
commit=$(git -C "$root" rev-parse --short=12 HEAD)
[ -z "$(git -C "$root" status --porcelain -- src include examples tests)" ] ||
  commit="$commit, with changes"

# replace_generated PAGE NAME FILE: what stands between <!-- NAME: begin --> and <!-- NAME: end -->
# becomes what FILE holds.
replace_generated() {
  awk -v name="$2" -v file="$3" '
    index($0, "<!-- " name ": end") == 1 { inside = 0 }
    !inside { print }
    index($0, "<!-- " name ": begin") == 1 {
      inside = 1
      print ""
      while ((getline row < file) > 0) print row
      print ""
    }' "$1" >"$1.new"
  cat "$1.new" >"$1"
  rm -f "$1.new"
}
