#!/usr/bin/env bash
# Finds Prometheus for the test of the dashboard and the alerts and prints its
# path: $PROMETHEUS_BIN, else the one on PATH, else the one that apt-get installs,
# which takes root, or sudo without a password. promtool lies beside it. Nothing
# is left running.
set -euo pipefail

if [[ -n ${PROMETHEUS_BIN:-} ]]; then
	if [[ ! -x $PROMETHEUS_BIN ]]; then
		echo "PROMETHEUS_BIN=$PROMETHEUS_BIN is not an executable file" >&2
		exit 1
	fi
	echo "$PROMETHEUS_BIN"
elif ! command -v prometheus; then
	as_root=()
	if [[ $(id -u) != 0 ]]; then
		as_root=(sudo -n)
	fi
	if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true; then
		echo "no prometheus on PATH: install it, or name one by PROMETHEUS_BIN" >&2
		exit 1
	fi
	echo "installing prometheus by apt-get" >&2
	# The package would start a service, which nobody here asked for: without a
	# runlevel its scripts don't.
	{
		"${as_root[@]}" apt-get update -qq
		"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends prometheus
	} >&2
	command -v prometheus
fi
