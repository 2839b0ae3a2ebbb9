#!/usr/bin/env bash
# Installs Debian packages by apt-get, as root or by sudo without a password, and has
# none of their services start. It fails at once where it may not, and prints nothing to
# standard output.
#
#   apt.sh PACKAGE...
#
# A machine that has just started often looks for updates itself, and mirrors fail now
# and then: it waits for who installs already, and tries again.
set -euo pipefail

as_root=()
if [[ $(id -u) != 0 ]]; then
	as_root=(sudo -n)
fi
if ! command -v apt-get >/dev/null || ! "${as_root[@]}" true; then
	exit 1
fi
exec >&2
echo "installing $* by apt-get"

exec 9<"$0"
flock 9 || true # one of these at a time, where that can be had
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
	trap '"${as_root[@]}" rm -f "$policy"' EXIT
	printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
	"${as_root[@]}" chmod 755 "$policy"
fi
apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
for pause in 5 15 30 0; do
	"${apt[@]}" update || true # what was listed before may do
	if "${apt[@]}" install -y --no-install-recommends "$@" 9<&-; then
		exit
	fi
	sleep "$pause"
	"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive dpkg --configure -a 9<&- || true # after one that was broken off
done
exit 1
