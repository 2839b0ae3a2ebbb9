package harness

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
)

// Log keeps what a program printed. The zero value is empty and ready; it may be
// written and read at once.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write appends to the log.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all that was printed.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Contains says whether the text was printed.
func (l *Log) Contains(text string) bool { return strings.Contains(l.String(), text) }

// Count returns how often the text was printed.
func (l *Log) Count(text string) int { return strings.Count(l.String(), text) }

// pipe returns what a program and those that it starts can write into the log by,
// whichever of them ends first. The caller closes it once they run.
func (l *Log) pipe(t testing.TB) (*os.File, error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	var copied sync.WaitGroup
	copied.Go(func() { _, _ = io.Copy(l, r) }) // until the last of them has ended
	t.Cleanup(func() {
		copied.Wait()
		r.Close()
	})
	return w, nil
}

// showOnFailure prints the end of the log when the test has failed. All of it is
// among the test's artifacts (go test -artifacts).
func (l *Log) showOnFailure(t testing.TB, name string) {
	dir := t.ArtifactDir() // asked for now, so that it is removed later than this writes
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		text := l.String()
		if err := keep(text, dir, strings.ReplaceAll(name, " ", "-")+"-*.log"); err != nil {
			t.Log(err)
		}
		const most = 4_000
		if len(text) > most {
			text = "...\n" + text[len(text)-most:]
		}
		t.Logf("%s printed:\n%s", name, text)
	})
}

// keep writes a text to a new file.
func keep(text, dir, pattern string) error {
	f, err := os.CreateTemp(dir, pattern)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
