package simulate

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// MaxLine bounds a line of a log, in bytes. A longer one is counted as bad.
const MaxLine = 1 << 20

// sample is how much of the beginning of a log is looked at to find out its format.
const sample = 64 << 10

// Source is one log that is open. It is read once.
type Source struct {
	Name   string
	Format Format
	// Size is how many bytes there are to read, 0 for unknown. Read says how many
	// of them have been.
	Size int64

	read  counted
	lines *bufio.Reader
	close []io.Closer
}

// counted is a reader that counts.
type counted struct {
	from io.Reader
	n    atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.from.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Read returns how many bytes of the log, as it is stored, have been read so far.
// It may be called while the log is replayed.
func (s *Source) Read() int64 { return s.read.n.Load() }

// Open opens a log and finds out its format, unless format names it. The name "-"
// is stdin. A log that is compressed by gzip is known by its content.
func Open(name, format string, stdin io.Reader) (*Source, error) {
	s := &Source{Name: name}
	s.read.from = stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("opening the log: %w", err)
		}
		s.close = append(s.close, f)
		s.read.from = f
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			s.Size = info.Size()
		}
	}
	if err := s.begin(format); err != nil {
		s.Close()
		return nil, fmt.Errorf("reading the log %s: %w", name, err)
	}
	return s, nil
}

func (s *Source) begin(format string) error {
	s.lines = bufio.NewReaderSize(&s.read, sample)
	if magic, err := s.lines.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(s.lines)
		if err != nil {
			return err
		}
		s.close = append(s.close, z)
		s.lines = bufio.NewReaderSize(z, sample)
	}
	if format != "" {
		f, ok := Lookup(format)
		if !ok {
			return fmt.Errorf("%q: %w", format, errNotWanted)
		}
		s.Format = f
		return nil
	}
	head, err := s.lines.Peek(sample)
	if err != nil && err != io.EOF {
		return err
	}
	f, ok := detect(head, err != nil)
	if !ok {
		return errNoFormat
	}
	s.Format = f
	return nil
}

// detect finds the format of the first line that is in any. Whole says that head is
// the whole log. An empty log is in the first format.
func detect(head []byte, whole bool) (Format, bool) {
	if len(bytes.TrimSpace(head)) == 0 {
		return Formats()[0], true
	}
	for line := range bytes.Lines(head) {
		if !whole && !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		for _, f := range Formats() {
			var r Request
			if _, err := f.parse(bytes.TrimRight(line, "\r\n"), &r, nil); err == nil {
				return f, true
			}
		}
	}
	return Format{}, false
}

// Close closes the log.
func (s *Source) Close() {
	for _, c := range slices.Backward(s.close) {
		_ = c.Close() // it was only read
	}
	s.close = nil
}

// FormatNames lists the names of the formats.
func FormatNames() string {
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
