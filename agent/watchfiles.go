package agent

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/lictor/lictor/agent/config"
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
// of writing them.
func (a *Agent) watchFiles(ctx context.Context) {
	if !a.current.Load().config.Policies.Watch {
		return
	}
	w, err := fsnotify.NewWatcher()
	if err != nil {
		a.log.Error("files can't be watched, reload by hand", "error", err)
		return
	}
	defer w.Close() //nolint:errcheck // nothing is lost
	a.watchAll(w)
	last := a.current.Load().content
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
		case e, ok := <-w.Events:
			if !ok {
				return
			}
			if !a.concerns(e.Name) {
				continue
			}
			if first.IsZero() {
				first = time.Now()
			}
			timer.Reset(min(settle, longest-time.Since(first)))
		case <-timer.C:
			first = time.Time{}
			if now := contentOf(a.watched()); now != last {
				last = now
				_, _ = a.Reload() // it has logged what is wrong
				a.watchAll(w)
			}
		}
	}
}

// concerns reports whether an entry of a watched directory may change the
// configuration. Logs and data may lie there too and be written all the time.
func (a *Agent) concerns(path string) bool {
	name := filepath.Base(path)
	if config.IsConfigFile(name) || strings.HasPrefix(name, "..") { // links by which orchestrators swap whole directories
		return true
	}
	files, dirs := a.watched()
	same := func(p string) bool { return filepath.Base(p) == name }
	return slices.ContainsFunc(files, same) || slices.ContainsFunc(dirs, same)
}

// watched lists the files and directories of the current generation and of the
// options, which may have been missing then.
func (a *Agent) watched() (files, dirs []string) {
	g := a.current.Load()
	return sourcesOf(g.config, g.files)
}

func sourcesOf(c *config.Config, loaded *config.Files) (files, dirs []string) {
	files, dirs = loaded.Names(), loaded.Dirs()
	for _, p := range c.Policies.Paths {
		if info, err := os.Stat(p); err == nil && info.IsDir() {
			dirs = append(dirs, p)
		} else {
			files = append(files, p)
		}
	}
	return files, dirs
}

// watchAll watches every directory that matters.
func (a *Agent) watchAll(w *fsnotify.Watcher) {
	files, dirs := a.watched()
	for _, f := range files {
		dirs = append(dirs, filepath.Dir(f))
	}
	slices.Sort(dirs)
	for _, d := range slices.Compact(dirs) {
		if err := w.Add(d); err != nil {
			a.log.Warn("directory can't be watched", "directory", d, "error", err)
		}
	}
}

// contentOf digests the files, and the configuration files in the directories.
func contentOf(files, dirs []string) [sha256.Size]byte {
	for _, d := range dirs {
		entries, _ := os.ReadDir(d) //nolint:errcheck // a missing directory is an empty one here
		for _, e := range entries {
			if config.IsConfigFile(e.Name()) && !e.IsDir() {
				files = append(files, filepath.Join(d, e.Name()))
			}
		}
	}
	slices.Sort(files)
	h := sha256.New()
	for _, f := range slices.Compact(files) {
		text, err := os.ReadFile(f) //nolint:gosec // the paths are the operator's own
		sum := sha256.Sum256(text)
		if err != nil {
			sum = [sha256.Size]byte{}
		}
		h.Write([]byte(f))
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}
