package simulate

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"sync"
	"unicode"
	"unicode/utf8"
)

// blockSize is how many bytes of a log are parsed at a time.
const blockSize = 128 << 10

// block is a piece of a log, whole lines, and what was made of it.
type block struct {
	text  []byte
	cut   int // lines at its end that were too long, and are not in the text
	done  chan struct{}
	lines int
	good  []Request
	bad   []badLine
}

// badLine is a line that could not be read.
type badLine struct {
	line int // within the block, from 0
	text []byte
	err  error
}

// parse reads the lines of the block.
func (b *block) parse(f *Format) {
	defer close(b.done)
	b.good = make([]Request, 0, len(b.text)/300+16)
	var space []byte
	for len(b.text) > 0 {
		line, rest, _ := bytes.Cut(b.text, []byte("\n"))
		b.text = rest
		line = bytes.TrimSuffix(line, []byte("\r"))
		if len(line) > 0 {
			var r Request
			var err error
			if len(line) > MaxLine {
				err = errLong
			} else {
				space, err = f.parse(line, &r, space)
			}
			if err != nil {
				b.bad = append(b.bad, badLine{b.lines, line, err})
			} else {
				b.good = append(b.good, r)
			}
		}
		b.lines++
	}
	for range b.cut {
		b.bad = append(b.bad, badLine{b.lines, nil, errLong})
		b.lines++
	}
}

// stream reads the log in blocks, parses them side by side, and hands them to visit
// in the order of the log. Cores is how many are parsed at once.
func (s *Source) stream(parent context.Context, cores int, visit func(*block) error) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	jobs, ordered := make(chan *block, cores), make(chan *block, 2*cores)
	var group sync.WaitGroup
	for range cores {
		group.Go(func() {
			for b := range jobs {
				b.parse(&s.Format)
			}
		})
	}
	var failed error
	group.Go(func() {
		defer close(ordered)
		defer close(jobs)
		failed = s.cut(func(b *block) bool {
			for _, to := range [...]chan *block{jobs, ordered} {
				select {
				case to <- b:
				case <-ctx.Done():
					return false
				}
			}
			return true
		})
	})
	var err error
	for b := range ordered {
		if <-b.done; err != nil {
			continue
		}
		if err = visit(b); err != nil {
			cancel()
		}
	}
	group.Wait()
	return cmp.Or(err, failed, context.Cause(parent))
}

// cut cuts the log into blocks of whole lines, until it ends or hand says false.
func (s *Source) cut(hand func(*block) bool) error {
	var over []byte // the beginning of a line
	skipping := false
	for {
		buffer := make([]byte, len(over)+blockSize)
		n := copy(buffer, over)
		m, err := fill(s.lines, buffer[n:])
		buffer = buffer[:n+m]
		ended := err == io.EOF //nolint:errorlint // the clean end, which nobody wraps
		if err != nil && !ended {
			return fmt.Errorf("reading the log %s: %w", s.Name, err)
		}
		if skipping { // to the end of a line that was too long
			i := bytes.IndexByte(buffer, '\n')
			if i < 0 && !ended {
				over = nil
				continue
			}
			buffer, skipping = buffer[i+1:], false
			if i < 0 {
				buffer = nil
			}
		}
		b := &block{text: buffer, done: make(chan struct{})}
		over = nil
		if !ended {
			i := bytes.LastIndexByte(buffer, '\n')
			b.text, over = buffer[:i+1], buffer[i+1:]
			if len(over) > MaxLine {
				over, skipping, b.cut = nil, true, 1
			}
		}
		if (len(b.text) > 0 || b.cut > 0) && !hand(b) || ended {
			return nil
		}
	}
}

// fill reads as much as fits. Other than by io.ReadFull, the end of the log differs
// from that of a compressed one that breaks off.
func fill(from io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = from.Read(p[n:])
		n += m
	}
	return n, err
}

// shown is what people may see of a line: a piece of it, with everything that is not
// plain replaced.
func shown(line []byte) string {
	const most = 120
	var out []rune
	for len(line) > 0 && len(out) < most {
		r, n := utf8.DecodeRune(line)
		if !unicode.IsPrint(r) {
			r = unicode.ReplacementChar
		}
		out, line = append(out, r), line[n:]
	}
	if len(line) > 0 {
		out = append(out, '…')
	}
	return string(out)
}
