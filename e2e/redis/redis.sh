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
	"$(dirname "$0")/../programs/apt.sh" redis-server || {
		echo "no redis-server on PATH: install Redis 5 or later, or Valkey, or name one by REDIS_BIN" >&2
		exit 1
	}
	found
fi
