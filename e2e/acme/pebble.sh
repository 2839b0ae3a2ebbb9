#!/usr/bin/env bash
# Finds the ACME server of the end-to-end tests and prints its path: $PEBBLE_BIN,
# else the one that go.mod here pins, built once into .tools/ and built anew when
# the pin moves.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

if [[ -n ${PEBBLE_BIN:-} ]]; then
	if [[ ! -x $PEBBLE_BIN ]]; then
		echo "PEBBLE_BIN=$PEBBLE_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$PEBBLE_BIN"
else
	"$here/../tools/build.sh" e2e/acme github.com/letsencrypt/pebble/v2/cmd/pebble "once; a quarter of a minute on 2 cores"
fi
