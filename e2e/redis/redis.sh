#!/usr/bin/env bash
# Finds a Redis (5 or later) or Valkey for the tests of shared limits and prints
# its path: $REDIS_BIN, else a server on PATH, else the one that apt-get installs,
# which takes root, or sudo without a password. Nothing is left running.
set -euo pipefail

found() { command -v redis-server || command -v valkey-server; }

if [[ -n ${REDIS_BIN:-} ]]; then
	if [[ ! -x $REDIS_BIN ]]; then
		echo "REDIS_BIN=$REDIS_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$REDIS_BIN"
elif ! found; then
	as_root=()
	if [[ $(id -u) != 0 ]]; then
		as_root=(sudo -n)
	fi
	if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true; then
		echo "no redis-server on PATH: install Redis 5 or later, or Valkey, or name one by REDIS_BIN" >&2
		exit 1
	fi
	echo "installing redis-server by apt-get" >&2
	# The package would start a service, which nobody here asked for: without a
	# runlevel its scripts don't.
	{
		"${as_root[@]}" apt-get update -qq
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq redis-server
	} >&2
	found
fi
