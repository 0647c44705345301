#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# pkg_config.sh COMPILER PREFIX LIBDIR FOLDER: builds and runs the consumer with flags of probekit.pc.
set -eu
here=$(dirname -- "$0")
export PKG_CONFIG_PATH="$2/$3/pkgconfig"
# shellcheck disable=SC2046
"$1" -std=c++17 -Wall -Wextra -Werror "$here/main.cpp" -o "$4/pkg_config_consumer" \
  $(pkg-config --cflags --libs probekit)
"$4/pkg_config_consumer"
