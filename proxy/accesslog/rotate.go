package accesslog

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Rotation says when a log's file is put away and a new one begun.
type Rotation struct {
	// Size is the most bytes that a file is to have; 0 means no bound. A file is
	// never longer, unless one write is: what comes at once, 64 KiB at most.
	Size int64
	// Every is how long a file is written to: until the next whole multiple of it
	// since the Unix epoch, in UTC, so that "24h" ends at midnight. 0 means no bound.
	Every time.Duration
	// Keep is how many files put away are kept, the newest; 0 means all.
	Keep int
}

const (
	// fileMode is a log's: its group may read it.
	fileMode = 0o640
	// putAway is what the name of a file put away ends with, in UTC.
	putAway = "20060102T150405.000"
	// rotateAgain is how long a file is gone on with that can't be put away.
	rotateAgain = time.Minute
)

var putAwayEnd = regexp.MustCompile(`^\.\d{8}T\d{6}\.\d{3}(-\d{4,})?$`)

// OpenFile opens a log's file to append to.
func OpenFile(path string) (io.WriteCloser, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
}

// Rotated returns an opener of the file at path that puts it away by r, under its
// name with the time behind it. told hears of a file that can't be put away, or not be
// removed; lines go on then as they can.
func Rotated(path string, r Rotation, now func() time.Time, told func(error)) Opener {
	return func() (io.WriteCloser, error) {
		w := &rotating{path: path, r: r, now: now, told: told}
		return w, w.open()
	}
}

// rotating is a file that is put away from time to time. It is one goroutine's.
type rotating struct {
	path string
	r    Rotation
	now  func() time.Time
	told func(error)

	f     *os.File // nil when the last one could not be opened
	size  int64
	last  time.Time // of the last write
	again time.Time // no rotation before
}

func (w *rotating) open() error {
	f, err := os.OpenFile(w.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, fileMode)
	if err != nil {
		return err
	}
	w.f, w.size, w.last = f, 0, w.now()
	if info, err := f.Stat(); err == nil && info.Size() > 0 {
		w.size, w.last = info.Size(), info.ModTime()
	}
	return nil
}

// Write implements io.Writer. What is written at once stays in one file.
func (w *rotating) Write(p []byte) (int, error) {
	now := w.now()
	if w.f != nil && w.due(now, len(p)) {
		if err := w.rotate(now); err != nil {
			w.told(fmt.Errorf("putting the log away: %w", err))
			w.again = now.Add(rotateAgain)
		}
	}
	if w.f == nil {
		if err := w.open(); err != nil {
			return 0, err
		}
	}
	n, err := w.f.Write(p)
	w.size += int64(n)
	w.last = now
	return n, err
}

// due reports whether n more bytes belong into another file.
func (w *rotating) due(now time.Time, n int) bool {
	switch {
	case w.size == 0 || now.Before(w.again):
		return false
	case w.r.Size > 0 && w.size+int64(n) > w.r.Size:
		return true
	}
	return w.r.Every > 0 && now.UnixNano()/int64(w.r.Every) > w.last.UnixNano()/int64(w.r.Every)
}

// rotate puts the file away. It is closed before it is renamed, as some systems want
// it. When it can't be renamed it is gone on with. One that somebody else has moved,
// such as the process that takes over in an upgrade, is put away already.
func (w *rotating) rotate(now time.Time) error {
	moved := w.moved()
	_ = w.f.Close()
	w.f = nil
	if moved {
		return w.open()
	}
	err := os.Rename(w.path, w.free(now))
	if opened := w.open(); err == nil {
		err = opened
	}
	if err == nil {
		err = w.prune()
	}
	return err
}

// moved reports whether the file at the path is not the one that is written to.
func (w *rotating) moved() bool {
	ours, err := w.f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(w.path)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	return !os.SameFile(ours, there)
}

// free returns a name that no file has yet.
func (w *rotating) free(now time.Time) string {
	name := w.path + "." + now.UTC().Format(putAway)
	for n := 1; ; n++ {
		try := name
		if n > 1 {
			try += fmt.Sprintf("-%04d", n)
		}
		if _, err := os.Lstat(try); errors.Is(err, fs.ErrNotExist) {
			return try
		}
	}
}

// prune removes the oldest files put away. Their names sort by time.
func (w *rotating) prune() error {
	if w.r.Keep == 0 {
		return nil
	}
	dir, base := filepath.Split(w.path)
	if dir == "" {
		dir = "."
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var away []string
	for _, e := range entries {
		if n := e.Name(); len(n) > len(base) && n[:len(base)] == base && putAwayEnd.MatchString(n[len(base):]) {
			away = append(away, n)
		}
	}
	slices.Sort(away)
	var errs []error
	for _, n := range away[:max(0, len(away)-w.r.Keep)] {
		errs = append(errs, os.Remove(filepath.Join(dir, n)))
	}
	return errors.Join(errs...)
}

// Close implements io.Closer.
func (w *rotating) Close() error {
	if w.f == nil {
		return nil
	}
	return w.f.Close()
}
