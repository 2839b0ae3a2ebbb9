package accesslog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// sendTime bounds the sending of what is there at once, and dialTime a
	// connection.
	sendTime = 5 * time.Second
	dialTime = 5 * time.Second
	// redial is how long a server is left alone that did not take lines.
	redial = time.Second
	// informational is the severity of an access log's lines (RFC 5424 section 6.2.1).
	informational = 6
	syslogTime    = "2006-01-02T15:04:05.000Z"
)

// Syslog is a server that lines are sent to (RFC 5424): each is the message of one
// entry. Over a stream entries are counted in octets (RFC 6587 section 3.4.1).
type Syslog struct {
	// Network is "unixgram", "udp" or "tcp".
	Network, Address string
	// Facility is a number from 0 to 23.
	Facility int
	// Host, App and Process say who sends; empty for what is not known.
	Host, App, Process string
}

// Open is an Opener. It makes no connection: a server that is away costs lines, which
// are counted, and is tried again.
func (s Syslog) Open() (io.WriteCloser, error) {
	w := &syslogWriter{s: s, framed: strings.HasPrefix(s.Network, "tcp")}
	w.priority = fmt.Appendf(nil, "<%d>1 ", s.Facility*8+informational)
	w.origin = fmt.Appendf(nil, " %s %s %s access - ", header(s.Host, 255), header(s.App, 48), header(s.Process, 128))
	return w, nil
}

// header makes a text one that may stand in the head of an entry: visible ASCII,
// "-" for none.
func header(s string, longest int) string {
	s = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), longest)]
}

// syslogWriter sends blocks of lines. It is one goroutine's.
type syslogWriter struct {
	s                Syslog
	framed           bool
	priority, origin []byte

	conn  net.Conn // nil when there is none
	again time.Time
	down  error // why there is none before
	out   []byte
}

// Write implements io.Writer.
func (w *syslogWriter) Write(p []byte) (int, error) {
	n, err := w.WriteLines(p)
	if err != nil {
		return 0, err
	}
	return len(p) * min(n, 1), nil
}

// WriteLines implements LineWriter.
func (w *syslogWriter) WriteLines(p []byte) (sent int, err error) {
	now := time.Now()
	if w.conn == nil {
		if now.Before(w.again) {
			return 0, w.down
		}
		if w.conn, err = net.DialTimeout(w.s.Network, w.s.Address, dialTime); err != nil {
			w.conn = nil
			return 0, w.lose(err)
		}
	}
	if err = w.conn.SetWriteDeadline(now.Add(sendTime)); err == nil {
		if w.framed {
			sent, err = w.stream(p, now)
		} else {
			sent, err = w.datagrams(p, now)
		}
	}
	if err != nil {
		_ = w.conn.Close() // what it says is said already
		w.conn = nil
		return sent, w.lose(err)
	}
	return sent, nil
}

// lose notes that the server takes nothing for a while.
func (w *syslogWriter) lose(err error) error {
	w.again, w.down = time.Now().Add(redial), fmt.Errorf("syslog at %s: %w", w.s.Address, err)
	return w.down
}

// datagrams sends an entry each. One that is too long for the network is lost alone.
func (w *syslogWriter) datagrams(p []byte, now time.Time) (sent int, err error) {
	for line := range bytes.Lines(p) {
		w.out = w.entry(w.out[:0], bytes.TrimSuffix(line, newline), now)
		_, err = w.conn.Write(w.out)
		switch {
		case err == nil:
			sent++
		case errors.Is(err, syscall.EMSGSIZE):
		default:
			return sent, err
		}
	}
	return sent, nil
}

// stream sends all entries at once.
func (w *syslogWriter) stream(p []byte, now time.Time) (sent int, err error) {
	w.out = w.out[:0]
	var ends []int
	var head []byte
	for line := range bytes.Lines(p) {
		line = bytes.TrimSuffix(line, newline)
		head = w.entry(head[:0], nil, now)
		w.out = strconv.AppendInt(w.out, int64(len(head)+len(line)), 10)
		w.out = append(append(append(w.out, ' '), head...), line...)
		ends = append(ends, len(w.out))
	}
	n, err := w.conn.Write(w.out)
	for _, end := range ends {
		if end <= n {
			sent++
		}
	}
	return sent, err
}

func (w *syslogWriter) entry(b, line []byte, now time.Time) []byte {
	b = now.UTC().AppendFormat(append(b, w.priority...), syslogTime)
	return append(append(b, w.origin...), line...)
}

// Close implements io.Closer.
func (w *syslogWriter) Close() error {
	if w.conn == nil {
		return nil
	}
	return w.conn.Close()
}
