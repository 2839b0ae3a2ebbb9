#!/usr/bin/env bash
# Builds one pinned Go tool into .tools/ and prints the path of its binary.
#
#   build.sh MODULE_DIR PACKAGE [NOTE]
#
# MODULE_DIR holds the go.mod that pins PACKAGE. A binary that was built from
# the pinned version by the Go in use is kept; anything else is built anew, under
# a temporary name first, so that an interrupted build leaves nothing half done.
# Only the path goes to standard output.
set -euo pipefail

module_dir=$1
package=$2
note=${3:-}

root=$(cd "$(dirname "$0")/../.." && pwd)
name=$(basename "$package")
binary=$root/.tools/$name

# again repeats what the network may fail.
again() {
	local pause
	for pause in 2 10 0; do
		"$@" && return
		sleep "$pause"
	done
	return 1
}

cd "$root/$module_dir"
module=$(again go list -mod=readonly -f '{{.Module.Path}}' "$package")
version=$(go list -mod=readonly -f '{{.Module.Version}}' "$package")
go=$(go env GOVERSION)

# current says whether the binary is of the pinned version and of this Go.
current() {
	local built
	built=$(go version -m "$binary" 2>/dev/null) || return 1
	[[ $built == *": $go"* ]] || return 1
	awk -v m="$module" -v v="$version" '$1 == "mod" && $2 == m && $3 == v {found = 1} END {exit !found}' <<<"$built"
}

if ! current; then
	echo "building $name $version${note:+ ($note)}" >&2
	mkdir -p "$root/.tools"
	temporary=$(mktemp "$root/.tools/.$name.XXXXXX")
	trap 'rm -f "$temporary"' EXIT
	start=$SECONDS
	CGO_ENABLED=0 again go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$temporary" "$package" >&2
	chmod 755 "$temporary"
	mv -f "$temporary" "$binary"
	echo "built $name in $((SECONDS - start)) s" >&2
fi
echo "$binary"
