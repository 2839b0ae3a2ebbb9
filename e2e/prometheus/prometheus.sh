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
	"$(dirname "$0")/../programs/apt.sh" prometheus || {
		echo "no prometheus on PATH: install it, or name one by PROMETHEUS_BIN" >&2
		exit 1
	}
	command -v prometheus
fi
