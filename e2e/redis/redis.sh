#!/usr/bin/env bash
# Finds a Redis (5 or later) or Valkey for the tests of shared limits and prints
# its path: $REDIS_BIN, else a server on PATH, else the one that the system's
# package manager installs, which takes root. Nothing is left running.
set -euo pipefail

found() { command -v redis-server || command -v valkey-server; }

if [[ -n ${REDIS_BIN:-} ]]; then
	if [[ ! -x $REDIS_BIN ]]; then
		echo "REDIS_BIN=$REDIS_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$REDIS_BIN"
elif ! found; then
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		echo "no redis-server on PATH: install Redis 5 or later, or Valkey, or name one by REDIS_BIN" >&2
		exit 1
	fi
	echo "installing redis-server by apt-get" >&2
	# The package would start a service, which nobody here asked for.
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	{
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server
	} >&2
	found
fi
