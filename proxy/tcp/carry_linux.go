//go:build !386 && !s390x

package tcp

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/lictor/lictor/proxy/splice"
)

const (
	// bulkFrom is how much one read has to find, in bytes, for the next to be left
	// to the kernel, and smallBelow how little has to come that way for the next to
	// be copied again: moving costs more for each piece, and less for each byte.
	bulkFrom   = spaceSize
	smallBelow = 4 << 10
)

// mover carries one way between two sockets. What it reads into it borrows once
// something has come, so that silence holds nothing.
type mover struct {
	*lane
	in, out syscall.RawConn
	bulk    bool

	space *[]byte      // holds n bytes, nil when none are to be sent
	pipe  *splice.Pipe // likewise
	n     int
	errno error // of what the callbacks did

	draw, pour func(fd uintptr) bool
}

// carry carries one way until it ends.
func (l *lane) carry() error {
	in, ok := raw(l.from)
	out, also := raw(l.to)
	if !ok || !also {
		return l.copyThrough()
	}
	m := &mover{lane: l, in: in, out: out}
	m.draw, m.pour = m.read, m.empty
	for {
		if err := m.piece(); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
	}
}

// raw returns the socket of a connection that is nothing else.
func raw(c net.Conn) (syscall.RawConn, bool) {
	if b, ok := c.(interface{ Bare() (net.Conn, bool) }); ok { // it was announced
		under, bare := b.Bare()
		if !bare {
			return nil, false
		}
		c = under
	}
	t, ok := c.(*net.TCPConn)
	if !ok {
		return nil, false
	}
	rc, err := t.SyscallConn()
	return rc, err == nil
}

// piece carries what has come.
func (m *mover) piece() error {
	defer m.giveBack()
	m.n, m.errno = 0, nil
	if err := m.in.Read(m.draw); err != nil {
		m.errno = err
	}
	switch {
	case m.errno != nil:
		return m.broken("reading from the", m.who, m.errno)
	case m.n == 0:
		return io.EOF
	case m.pipe == nil:
		n, err := m.to.Write((*m.space)[:m.n])
		m.count(n)
		m.bulk = m.n >= bulkFrom
		if err != nil {
			return m.broken("writing to the", m.whom, err)
		}
		return nil
	}
	m.bulk = m.n >= smallBelow
	if err := m.out.Write(m.pour); err != nil {
		m.errno = err
	}
	if m.errno != nil {
		return m.broken("writing to the", m.whom, m.errno)
	}
	return nil
}

// read takes what there is; false waits for more.
func (m *mover) read(fd uintptr) bool {
	if m.bulk {
		m.pipe = m.g.e.pipes.Get()
	}
	var e error
	if m.pipe != nil {
		n, errno := splice.Move(int(fd), m.pipe.W, splice.Size)
		m.n = int(n)
		if errno != 0 {
			m.n, e = 0, errno
		}
		if e == syscall.EINVAL || e == syscall.ENOSYS || e == syscall.EPERM { //nolint:errorlint // errnos, stored bare
			m.g.e.pipes.Disable() // it can be copied still
			m.giveBack()
			m.bulk = false
			return m.read(fd)
		}
	} else {
		m.space = m.g.e.spaces.Get().(*[]byte)
		for {
			m.n, e = syscall.Read(int(fd), *m.space)
			if e != syscall.EINTR { //nolint:errorlint // likewise
				break
			}
		}
	}
	if e == syscall.EAGAIN { //nolint:errorlint // likewise
		m.n = 0
		m.giveBack()
		return false
	}
	if e != nil {
		m.n, m.errno = 0, os.NewSyscallError("read", e)
	}
	return true
}

// empty sends what is in the pipe; false waits for room.
func (m *mover) empty(fd uintptr) bool {
	for m.n > 0 {
		n, e := splice.Move(m.pipe.R, int(fd), int64(m.n))
		if e == syscall.EAGAIN {
			return false
		}
		if e != 0 {
			m.errno = os.NewSyscallError("splice", e)
			return true
		}
		m.n -= int(n)
		m.count(int(n))
	}
	return true
}

// giveBack returns what was borrowed.
func (m *mover) giveBack() {
	if m.pipe != nil {
		m.g.e.pipes.Put(m.pipe, m.n == 0)
		m.pipe = nil
	}
	if m.space != nil {
		m.g.e.spaces.Put(m.space)
		m.space = nil
	}
}
