//go:build !linux || 386 || s390x

package http1

// rawClient is the short way to an instance's socket, which this system does not
// have.
type rawClient struct {
	out   []byte
	begun bool
}

func (r *rawClient) init(*upConn) {}

func (r *rawClient) usable() bool { return false }

// quiet can't be told: no connection is used twice.
func (r *rawClient) quiet() bool { return false }

func (r *rawClient) begin(_, _ []byte) {}

func (r *rawClient) swap() (int, error) { return 0, nil }
