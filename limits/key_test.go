package limits

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"
)

type part struct {
	kind  byte
	value string
}

func encode(parts ...part) []byte {
	var key []byte
	for _, p := range parts {
		key = AppendPart(key, p.kind, []byte(p.value))
	}
	return key
}

func TestKeysAreUnambiguous(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 300))
	seen := map[string]string{}
	for _, parts := range [][]part{
		{},
		{{'a', ""}},
		{{'a', ""}, {'a', ""}},
		{{'a', "ab"}, {'a', "c"}},
		{{'a', "a"}, {'a', "bc"}},
		{{'a', "abc"}},
		{{'b', "abc"}},
		{{'a', "ab\x00c"}},
		{{'a', "a\x02bc"}},
		{{'a', "a"}, {2, "bc"}},
		{{0, ""}},
		{{0, "\x00"}},
		{{0, ""}, {0, ""}},
		{{'a', long}},
		{{'a', long[:299]}, {'x', ""}},
		{{'a', string(encode(part{'a', "a"}))}},
	} {
		key := string(encode(parts...))
		if other, ok := seen[key]; ok {
			t.Errorf("%v and %s have the same key", parts, other)
		}
		seen[key] = fmt.Sprint(parts)
	}
}

// decode undoes encode, which shows that nothing is lost.
func decode(key []byte) ([]part, bool) {
	var parts []part
	for len(key) > 0 {
		n, size := binary.Uvarint(key[1:])
		if size <= 0 || uint64(len(key)-1-size) < n {
			return nil, false
		}
		value := key[1+size:][:n]
		parts = append(parts, part{key[0], string(value)})
		key = key[1+size+len(value):]
	}
	return parts, true
}

func FuzzAppendPart(f *testing.F) {
	f.Add(byte(0), []byte(""), byte(1), []byte("a"))
	f.Add(byte('i'), []byte{10, 0, 0, 1}, byte('c'), []byte("alice"))
	f.Fuzz(func(t *testing.T, k1 byte, v1 []byte, k2 byte, v2 []byte) {
		key := AppendPart(AppendPart(nil, k1, v1), k2, v2)
		parts, ok := decode(key)
		if !ok || len(parts) != 2 || parts[0] != (part{k1, string(v1)}) || parts[1] != (part{k2, string(v2)}) {
			t.Fatalf("%x decodes to %q", key, parts)
		}
		if other := AppendPartString(AppendPartString(nil, k1, string(v1)), k2, string(v2)); !bytes.Equal(other, key) {
			t.Fatalf("of strings %x, of bytes %x", other, key)
		}
	})
}

func TestAppendPartAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 64)
	value := []byte("value")
	if n := testing.AllocsPerRun(100, func() {
		key := AppendPart(buf[:0], 'a', value)
		key = AppendPartString(key, 'b', "value")
		if len(key) != 14 {
			t.Errorf("%d bytes", len(key))
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
