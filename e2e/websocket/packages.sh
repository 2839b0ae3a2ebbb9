#!/usr/bin/env bash
# Installs the implementations of WebSocket that are tried, by apt-get, which takes
# root, or sudo without a password: ws for Node and websockets for Python. Prints
# nothing when they are there.
set -euo pipefail

# Debian's Python and Node's modules, whatever else is on PATH.
if NODE_PATH=/usr/share/nodejs node -e 'require("ws")' 2>/dev/null && /usr/bin/python3 -c 'import websockets' 2>/dev/null; then
	exit
fi
"$(dirname "$0")/../programs/apt.sh" nodejs node-ws python3-websockets || {
	echo "ws for Node or websockets for Python is missing: install Debian's node-ws and python3-websockets" >&2
	exit 1
}
