#!/usr/bin/env bash
# Builds the program twice, from copies of the source in two folders and with nothing
# kept from an earlier build, and wants the same bytes. VERSION stamps both.
set -euo pipefail
source=$(cd "$(dirname "$0")/.." && pwd)
scratch=$(mktemp -d)
trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
for name in one another/place; do
	mkdir -p "$scratch/$name"
	git -C "$source" archive HEAD | tar -x -C "$scratch/$name"
	make -s -C "$scratch/$name" build VERSION="${VERSION:-dev}" GOCACHE="$scratch/cache-${name%/*}" >&2
	sha256sum <"$scratch/$name/bin/lictor"
done | tee /dev/stderr | sort -u | wc -l | grep -qx 1
