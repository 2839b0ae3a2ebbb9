package nethttp

import (
	"bytes"
	"testing"
	"time"
)

// The heads are found however the bytes are cut.
func TestFrames(t *testing.T) {
	want := []frame{{0, frameSettings, 0}, {5, frameData, flagEndStream}, {300, 0xfa, 7}, {8, framePing, flagAck}}
	var stream []byte
	for _, f := range want {
		stream = append(stream, byte(f.length>>16), byte(f.length>>8), byte(f.length), f.kind, f.flags, 0, 0, 0, 1)
		stream = append(stream, bytes.Repeat([]byte{0xff}, int(f.length))...)
	}
	for cut := 1; cut <= len(stream); cut++ {
		var s frames
		var got []frame
		for at := 0; at < len(stream); at += cut {
			rest := stream[at:min(at+cut, len(stream))]
			for {
				f, more, ok := s.next(rest)
				if !ok {
					break
				}
				got, rest = append(got, f), more
			}
		}
		if len(got) != len(want) {
			t.Fatalf("pieces of %d bytes: got %v", cut, got)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("pieces of %d bytes: got %v, want %v", cut, got[i], want[i])
			}
		}
		if !s.between() {
			t.Fatalf("pieces of %d bytes: the last frame has no end", cut)
		}
	}
}

// The preface is seen however it is cut, and nothing else is taken for it.
func TestPreface(t *testing.T) {
	for _, c := range []struct {
		name string
		text string
		ok   bool
	}{
		{"preface", string(clientPreface) + "rest", true},
		{"HTTP/1.1", "PRI / HTTP/1.1\r\n\r\n and much more to come", false},
		{"another end", string(clientPreface[:23]) + "\rrest", false},
	} {
		for cut := 1; cut <= len(c.text); cut++ {
			var p prefaced
			var rest []byte
			ok := false
			for at := 0; at < len(c.text); at += cut {
				var more []byte
				if more, ok = p.skip([]byte(c.text[at:min(at+cut, len(c.text))])); ok {
					rest = append(rest, more...)
				}
			}
			if ok != c.ok || ok && string(rest) != "rest" {
				t.Errorf("%s, pieces of %d bytes: %t, %q", c.name, cut, ok, rest)
			}
		}
	}
}

// A script of frames says how many of them a client may have.
func TestCredit(t *testing.T) {
	var (
		start   = time.Unix(1000, 0)
		request = frame{kind: frameHeaders, length: 10}
		reset   = frame{kind: frameReset, length: 4}
		answer  = frame{kind: frameHeaders, length: 10}
		piece   = frame{kind: frameData, length: 10}
		taken   = frame{kind: frameWindowUpdate, length: 4}
		ping    = frame{kind: framePing, length: 8}
		pong    = frame{kind: framePing, length: 8, flags: flagAck}
		empty   = frame{kind: frameData}
		last    = frame{kind: frameData, flags: flagEndStream}
	)
	for _, c := range []struct {
		name  string
		in    []frame // one round of the client's
		out   []frame // then of ours
		every time.Duration
		want  int // rounds, of 1000, 0 for all
	}{
		{name: "requests", in: []frame{request}, out: []frame{answer}},
		{name: "requests without an answer", in: []frame{request}},
		{name: "resets of what is answered", in: []frame{request, reset}, out: []frame{answer}},
		{name: "resets of every second request", in: []frame{request, request, reset}, out: []frame{answer}},
		{name: "resets of everything", in: []frame{request, reset}, want: 19},
		{name: "resets by us", in: []frame{request}, out: []frame{reset}, want: 21},
		{name: "takings", in: []frame{taken, taken}, out: []frame{piece}},
		{name: "more takings than pieces", in: []frame{taken, taken, taken}, out: []frame{piece}, want: 8},
		{name: "PING", in: []frame{ping}, out: []frame{pong}, want: 10},
		{name: "PING, slowly", in: []frame{ping}, out: []frame{pong}, every: 100 * time.Millisecond},
		{name: "answers to PING", in: []frame{pong}, out: []frame{ping}},
		{name: "bodies", in: []frame{piece, last}},
		{name: "empty pieces", in: []frame{empty}, want: 10},
	} {
		k, now := newCredit(10, start), start
		clock := func() time.Time { return now }
		rounds := 0
	script:
		for ; rounds < 1000; rounds++ {
			for _, f := range c.in {
				if !k.received(f, clock) {
					break script
				}
			}
			for _, f := range c.out {
				k.sent(f, clock)
			}
			now = now.Add(c.every)
		}
		if want := c.want; want == 0 && rounds != 1000 || want != 0 && rounds != want {
			t.Errorf("%s: %d rounds, want %d", c.name, rounds, want)
		}
	}
}
