#!/usr/bin/env bash
# Finds Chromium for the tests of the dashboard and prints its path:
# $CHROMIUM_BIN, else one on PATH, else the one that apt-get installs, which takes
# root, or sudo without a password.
set -euo pipefail

if [[ -n ${CHROMIUM_BIN:-} ]]; then
	if [[ ! -x $CHROMIUM_BIN ]]; then
		echo "CHROMIUM_BIN=$CHROMIUM_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$CHROMIUM_BIN"
	exit
fi
for name in chromium chromium-browser google-chrome-stable google-chrome; do
	if command -v "$name"; then
		exit
	fi
done
"$(dirname "$0")/../programs/apt.sh" chromium || {
	echo "no chromium on PATH: install it, or name one by CHROMIUM_BIN" >&2
	exit 1
}
command -v chromium
