package http3

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/quic-go/quic-go"
)

// body is a request's body, whose beginning may have been looked at already.
type body struct {
	io.ReadCloser
	space [64]byte
	first []byte // what look has found
	err   error  // what comes after that
}

// look waits for the first bytes, or the end. It returns io.EOF when there are none.
func (b *body) look() error {
	for len(b.first) == 0 && b.err == nil {
		var n int
		n, b.err = b.ReadCloser.Read(b.space[:])
		b.first = b.space[:n]
	}
	if len(b.first) > 0 {
		return nil
	}
	return b.err
}

// Read returns errors that net/http's bodies would: one that wraps
// io.ErrUnexpectedEOF for a client that went away.
func (b *body) Read(p []byte) (int, error) {
	if len(b.first) > 0 {
		n := copy(p, b.first)
		b.first = b.first[n:]
		return n, nil
	}
	if b.err == nil || errors.Is(b.err, os.ErrDeadlineExceeded) {
		var n int
		n, b.err = b.ReadCloser.Read(p)
		return n, clientError(b.err)
	}
	return 0, clientError(b.err)
}

func clientError(err error) error {
	if err == nil || err == io.EOF { //nolint:errorlint // it is passed on as it is
		return err
	}
	if _, ok := errors.AsType[*quic.StreamError](err); ok {
		return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || !ofConnection(err) {
		return err
	}
	return fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
}

// ofConnection reports whether the whole connection is gone.
func ofConnection(err error) bool {
	switch {
	case isA[*quic.ApplicationError](err), isA[*quic.TransportError](err), isA[*quic.IdleTimeoutError](err),
		isA[*quic.HandshakeTimeoutError](err), isA[*quic.StatelessResetError](err):
		return true
	}
	return false
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
