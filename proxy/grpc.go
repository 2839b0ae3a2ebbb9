package proxy

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"strconv"
	"time"

	"github.com/lictor/lictor/limits"
)

// This file gives the gateway's own answers the shape that gRPC clients read: to
// them an HTTP status and a problem document are the failure of something between
// them and their server, which they have to guess the meaning of.

// grpcDialect is how a client of gRPC is answered.
type grpcDialect uint8

const (
	notGRPC     grpcDialect = iota
	grpcNative              // a status in the only head: "Trailers-Only"
	grpcWeb                 // a status in a frame of the body
	grpcWebText             // which is in base64
)

var (
	grpcType        = []byte("application/grpc")
	grpcWebType     = []byte("-web")
	grpcWebTextType = []byte("-text")
)

// GRPCWeb is how a client speaks gRPC-Web.
type GRPCWeb uint8

// The forms of it.
const (
	// NoGRPCWeb: it does not.
	NoGRPCWeb GRPCWeb = iota
	// GRPCWebBinary has messages as they are.
	GRPCWebBinary
	// GRPCWebText has all of a body in base64.
	GRPCWebText
)

// GRPCWeb says how the client speaks gRPC-Web, by the media type of its request.
func (x *Exchange) GRPCWeb() GRPCWeb {
	switch x.grpcDialect() {
	case grpcWeb:
		return GRPCWebBinary
	case grpcWebText:
		return GRPCWebText
	default:
		return NoGRPCWeb
	}
}

// KeepDialect takes note of how a client of gRPC is to be answered, for a step that
// is about to change the request's media type.
func (x *Exchange) KeepDialect() { x.dialect = x.grpcDialect() }

// grpcDialect tells by the request's media type who asks. gRPC itself is spoken by
// HTTP/2 and later alone.
func (x *Exchange) grpcDialect() grpcDialect {
	if x.dialect != notGRPC {
		return x.dialect
	}
	v := x.Request.Fields.Get(ContentType)
	if len(v) < len(grpcType) || !bytes.EqualFold(v[:len(grpcType)], grpcType) {
		return notGRPC
	}
	rest := v[len(grpcType):]
	end := bytes.IndexAny(rest, "+; \t")
	if end < 0 {
		end = len(rest)
	}
	switch rest = rest[:end]; {
	case len(rest) == 0 && x.Request.Protocol >= HTTP2:
		return grpcNative
	case bytes.EqualFold(rest, grpcWebType):
		return grpcWeb
	case len(rest) == len(grpcWebType)+len(grpcWebTextType) && bytes.EqualFold(rest[:len(grpcWebType)], grpcWebType) &&
		bytes.EqualFold(rest[len(grpcWebType):], grpcWebTextType):
		return grpcWebText
	}
	return notGRPC
}

// The status codes of gRPC that the gateway uses.
const (
	grpcUnknown           = 2
	grpcDeadlineExceeded  = 4
	grpcPermissionDenied  = 7
	grpcResourceExhausted = 8
	grpcUnimplemented     = 12
	grpcInternal          = 13
	grpcUnavailable       = 14
	grpcUnauthenticated   = 16
)

// grpcStatus is what an HTTP status means to gRPC. It follows gRPC's own mapping
// (doc/http-grpc-status-mapping.md), which is made for clients that know nothing
// but that number, and is more exact where the gateway knows more: a quota that is
// used up is not an outage, and neither is an instance that takes too long.
func grpcStatus(status int) int64 {
	switch status {
	case 400, 505:
		return grpcInternal
	case 401:
		return grpcUnauthenticated
	case 403:
		return grpcPermissionDenied
	case 404, 405, 501:
		return grpcUnimplemented
	case 408, 504:
		return grpcDeadlineExceeded
	case 413, 429, 431:
		return grpcResourceExhausted
	case 502, 503:
		return grpcUnavailable
	}
	return grpcUnknown
}

// answerGRPC answers a client of gRPC. Fields that steps have put into the response
// are metadata to it.
func (x *Exchange) answerGRPC(d grpcDialect, p *Problem, detail string) {
	r := &x.Response
	r.Status = 200
	f := &r.Fields
	b := x.answer0[:0]
	if d == grpcNative {
		f.AddString(ContentType, "application/grpc")
		var number [20]byte
		f.AddName("Grpc-Status", lendString(strconv.AppendInt(number[:0], grpcStatus(p.Status), 10)))
		b = appendGRPCMessage(b, p, detail)
		f.AddName("Grpc-Message", lendString(b))
		if ms, ok := x.pushback(number[:0]); ok {
			f.AddName("Grpc-Retry-Pushback-Ms", lendString(ms))
		}
		x.send(nil)
		return
	}
	b = x.appendGRPCFrame(b, p, detail)
	if d == grpcWebText {
		f.AddString(ContentType, "application/grpc-web-text")
		n := len(b)
		b = base64.StdEncoding.AppendEncode(b, b)[n:]
	} else {
		f.AddString(ContentType, "application/grpc-web")
	}
	x.send(b)
}

// grpcTrailers marks a frame of gRPC-Web that holds no message but the trailers.
const grpcTrailers = 0x80

// appendGRPCFrame appends the frame that ends a body of gRPC-Web.
func (x *Exchange) appendGRPCFrame(b []byte, p *Problem, detail string) []byte {
	at := len(b)
	b = append(b, grpcTrailers, 0, 0, 0, 0)
	b = append(b, "grpc-status: "...)
	b = strconv.AppendInt(b, grpcStatus(p.Status), 10)
	b = append(b, "\r\ngrpc-message: "...)
	b = appendGRPCMessage(b, p, detail)
	b = append(b, "\r\n"...)
	var number [20]byte
	if ms, ok := x.pushback(number[:0]); ok {
		b = append(append(append(b, "grpc-retry-pushback-ms: "...), ms...), "\r\n"...)
	}
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-5)) //nolint:gosec // a title and a detail are short
	return b
}

// pushback appends what a client that repeats calls by itself is told: the time to
// wait, in milliseconds; or not to, where what it asks for is more than its quota
// ever grants. ok is false when there is nothing to tell.
func (x *Exchange) pushback(b []byte) (ms []byte, ok bool) {
	if retry, denied := x.retryAfter(); denied {
		if retry == limits.Never {
			return append(b, "-1"...), true
		}
		return strconv.AppendInt(b, max(1, int64((retry+time.Millisecond-1)/time.Millisecond)), 10), true
	}
	v := x.Response.Fields.Get(RetryAfter)
	if v == nil {
		return b, false
	}
	seconds, err := strconv.ParseUint(lendString(v), 10, 31)
	return strconv.AppendUint(b, seconds*1000, 10), err == nil
}

// appendGRPCMessage appends what is the matter, percent-encoded as gRPC's
// Status-Message is: all but printable ASCII, and the percent sign.
func appendGRPCMessage(b []byte, p *Problem, detail string) []byte {
	b = append(b, p.Title...) // plain ASCII
	if detail == "" {
		return b
	}
	b = append(b, ": "...)
	for i := range len(detail) {
		if c := detail[i]; c < ' ' || c > '~' || c == '%' {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		} else {
			b = append(b, c)
		}
	}
	return b
}
