#!/bin/sh
# SPDX-FileCopyrightText: 2026 The probekit authors
# SPDX-License-Identifier: MIT
#
# examples/demo.sh [FILE]: installs what is missing, builds, starts a master behind nginx and two
# agents, imports FILE with progress and prints the summary. Exits 0 when every task has its result.
# FILE: one target a line, on the Internet or on loopback. Without it a small local site is probed,
# with good, slow, redirecting, failing, wrong-certificate and hanging pages and a name server, so
# that no network is needed.
# PROBEKIT_BUILD_DIR: where the build goes (default: build/ of this checkout).
# PROBEKIT_BIN_DIR: a folder of programs that are already built; then nothing is.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
list=${1:-}
case $list in
  -h | --help)
    sed -n '5,11s/^# //p' "$0"
    exit 0
    ;;
  -*)
    echo "demo.sh: there is no flag '$list'" >&2
    exit 2
    ;;
esac
if [ $# -gt 1 ]; then
  echo "demo.sh: takes one FILE at most" >&2
  exit 2
fi
if [ -n "$list" ] && [ ! -r "$list" ]; then
  echo "demo.sh: $list: cannot be read" >&2
  exit 2
fi

sh "$root/cmake/install_packages.sh" nginx-light nsd openssl perl ca-certificates

if [ -n "${PROBEKIT_BIN_DIR:-}" ]; then
  bin=$PROBEKIT_BIN_DIR
else
  sh "$root/cmake/install_packages.sh" \
    g++ cmake ninja-build pkg-config libasio-dev libwebsocketpp-dev rapidjson-dev \
    libcurl4-openssl-dev libssl-dev libc-ares-dev libmicrohttpd-dev libcli11-dev
  # A folder of its own: one that was configured by hand may be for another generator.
  build=${PROBEKIT_BUILD_DIR:-$root/build}/demo
  generator=
  [ -e "$build/CMakeCache.txt" ] || generator="-G Ninja"
  echo "building in $build" >&2
  mkdir -p "$build"
  # shellcheck disable=SC2086
  cmake -S "$root" --preset user -B "$build" $generator >"$build/configure.log" 2>&1 || {
    cat "$build/configure.log" >&2
    exit 1
  }
  cmake --build "$build" -j "$(nproc)" >&2
  bin=$build/examples
fi

folder=$(mktemp -d)
started=
cleanup() {
  status=$?
  trap - EXIT
  trap '' INT TERM
  # Newest first: the import, agents, servers, the master.
  for pid in $started; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  case $status in
    0 | 130 | 143) rm -rf "$folder" ;;
    *) echo "demo.sh: logs are in $folder" >&2 ;;
  esac
  exit "$status"
}
trap cleanup EXIT
trap 'printf "\ndemo.sh: interrupted\n" >&2; exit 130' INT
trap 'exit 143' TERM

# wait_for WHAT FILE PATTERN: until a line of FILE matches; prints the match's part after ": ".
wait_for() {
  tries=0
  until grep -q "$3" "$2" 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 200 ]; then
      echo "demo.sh: $1 did not start:" >&2
      cat "$folder"/*.log "$folder"/*.err >&2 2>/dev/null || true
      exit 1
    fi
    sleep 0.05
  done
  sed -n "s/^$3//p" "$2" | head -n 1
}
port_of() { echo "${1##*:}" | tr -dc '0-9'; }
free_port() {
  perl -MIO::Socket::INET -e \
    'print IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 0, Listen => 1)->sockport'
}
fill_in() {
  sed -e "s/@PROXY_PORT@/$proxy_port/; s/@AGENTS_PORT@/$agents_port/; s/@SITE_PORT@/$site_port/" \
    -e "s/@TLS_PORT@/$tls_port/; s/@DNS_PORT@/$dns_port/; s|@FOLDER@|$folder|" "$1"
}

"$bin/probekit-master" --agents 127.0.0.1:0 --api 127.0.0.1:0 \
  >"$folder/master.out" 2>"$folder/master.err" &
started="$! $started"
agents_url=$(wait_for master "$folder/master.out" 'agents: ')
api=$(wait_for master "$folder/master.out" 'api: ')
agents_port=$(port_of "${agents_url%/ws}")

proxy_port=$(free_port)
site_port=$(free_port)
tls_port=$(free_port)
dns_port=$(free_port)
fill_in "$root/examples/demo/nginx.conf.in" >"$folder/nginx.conf"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other.test \
  -addext subjectAltName=DNS:other.test -keyout "$folder/wrong.key" -out "$folder/wrong.pem" 2>/dev/null
head -c 20000 /dev/zero | tr '\0' 'x' >"$folder/slow"
chmod 755 "$folder"
/usr/sbin/nginx -p "$folder" -c "$folder/nginx.conf" 2>"$folder/nginx.err" &
started="$! $started"
wait_for nginx "$folder/nginx.pid" '[0-9]' >/dev/null

name_server=
if [ -z "$list" ]; then
  fill_in "$root/examples/demo/nsd.conf.in" >"$folder/nsd.conf"
  cp "$root/examples/demo/demo.test.zone" "$folder/"
  /usr/sbin/nsd -d -c "$folder/nsd.conf" 2>"$folder/nsd.err" &
  started="$! $started"
  perl "$root/examples/demo/hang.pl" >"$folder/hang.out" &
  started="$! $started"
  wait_for 'name server' "$folder/nsd.log" '.*nsd started' >/dev/null
  wait_for 'hanging page' "$folder/hang.out" '[0-9]' >/dev/null
  hang_port=$(cat "$folder/hang.out")
  name_server="--dns-server 127.0.0.1:$dns_port"

  site=http://www.demo.test:$site_port
  list=$folder/targets.txt
  {
    echo "# a good site, many times"
    i=0
    while [ $i -lt 200 ]; do
      echo "$site/page/$i"
      i=$((i + 1))
    done
    echo "# pages with something to say"
    echo "$site/slow"
    echo "$site/moved"
    echo "$site/circle"
    echo "$site/broken"
    echo "$site/missing"
    echo "https://www.demo.test:$tls_port/"
    echo "http://127.0.0.1:$hang_port/hangs"
    echo "http://127.0.0.1:1/refused"
    echo "http://nowhere.demo.test/"
    echo "http://192.0.2.1/denied"
    echo "# names"
    echo "dns:www.demo.test"
    echo "dns:demo.test/MX"
    echo "dns:demo.test/TXT"
    echo "dns:nowhere.demo.test"
  } >"$list"
fi

for agent in demo-1 demo-2; do
  # shellcheck disable=SC2086
  "$bin/probekit-agent" --master "ws://127.0.0.1:$proxy_port/ws" --name "$agent" \
    --allow 127.0.0.0/8 --allow ::1/128 $name_server \
    >"$folder/$agent.out" 2>"$folder/$agent.err" &
  started="$! $started"
done
for agent in demo-1 demo-2; do
  wait_for "agent $agent" "$folder/$agent.out" 'connected: ' >/dev/null
done

if [ -n "$name_server" ]; then
  echo "a master, nginx, two agents and a site with its own name server are up" >&2
else
  echo "a master, nginx and two agents are up" >&2
fi
echo "importing $list" >&2
# Waited for, not run in front: a signal to this script alone then ends the import too.
"$bin/probekit-import" "$list" --api "$api" --name demo --timeout 3s --cancel-on-interrupt &
import=$!
started="$import $started"
wait "$import"
