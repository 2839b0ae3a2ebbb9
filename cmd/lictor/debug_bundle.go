package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

// bundle is a compressed archive that several goroutines put files into.
type bundle struct {
	name   string // of the folder in it
	file   *os.File
	gz     *gzip.Writer
	tar    *tar.Writer
	now    func() time.Time
	secret string // never to be in it, "" for none

	mu    sync.Mutex
	index bundleIndex
	err   error // of writing the archive
}

// bundleIndex is index.json: what is in the archive, and what could not be had.
type bundleIndex struct {
	Gateway  string        `json:"gateway"`
	Tool     string        `json:"tool"` // the version of what wrote the archive
	Begun    time.Time     `json:"begun"`
	Ended    time.Time     `json:"ended"`
	Duration string        `json:"duration"` // as was asked for
	Interval string        `json:"interval"`
	Early    bool          `json:"ended_early"`
	Files    []bundleFile  `json:"files"`
	Failures []bundleError `json:"failures"`
}

type bundleFile struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Bytes int       `json:"bytes"`
}

type bundleError struct {
	Name  string    `json:"name"`
	At    time.Time `json:"at"`
	Error string    `json:"error"`
}

// newBundle creates the archive, which must not be there yet and is for its owner.
func newBundle(file, name string, now func() time.Time) (*bundle, error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("creating the bundle: %w", err)
	}
	gz := gzip.NewWriter(f)
	return &bundle{name: name, file: f, gz: gz, tar: tar.NewWriter(gz), now: now}, nil
}

// put adds a file, or notes why there is none. What came before an error is kept.
func (b *bundle) put(name string, content []byte, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := b.now().UTC()
	if err != nil {
		b.index.Failures = append(b.index.Failures, bundleError{name, at, b.clean(err.Error())})
		if len(content) == 0 {
			return
		}
	}
	if b.secret != "" {
		content = bytes.ReplaceAll(content, []byte(b.secret), []byte(hidden))
	}
	b.index.Files = append(b.index.Files, bundleFile{name, at, len(content)})
	b.write(name, at, content)
}

// hidden stands where a secret was.
const hidden = "<hidden>"

func (b *bundle) clean(text string) string {
	if b.secret == "" {
		return text
	}
	return strings.ReplaceAll(text, b.secret, hidden)
}

// write adds a file to the archive; the first error is kept.
func (b *bundle) write(name string, at time.Time, content []byte) {
	if b.err != nil {
		return
	}
	h := &tar.Header{Name: path.Join(b.name, name), Mode: 0o600, Size: int64(len(content)), ModTime: at, Format: tar.FormatPAX}
	if b.err = b.tar.WriteHeader(h); b.err == nil {
		_, b.err = b.tar.Write(content)
	}
}

// putJSON adds a value as JSON.
func (b *bundle) putJSON(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	b.put(name, append(text, '\n'), err)
}

// close writes the index and ends the archive.
func (b *bundle) close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.index.Ended = b.now().UTC()
	slices.SortFunc(b.index.Files, func(x, y bundleFile) int { return strings.Compare(x.Name, y.Name) })
	text, err := json.MarshalIndent(b.index, "", "  ")
	b.write("index.json", b.index.Ended, append(text, '\n'))
	if err := errors.Join(err, b.err, b.tar.Close(), b.gz.Close(), b.file.Close()); err != nil {
		return fmt.Errorf("writing the bundle: %w", err)
	}
	return nil
}

// list tells what is in the archive.
func (b *bundle) list(w io.Writer) {
	g := newGrid(keys{0}, "FILE", "BYTES")
	for _, f := range b.index.Files {
		g.row(f.Name, f.Bytes)
	}
	g.write(w)
}
