package agent

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
)

// settle is how long files must be quiet before they are read: an editor writes
// in several steps, and a deployment writes several files. After longest they
// are read all the same.
const (
	settle  = 150 * time.Millisecond
	longest = 2 * time.Second
)

// watchFiles reloads when the content of a configuration file changes. It
// watches directories, because editors and orchestrators replace files instead
// of writing them. A reload for another reason makes it forget what it has seen:
// nothing is loaded twice.
func (a *Agent) watchFiles(ctx context.Context) {
	if !a.config.Policies.Watch {
		return
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		a.log.Error("files can't be watched, reload by hand", "error", err)
		return
	}
	defer w.Close() //nolint:errcheck // nothing is lost
	a.watchAll(w)
	timer := time.NewTimer(settle) // what changed between the load and now
	defer timer.Stop()
	var first time.Time // event since the last look, zero for none
	for {
		select {
		case <-ctx.Done():
			return
		case err, ok := <-w.Errors:
			if !ok {
				return
			}
			a.log.Warn("watching files", "error", err)
			timer.Reset(settle) // events may have been lost
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if !a.read.current().concerns(filepath.Base(e.Name)) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, longest-time.Since(first)))
		case <-timer.C:
			first = time.Time{}
			a.watchAll(w) // a directory that was replaced is another one
			if a.read.changed() {
				_, _ = a.Reload()   // it has logged what is wrong
				a.watchAll(w)       // it may have named other files
				timer.Reset(settle) // which changed before they were watched
			}
		}
	}
}

// watchAll watches every directory that matters.
func (a *Agent) watchAll(w *fsnotify.Watcher) {
	for _, d := range a.read.current().watchable() {
		if err := w.Add(d); err != nil && !errors.Is(err, fs.ErrNotExist) {
			a.log.Warn("directory can't be watched", "directory", d, "error", err)
		}
	}
}
