package lines

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
)

// Line is one entry of a file.
type Line struct {
	// Number counts from 1, comments and empty lines too.
	Number int
	// Text has no white space around it, and is never empty.
	Text string
}

// Read returns the entries of a file that has at most so many bytes. Empty lines
// and those that begin with "#" are none.
func Read(name string, most int64) ([]Line, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("reading %s: not a file", name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	if int64(len(raw)) > most {
		return nil, fmt.Errorf("reading %s: more than %d bytes", name, most)
	}
	return Of(raw), nil
}

// Of returns the entries of a text.
func Of(raw []byte) []Line {
	raw = bytes.TrimPrefix(raw, []byte("\xef\xbb\xbf")) // as editors on Windows write
	var out []Line
	n := 0
	for text := range strings.Lines(string(raw)) {
		n++
		if text = strings.TrimSpace(text); text != "" && text[0] != '#' {
			out = append(out, Line{n, text})
		}
	}
	return out
}
