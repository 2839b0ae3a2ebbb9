package accesslog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// shelf is a folder with a log that is rotated, and a clock.
type shelf struct {
	t    *testing.T
	path string
	at   time.Time
	told []error
	w    io.WriteCloser
}

func newShelf(t *testing.T, r Rotation) *shelf {
	t.Helper()
	s := &shelf{t: t, path: filepath.Join(t.TempDir(), "access.log"), at: time.Date(2026, 11, 23, 21, 0, 0, 0, time.UTC)}
	s.reopen(r)
	return s
}

func (s *shelf) reopen(r Rotation) {
	s.t.Helper()
	if s.w != nil {
		s.w.Close()
	}
	var err error
	s.w, err = Rotated(s.path, r, func() time.Time { return s.at }, func(err error) { s.told = append(s.told, err) })()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { s.w.Close() })
}

func (s *shelf) write(text string) {
	s.t.Helper()
	if n, err := s.w.Write([]byte(text)); n != len(text) || err != nil {
		s.t.Errorf("writing %q: %d, %v", text, n, err)
	}
}

// holds compares the files put away, in order, and the current one, by their texts.
func (s *shelf) holds(want ...string) {
	s.t.Helper()
	names, err := filepath.Glob(s.path + "*")
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(names) // the current one is the first
	names = append(names[1:], names[0])
	var got []string
	for _, n := range names {
		b, err := os.ReadFile(n)
		if err != nil {
			s.t.Fatal(err)
		}
		got = append(got, string(b))
	}
	if !slices.Equal(got, want) {
		s.t.Errorf("the files %q hold %q, want %q", names, got, want)
	}
}

func TestRotateBySize(t *testing.T) {
	s := newShelf(t, Rotation{Size: 10})
	s.write("one\ntwo\n")
	s.write("3\n") // just fits
	s.holds("one\ntwo\n3\n")
	s.write("four\n")
	s.holds("one\ntwo\n3\n", "four\n")
	s.write("a line that is longer\n") // is not torn
	s.write("5\n")
	s.holds("one\ntwo\n3\n", "four\n", "a line that is longer\n", "5\n")
	if len(s.told) > 0 {
		t.Error(s.told)
	}
	if _, err := os.Stat(s.path + ".20261123T210000.000"); err != nil {
		t.Errorf("its name has no time in it: %v", err)
	}
}

func TestRotateByTime(t *testing.T) {
	s := newShelf(t, Rotation{Every: 24 * time.Hour})
	s.write("evening\n")
	s.at = time.Date(2026, 11, 23, 23, 59, 59, 999_999_999, time.UTC)
	s.write("night\n")
	s.at = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	s.write("morning\n")
	s.holds("evening\nnight\n", "morning\n")
	s.at = s.at.AddDate(0, 0, 3) // days without a line make no files
	s.write("later\n")
	s.holds("evening\nnight\n", "morning\n", "later\n")
}

// TestRotateAfterRestart: a file knows by its own time how old it is, and its size.
func TestRotateAfterRestart(t *testing.T) {
	r := Rotation{Size: 10, Every: time.Hour}
	s := newShelf(t, r)
	s.write("before\n")
	if err := os.Chtimes(s.path, s.at, s.at); err != nil {
		t.Fatal(err)
	}
	s.reopen(r)
	s.write("x\n")
	s.holds("before\nx\n")
	s.reopen(r)
	s.write("size\n")
	s.holds("before\nx\n", "size\n")
	if err := os.Chtimes(s.path, s.at, s.at); err != nil {
		t.Fatal(err)
	}
	s.at = s.at.Add(time.Hour)
	s.reopen(r)
	s.write("age\n")
	s.holds("before\nx\n", "size\n", "age\n")
}

func TestRotateKeeps(t *testing.T) {
	s := newShelf(t, Rotation{Size: 1, Keep: 2})
	others := []string{s.path + ".1", s.path + ".20261123T210000.000.gz", s.path + "x.20261123T210000.000"}
	for _, o := range others { // not ours
		if err := os.WriteFile(o, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 15 { // twelve of them within one moment
		if i > 12 {
			s.at = s.at.Add(time.Millisecond)
		}
		s.write(fmt.Sprintf("%d\n", i))
	}
	for _, o := range others {
		if err := os.Remove(o); err != nil {
			t.Errorf("what is not the log's was removed: %v", err)
		}
	}
	s.holds("12\n", "13\n", "14\n")
	if len(s.told) > 0 {
		t.Error(s.told)
	}
}

// TestRotateFails: a file that can't be put away is gone on with, which is told, and
// tried again after a while.
func TestRotateFails(t *testing.T) {
	s := newShelf(t, Rotation{Size: 1})
	s.write("one\n")
	gone := filepath.Dir(s.path) + ".gone"
	if err := os.Rename(filepath.Dir(s.path), gone); err != nil {
		t.Fatal(err)
	}
	if _, err := s.w.Write([]byte("lost\n")); err == nil {
		t.Error("written into a folder that is not there")
	}
	if len(s.told) != 1 || !errors.Is(s.told[0], os.ErrNotExist) {
		t.Errorf("told %v", s.told)
	}
	if err := os.Rename(gone, filepath.Dir(s.path)); err != nil {
		t.Fatal(err)
	}
	s.write("two\n")
	s.holds("one\ntwo\n")
	s.at = s.at.Add(rotateAgain)
	s.write("three\n")
	s.holds("one\ntwo\n", "three\n")
}

// TestRotateOnce: of two processes that write one log, as in an upgrade, one puts it
// away and the other goes on with the new file.
func TestRotateOnce(t *testing.T) {
	a := newShelf(t, Rotation{Size: 10})
	b := &shelf{t: t, path: a.path, at: a.at}
	b.reopen(Rotation{Size: 10})
	a.write("a one\n")
	b.write("b one\n")
	b.write("b two\n") // b has seen 6 bytes, and rotates
	a.write("a two\n")
	a.holds("a one\nb one\n", "b two\na two\n")
	if len(a.told)+len(b.told) > 0 {
		t.Error(a.told, b.told)
	}
}

func TestRotateCannotOpen(t *testing.T) {
	open := Rotated(filepath.Join(t.TempDir(), "missing", "a.log"), Rotation{Size: 1}, time.Now, func(error) {})
	if _, err := open(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// TestSinkRotates puts both together: no line is lost or torn.
func TestSinkRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "access.log")
	s := NewSink(2)
	stop := run(t, s, Rotated(path, Rotation{Size: 100_000}, time.Now, func(err error) { t.Error(err) }))
	const n = 10_000
	for i := range n {
		l := s.Begin()
		l.B = fmt.Appendf(l.B, "%06d %s\n", i, strings.Repeat("x", 100))
		s.Commit(l)
		if i%500 == 0 { // a slow disk is another test's
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	stop()
	names, err := filepath.Glob(path + "*")
	if err != nil || len(names) < n*108/100_000 {
		t.Errorf("%d files, %v", len(names), err)
	}
	seen := map[string]bool{}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil || len(b) > 100_000 {
			t.Errorf("%s has %d bytes, %v", name, len(b), err)
		}
		for line := range strings.Lines(string(b)) {
			if len(line) != 108 || seen[line[:6]] {
				t.Errorf("%s: %q", name, line)
			}
			seen[line[:6]] = true
		}
	}
	if len(seen) != n || s.Dropped() > 0 {
		t.Errorf("%d lines, %d dropped", len(seen), s.Dropped())
	}
}
