#!/usr/bin/env bash
# Finds a program that the end-to-end tests put before or behind the gateway, and
# prints its path: the one on PATH, else the one of a Debian package, which takes
# root to install, or sudo without a password. Nothing is left running.
#
#   find.sh PROGRAM PACKAGE
set -euo pipefail

program=$1
package=$2
# Servers are not on everybody's PATH.
PATH=$PATH:/usr/sbin:/sbin

if ! command -v "$program"; then
	"$(dirname "$0")/apt.sh" "$package" || {
		echo "no $program on PATH: install it (Debian's package is $package)" >&2
		exit 1
	}
	command -v "$program"
fi
