//go:build !linux

package http1

// rawClient is the short way to an instance's socket, which this system does not
// have.
type rawClient struct{}

func (r *rawClient) init(*upConn) {}

func (r *rawClient) read(u *upConn, p []byte) (int, error) { return u.nc.Read(p) }

// quiet can't be told: no connection is used twice.
func (r *rawClient) quiet(*upConn) bool { return false }
