package tcp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Bounds of a ClientHello, in bytes.
const (
	// maxHello bounds the message. Those of browsers take less than 2 KiB, with
	// post-quantum keys.
	maxHello = 16 << 10
	// maxRecords bounds what it comes in, since records may be short.
	maxRecords = 2 * maxHello

	maxRecord    = 16 << 10 // RFC 8446 section 5.1
	recordHead   = 5
	messageHead  = 4
	longestName  = 253 // RFC 1035, without the final dot
	longestLabel = 63
)

// Of TLS's registries.
const (
	typeHandshake   = 22
	typeClientHello = 1
	extServerName   = 0
)

var (
	// errShort: what came so far may become a ClientHello.
	errShort = errors.New("the ClientHello is not whole")
	// errNotTLS: what came begins no TLS.
	errNotTLS = errors.New("this is not TLS")
)

// hello takes a ClientHello apart while it comes. The zero value is ready to use.
type hello struct {
	raw  []byte // all that came
	at   int    // of it, where the next record begins
	body []byte // the message, out of the records before that
	name string
}

// next reads on after more has come into raw. Its error is errShort until the
// message is there, errNotTLS if none can be, or else what is wrong with it.
func (h *hello) next() error {
	for {
		if size, known := h.size(); known && len(h.body) >= size {
			return h.parse(h.body[messageHead:size])
		}
		if err := h.record(); err != nil {
			return err
		}
	}
}

// size returns the length of the message, once that is known.
func (h *hello) size() (int, bool) {
	if len(h.body) < messageHead {
		return 0, false
	}
	return messageHead + int(h.body[1])<<16 + int(h.body[2])<<8 + int(h.body[3]), true
}

// record takes the next record's part of the message.
func (h *hello) record() error {
	b := h.raw[h.at:]
	first := h.at == 0
	switch {
	case len(b) > 0 && b[0] != typeHandshake && first, len(b) > 1 && b[1] != 3 && first:
		return errNotTLS
	case len(b) < recordHead:
		return h.short()
	case b[0] != typeHandshake || b[1] != 3:
		return errors.New("a record of another type is in the middle of it")
	}
	n := int(binary.BigEndian.Uint16(b[3:]))
	switch {
	case n == 0 || n > maxRecord:
		return fmt.Errorf("a record of %d bytes", n)
	case len(b) > recordHead && len(h.body) == 0 && b[recordHead] != typeClientHello:
		return fmt.Errorf("a message of type %d", b[recordHead])
	case len(b) < recordHead+n:
		return h.short()
	}
	h.body = append(h.body, b[recordHead:recordHead+n]...)
	h.at += recordHead + n
	if size, known := h.size(); known && size > maxHello {
		return fmt.Errorf("%d bytes are more than %d", size, maxHello)
	}
	return nil
}

// short is errShort unless too much has come already.
func (h *hello) short() error {
	if len(h.raw) >= maxRecords {
		return fmt.Errorf("its records take more than %d bytes", maxRecords)
	}
	return errShort
}

// parse reads the message (RFC 8446 section 4.1.2), for the name in it.
func (h *hello) parse(m []byte) error {
	p := parser{b: m}
	p.skip(2 + 32) // version and random
	if id := p.list(1); len(id) > 32 {
		p.fail("a session id of %d bytes", len(id))
	}
	if suites := p.list(2); p.err == nil && (len(suites) == 0 || len(suites)%2 != 0) {
		p.fail("%d bytes of cipher suites", len(suites))
	}
	if methods := p.list(1); p.err == nil && len(methods) == 0 {
		p.fail("no compression method")
	}
	if p.err != nil || len(p.b) == 0 { // extensions are optional before TLS 1.3
		return p.err
	}
	all := parser{b: p.list(2)}
	if p.err == nil && len(p.b) > 0 {
		p.fail("%d bytes behind it", len(p.b))
	}
	if p.err != nil {
		return p.err
	}
	seen := map[uint16]bool{}
	for len(all.b) > 0 && all.err == nil {
		kind := all.number()
		data := all.list(2)
		if all.err == nil && seen[kind] {
			all.fail("two extensions %d", kind)
		}
		seen[kind] = true
		if kind == extServerName && all.err == nil {
			h.name, all.err = serverName(data)
		}
	}
	return all.err
}

// serverName reads the extension (RFC 6066 section 3). An address is no name.
func serverName(data []byte) (string, error) {
	p := parser{b: data}
	names := parser{b: p.list(2)}
	if p.err == nil && (len(p.b) > 0 || len(names.b) == 0) {
		p.fail("a malformed list of server names")
	}
	if p.err != nil {
		return "", p.err
	}
	found, name := false, ""
	for len(names.b) > 0 && names.err == nil {
		kind := names.b[0]
		names.skip(1)
		value := names.list(2)
		switch {
		case names.err != nil || kind != 0: // other kinds may come to be
		case found:
			names.fail("two host names")
		default:
			found, name = true, strings.ToLower(string(value))
			if !hostName(name) {
				names.fail("the server name %q", clip(name))
			}
		}
	}
	if _, err := netip.ParseAddr(name); err == nil {
		name = ""
	}
	return name, names.err
}

// hostName reports whether a name can be one of DNS, in lower case and without a
// final dot.
func hostName(name string) bool {
	if name == "" || len(name) > longestName {
		return false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > longestLabel {
			return false
		}
		for _, c := range []byte(label) {
			if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}

// clip bounds what a client has sent for a log.
func clip(s string) string { return s[:min(len(s), 64)] }

// parser reads what TLS's presentation language writes (RFC 8446 section 3). After
// an error it goes on with nothing.
type parser struct {
	b   []byte
	err error
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.b = nil
}

func (p *parser) skip(n int) {
	if len(p.b) < n {
		p.fail("it ends too early")
		return
	}
	p.b = p.b[n:]
}

func (p *parser) number() uint16 {
	if len(p.b) < 2 {
		p.fail("it ends too early")
		return 0
	}
	n := binary.BigEndian.Uint16(p.b)
	p.b = p.b[2:]
	return n
}

// list reads a vector whose length is told in so many bytes, 1 or 2.
func (p *parser) list(width int) []byte {
	if len(p.b) < width {
		p.fail("it ends too early")
		return nil
	}
	n := int(p.b[0])
	if width == 2 {
		n = int(binary.BigEndian.Uint16(p.b))
	}
	if len(p.b) < width+n {
		p.fail("it ends too early")
		return nil
	}
	v := p.b[width : width+n]
	p.b = p.b[width+n:]
	return v
}
