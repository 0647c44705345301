#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# install_packages.sh PACKAGE...: installs those of these Debian packages that are missing. Asks for
# root's rights only when something is missing.
set -eu

missing=
for package in "$@"; do
  if [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]; then
    missing="$missing $package"
  fi
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null || {
    echo "install as root:$missing" >&2
    exit 1
  }
  as_root=sudo
fi
echo "installing:$missing" >&2
$as_root apt-get update -qq
# Servers that come with a package are ours to start, not the package's: a policy that forbids it
# while installing keeps ports free and machines without an init system quiet.
policy=/usr/sbin/policy-rc.d
made_policy=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
  $as_root chmod 755 "$policy"
  made_policy=yes
fi
status=0
# shellcheck disable=SC2086
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
  $missing >/dev/null || status=$?
[ -z "$made_policy" ] || $as_root rm -f "$policy"
exit "$status"
