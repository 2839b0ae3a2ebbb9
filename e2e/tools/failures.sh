#!/usr/bin/env bash
# failures.sh LOG: says last what failed in a run of the tests, and the tests' own
# words about it, for they are far up among what the programs printed.
set -euo pipefail
echo
echo "What failed (all of it is in $1):"
grep -E -- '^ *--- FAIL|^FAIL|^panic:|^fatal error:|^WARNING: DATA RACE|^ +[a-z0-9_]+_test\.go:[0-9]+: ' "$1" | cut -c 1-600
