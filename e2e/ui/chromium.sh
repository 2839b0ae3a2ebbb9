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
as_root=()
if [[ $(id -u) != 0 ]]; then
	as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true; then
	echo "no chromium on PATH: install it, or name one by CHROMIUM_BIN" >&2
	exit 1
fi
echo "installing chromium by apt-get" >&2
{
	"${as_root[@]}" apt-get update -qq
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium
} >&2
command -v chromium
