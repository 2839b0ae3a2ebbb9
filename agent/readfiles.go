package agent

import (
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/lictor/lictor/agent/config"
)

// paths are what a configuration is read from.
type paths struct {
	files []string
	dirs  []string // whose configuration files are read
}

// pathsOf lists what was read for a configuration, and what would have been had
// it been there.
func pathsOf(c *config.Config, loaded *config.Files) paths {
	p := paths{loaded.Names(), loaded.Dirs()}
	for _, path := range c.Policies.Paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			p.dirs = append(p.dirs, path)
		} else {
			p.files = append(p.files, path)
		}
	}
	for i := range c.ErrorPages {
		p.files = append(p.files, c.ErrorPages[i].File)
	}
	p.files = append(p.files, c.Policy.StepFiles()...)
	return p
}

// with returns the paths of both, sorted.
func (p paths) with(o paths) paths {
	union := func(a, b []string) []string {
		all := slices.Concat(a, b)
		slices.Sort(all)
		return slices.Compact(all)
	}
	return paths{union(p.files, o.files), union(p.dirs, o.dirs)}
}

func (p paths) equal(o paths) bool {
	return slices.Equal(p.files, o.files) && slices.Equal(p.dirs, o.dirs)
}

// digest is that of the files, and of the configuration files in the
// directories, as they are now. What can't be read counts as such.
func (p paths) digest() [sha256.Size]byte {
	files := slices.Clone(p.files)
	for _, d := range p.dirs {
		entries, _ := os.ReadDir(d)
		for _, e := range entries {
			if config.IsConfigFile(e.Name()) && !e.IsDir() {
				files = append(files, filepath.Join(d, e.Name()))
			}
		}
	}
	slices.Sort(files)
	h := sha256.New()
	for _, f := range slices.Compact(files) {
		text, err := os.ReadFile(f)
		sum := sha256.Sum256(text)
		if err != nil {
			sum = [sha256.Size]byte{}
		}
		h.Write([]byte(f))
		h.Write(sum[:])
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// concerns reports whether an entry of a watched directory may change what the
// paths hold. Logs and data may lie there too and be written all the time.
func (p paths) concerns(name string) bool {
	if config.IsConfigFile(name) || strings.HasPrefix(name, "..") { // links by which orchestrators swap whole directories
		return true
	}
	same := func(path string) bool {
		return filepath.Base(path) == name || filepath.Base(resolved(path)) == name
	}
	return slices.ContainsFunc(p.files, same) || slices.ContainsFunc(p.dirs, same)
}

// watchable lists the directories in which something happens when the paths are
// changed: those that are read, and those that hold the names of files,
// directories and what they are links to, since each may be replaced.
func (p paths) watchable() []string {
	dirs := slices.Clone(p.dirs)
	for _, path := range slices.Concat(p.files, p.dirs) {
		dirs = append(dirs, filepath.Dir(path), filepath.Dir(resolved(path)))
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// resolved is where a chain of links ends, the path itself when it ends nowhere.
func resolved(path string) string {
	if r, err := filepath.EvalSymlinks(path); err == nil {
		return r
	}
	return path
}

// readFiles is what the last loading of the configuration read, whether it was
// accepted or refused, so that a change since then can be told.
type readFiles struct {
	mu      sync.Mutex
	paths   paths
	content [sha256.Size]byte
}

// set takes note of the paths as they are now.
func (r *readFiles) set(p paths) {
	content := p.digest()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths, r.content = p, content
}

// begin returns the digest of what is about to be read again.
func (r *readFiles) begin() [sha256.Size]byte { return r.current().digest() }

// end takes note of what a loading read. Where that is the same files as before,
// the digest from the beginning stands: what was written meanwhile counts as a
// change then, whether or not it was read.
func (r *readFiles) end(begun [sha256.Size]byte, p paths) {
	if !p.equal(r.current()) {
		begun = p.digest()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paths, r.content = p, begun
}

func (r *readFiles) current() paths {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.paths
}

// changed reports whether the files hold something else than was read.
func (r *readFiles) changed() bool {
	r.mu.Lock()
	p, content := r.paths, r.content
	r.mu.Unlock()
	return p.digest() != content
}
