package limits

import "encoding/binary"

// AppendPart appends one part of a composite key to dst and returns the longer
// slice. It allocates nothing while dst has room.
//
// A part is encoded as its kind, the length of its value as a uvarint, and the
// value. No sequence of parts reads as another: ("ab", "c") differs from
// ("a", "bc"), and an address never equals a claim with the same bytes, if each
// source of values has a kind of its own. A kind of 0 is as good as any other.
func AppendPart(dst []byte, kind byte, value []byte) []byte {
	dst = append(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}

// AppendPartString is AppendPart for a value that is a string.
func AppendPartString(dst []byte, kind byte, value string) []byte {
	dst = append(dst, kind)
	dst = binary.AppendUvarint(dst, uint64(len(value)))
	return append(dst, value...)
}
