package proxy

import (
	"context"
	"fmt"
	"io"

	"github.com/lictor/lictor/proxy/upstream"
)

// This file is the seam between the pipeline and the engines. The pipeline
// speaks HTTP's meaning (RFC 9110), an engine turns it into a wire (RFC 9112,
// 9113) and back.

// Handler is all that the server half of an engine knows of the pipeline.
type Handler interface {
	// Serve answers one exchange through x.W. It returns when the answer is
	// complete or the exchange was aborted. The Exchange is the engine's again
	// afterwards; nothing of it is kept.
	Serve(x *Exchange)
}

// Body is a message body that is read forward, once.
type Body interface {
	// Next lends the next bytes, which stay valid until the following Next.
	// io.EOF is the clean end; any other error means a broken message. Neither
	// comes together with bytes.
	Next() ([]byte, error)
	// Ready reports whether Next would return at once. False is always safe.
	Ready() bool
	// Trailer returns the trailer section (RFC 9110 section 6.5) once Next has
	// returned io.EOF, nil when there is none.
	Trailer() *Fields
}

// Responder is the server half of an engine during one exchange: it writes the
// answer to the client.
type Responder interface {
	// Interim writes an informational response (RFC 9110 section 15.2) other
	// than 101. It may come any number of times before Head.
	Interim(status int, f *Fields) error
	// Head writes the final response's status and fields. Framing is the
	// engine's: it follows r.Length, r.Status and the request's method.
	Head(r *Response) error
	// Body writes a piece of the body. The bytes are only lent.
	Body(p []byte) error
	// Flush sends what has been written so far.
	Flush() error
	// End completes the response, with a trailer section or nil.
	End(trailer *Fields) error
	// Abort ends the exchange so that the client can tell that the response is
	// not complete.
	Abort()
	// Tunnel turns the connection into a stream of bytes, after Head has
	// written a 101 response (RFC 9110 section 7.8).
	Tunnel() (io.ReadWriteCloser, error)
	// Context is done when the client has gone. It exists for engines whose
	// other half needs one.
	Context() context.Context
}

// Forwarder is the client half of an engine: it carries an exchange to one
// endpoint.
type Forwarder interface {
	// Forward sends x.Request to the endpoint, passes interim responses on to
	// x.W, and fills in x.Response with the final head. The body stays to be
	// read. Failures are of type *ForwardError.
	//
	// The Host that it sends is the route's HostHeader, else x.Request.Host; a
	// Host line among the fields is what the client sent. Method, Path, Query
	// and Fields go out as they are.
	//
	// The wait for the head begins when the request has been sent, body
	// included, and x.Deadline bounds it. A body that is not here yet when its
	// head goes out takes the time it takes, as long as neither the client nor
	// the instance is silent for the route's idle timeout: once it is sent,
	// Forward moves x.Deadline to the route's timeout from then.
	Forward(x *Exchange, ep *upstream.Endpoint) error
	// Done gives the connection back once the response's body has been read
	// to its end, or throws it away when complete is false. It is called once
	// after every Forward that succeeded, or in which something panicked.
	Done(x *Exchange, complete bool)
}

// Cause says how an attempt to forward a request failed.
type Cause uint8

// The causes of a ForwardError.
const (
	// Refused: no connection could be made. Nothing was sent.
	Refused Cause = iota + 1
	// Broke: the connection or the response broke, or was not HTTP.
	Broke
	// TimedOut: the route's timeout passed between the request's end and the
	// response's head, or the instance took nothing of the request, or sent
	// nothing of its response, for the route's idle timeout.
	TimedOut
	// ClientGone: the client went away.
	ClientGone
	// ClientBad: the client's request body could not be read to its end.
	ClientBad
	// ClientSlow: the client sent nothing of its body for the route's idle
	// timeout.
	ClientSlow
)

// String returns a word for logs and metric labels.
func (c Cause) String() string {
	switch c {
	case Refused:
		return "refused"
	case Broke:
		return "broke"
	case TimedOut:
		return "timeout"
	case ClientGone:
		return "client_gone"
	case ClientBad:
		return "client_body"
	case ClientSlow:
		return "client_timeout"
	}
	return "unknown"
}

// ForwardError tells what is known of a failed attempt, so that the pipeline
// can decide whether another endpoint may be asked.
type ForwardError struct {
	Cause    Cause
	Sent     bool // some byte of the request may have reached the instance
	Received bool // some byte of the response was received
	Err      error

	// Answer is set where the failure is not the instance's doing, such as a
	// denial by the service mesh: it is what the client gets, nobody else is
	// asked, and no instance is blamed. Nil leaves all of that to the cause.
	Answer *Problem
}

// Error says what failed.
func (e *ForwardError) Error() string { return fmt.Sprintf("%s: %v", e.Cause, e.Err) }

// Unwrap returns the underlying error.
func (e *ForwardError) Unwrap() error { return e.Err }
