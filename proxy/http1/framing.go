package http1

import (
	"math"

	"github.com/lictor/lictor/proxy"
)

// delimiter says what tells where a message's body ends (RFC 9112 section 6.3).
type delimiter uint8

const (
	noBody   delimiter = iota // the message ends with its head
	byLength                  // framing.length bytes follow, at least one
	byChunks                  // the chunked transfer coding (section 7.1)
	byClose                   // the end of the connection; responses only
)

// framing is what a message's head says to the engine rather than to the
// pipeline.
type framing struct {
	end    delimiter
	length int64 // of the body; 0 unless end is byLength
	// close says that no other message follows on the connection.
	close bool
	// expect says that the client waits for 100 (Continue) before it sends the
	// body (RFC 9110 section 10.1.1).
	expect bool
	// upgrade says that the head asks for or agrees to a WebSocket (RFC 6455).
	upgrade bool
}

// delimit decides where the body ends as far as both kinds of message have it in
// common. length is that of Content-Length, Unknown when there is none.
//
// Both framing fields together, or one of them twice, may be read in two ways,
// and so is what smuggles requests past a gateway (RFC 9112 section 11.2). The
// leave of section 6.3 to accept equal lengths is not taken.
func (fr *framing) delimit(f *proxy.Fields, m marks, p proxy.Protocol) (length int64, err error) {
	fr.end, fr.length = noBody, 0
	coded := m.has(proxy.TransferEncoding)
	switch {
	case !coded && !m.has(proxy.ContentLength):
		return proxy.Unknown, nil
	case coded && m.has(proxy.ContentLength):
		return 0, errLengthAndCoded
	case coded && p < proxy.HTTP11:
		return 0, errCodingVersion
	case coded && (m.repeated(proxy.TransferEncoding) || !equalFold(f.Get(proxy.TransferEncoding), "chunked")):
		return 0, codingFault(f)
	case coded:
		fr.end = byChunks
		return proxy.Unknown, nil
	case m.repeated(proxy.ContentLength):
		return 0, errLengthRepeated
	}
	if fr.length, err = parseLength(f.Get(proxy.ContentLength)); err != nil {
		return 0, err
	}
	if fr.length > 0 {
		fr.end = byLength
	}
	return fr.length, nil
}

// parseLength reads a Content-Length (RFC 9110 section 8.6): digits and nothing
// else. Lists are refused, even of equal numbers.
func parseLength(v []byte) (int64, error) {
	if len(v) == 0 {
		return 0, errLength
	}
	var n int64
	large := false
	for _, c := range v {
		if octets[c]&digit == 0 {
			return 0, errLength
		}
		d := int64(c - '0')
		large = large || n > (math.MaxInt64-d)/10
		n = n*10 + d
	}
	if large || len(v) > 19 {
		return 0, errLengthTooLarge
	}
	return n, nil
}

// codingFault says what is wrong with a Transfer-Encoding other than "chunked":
// 400 when chunked is there and is not the one last coding (RFC 9112 section
// 6.3), or when the list is malformed, and 501 for codings that nobody here
// knows (section 6.1).
func codingFault(f *proxy.Fields) error {
	chunked := false
	for i := f.Next(proxy.TransferEncoding, 0); i >= 0; i = f.Next(proxy.TransferEncoding, i+1) {
		rest := f.Value(i)
		if len(rest) == 0 || rest[len(rest)-1] == ',' {
			return errCoding
		}
		for len(rest) > 0 {
			var coding []byte
			coding, rest = cutElement(rest)
			if chunked || !isToken(coding) {
				return errCoding
			}
			chunked = equalFold(coding, "chunked")
		}
	}
	return errCodingUnknown
}

// persist decides whether the connection outlives the message (RFC 9112 section
// 9.3), and drops what the Connection field nominates (RFC 9110 section 7.6.1).
func (fr *framing) persist(f *proxy.Fields, m marks, p proxy.Protocol) error {
	fr.close = p < proxy.HTTP11
	if !m.has(proxy.Connection) {
		return nil
	}
	if v := f.Get(proxy.Connection); !m.repeated(proxy.Connection) {
		switch {
		case equalFold(v, "keep-alive"):
			fr.close = false
			return nil
		case equalFold(v, "close"):
			fr.close = true
			return nil
		}
	}
	if f.HasToken(proxy.Connection, "close") {
		fr.close = true
	} else if f.HasToken(proxy.Connection, "keep-alive") {
		fr.close = false
	}
	if !f.DropNominated() {
		return errNominations
	}
	return nil
}

// switches reports whether the head names WebSocket as the protocol to go on
// with (RFC 9110 section 7.8).
func switches(f *proxy.Fields, m marks) bool {
	return m.has(proxy.UpgradeField) && f.HasToken(proxy.UpgradeField, "websocket") && f.HasToken(proxy.Connection, "upgrade")
}
