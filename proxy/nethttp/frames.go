package nethttp

import "bytes"

// frameHead is the length of a frame's head (RFC 9113 section 4.1).
const frameHead = 9

// The types of frames (RFC 9113 section 6) and those of their flags that matter
// here.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	frameReset        = 0x3
	frameSettings     = 0x4
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindowUpdate = 0x8

	flagEndStream = 0x1 // of DATA
	flagAck       = 0x1 // of PING and SETTINGS
)

// frame is what a frame's head says.
type frame struct {
	length      uint32
	kind, flags byte
}

// frames finds the heads of frames in a stream of bytes, however it is cut. The
// zero value stands before the first frame.
type frames struct {
	head [frameHead]byte
	have uint8  // bytes of head that are known
	skip uint32 // bytes of the payload that are still to come
}

// next takes bytes up to the end of the next head, which it returns with the
// bytes behind it. It reports false when p has no such end.
func (s *frames) next(p []byte) (f frame, rest []byte, ok bool) {
	n := min(uint64(s.skip), uint64(len(p)))
	s.skip -= uint32(n) //nolint:gosec // it is no more than skip
	p = p[n:]
	got := copy(s.head[s.have:], p)
	s.have += uint8(got) //nolint:gosec // frameHead at most
	p = p[got:]
	if s.have < frameHead {
		return frame{}, p, false
	}
	h := &s.head
	f = frame{length: uint32(h[0])<<16 | uint32(h[1])<<8 | uint32(h[2]), kind: h[3], flags: h[4]}
	s.have, s.skip = 0, f.length
	return f, p, true
}

// between reports whether the last byte was a frame's last.
func (s *frames) between() bool { return s.have == 0 && s.skip == 0 }

// clientPreface is what a client's connection begins with (RFC 9113 section 3.4).
var clientPreface = []byte("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

// prefaced finds out whether a stream of bytes begins with the preface.
type prefaced struct {
	seen  int
	other bool // it does not
}

// skip returns p without what belongs to the preface, and whether that has been
// seen to its end.
func (s *prefaced) skip(p []byte) (rest []byte, ok bool) {
	if s.other || s.seen == len(clientPreface) {
		return p, !s.other
	}
	n := min(len(p), len(clientPreface)-s.seen)
	if !bytes.Equal(p[:n], clientPreface[s.seen:s.seen+n]) {
		s.other = true
		return nil, false
	}
	s.seen += n
	return p[n:], s.seen == len(clientPreface)
}
