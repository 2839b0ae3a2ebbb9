package proxy

import "unsafe"

// stringBytes lends a string's bytes for reading, without a copy. Nobody may
// write to them.
func stringBytes(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // read-only by contract
}

// lendString lends bytes as a string for the length of a call that does not
// keep it, without a copy. The bytes must not change meanwhile.
func lendString(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // read-only by contract
}
