#!/usr/bin/env bash
# Finds a program that the end-to-end tests put before or behind the gateway, and
# prints its path: the one on PATH, else the one of a Debian package, which takes
# root to install. Nothing is left running.
#
#   find.sh PROGRAM PACKAGE
set -euo pipefail

program=$1
package=$2
# Servers are not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

if ! command -v "$program"; then
	if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
		echo "no $program on PATH: install it (Debian's package is $package)" >&2
		exit 1
	fi
	echo "installing $package by apt-get" >&2
	# The package may start a service, which nobody here asked for.
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e $policy ]]; then
		trap 'rm -f "$policy"' EXIT
		printf '#!/bin/sh\nexit 101\n' >"$policy"
		chmod +x "$policy"
	fi
	{
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"
	} >&2
	command -v "$program"
fi
