package http1

import "testing"

func TestRecordsAreFollowed(t *testing.T) {
	stream := []byte{23, 3, 3, 0, 2, 'a', 'b', 21, 3, 3, 0, 0, 22, 3, 3, 1, 0}
	stream = append(stream, make([]byte, 256)...)
	ends := map[int]bool{0: true, 7: true, 12: true, len(stream): true}
	for size := 1; size <= len(stream); size++ {
		var r records
		for at := 0; at < len(stream); {
			n := min(size, len(stream)-at)
			r.pass(stream[at : at+n])
			if at += n; r.whole() != ends[at] {
				t.Fatalf("in pieces of %d: whole is %v after %d bytes", size, r.whole(), at)
			}
		}
	}
}
