#!/usr/bin/env bash
# Finds a Consul for the demo and the end-to-end tests and prints its path:
# $CONSUL_BIN, else the one on PATH, else the one that go.mod here pins, built
# once into .tools/ and built anew when the pin moves.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)

if [[ -n ${CONSUL_BIN:-} ]]; then
	if [[ ! -x $CONSUL_BIN ]]; then
		echo "CONSUL_BIN=$CONSUL_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$CONSUL_BIN"
elif command -v consul >/dev/null; then
	command -v consul
else
	"$here/../tools/build.sh" e2e/consul github.com/hashicorp/consul \
		"once; about 4 to 5 minutes on 2 cores, a binary of 126 MB"
fi
