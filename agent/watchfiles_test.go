package agent

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// watched is a gateway that watches a folder of policies.
type watched struct {
	*gateway
	dir, policies string
}

// policy is the text of a route.
func policy(name string) string { return route(name, "/"+name, "s") }

func watching(t *testing.T, policies func(dir string) string) *watched {
	t.Helper()
	w := &watched{dir: t.TempDir()}
	w.policies = policies(w.dir)
	w.gateway = start(t, service("s", says(t, "one"))+fmt.Sprintf("policies {\n  paths = [%q]\n}\n", w.policies)).awaitReady()
	return w
}

// folder makes the folder of policies with one file in it.
func folder(t *testing.T) func(dir string) string {
	return func(dir string) string {
		p := filepath.Join(dir, "policies")
		mkdir(t, p)
		write(t, filepath.Join(p, "a.hcl"), policy("a"))
		return p
	}
}

func mkdir(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

// replace writes a file in one step, so that whoever reads it just then finds what it
// held before or all of what it holds now, and never nothing.
func replace(t *testing.T, file, text string) {
	t.Helper()
	next := filepath.Join(t.TempDir(), "next")
	write(t, next, text)
	rename(t, next, file)
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func symlink(t *testing.T, to, at string) {
	t.Helper()
	if err := os.Symlink(to, at); err != nil {
		t.Fatal(err)
	}
}

func (w *watched) generation() uint64 { return w.current.Load().number }

// serves waits until the route of that name is there, or is not.
func (w *watched) serves(name string, want bool) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("route %s there: %v", name, want), func() bool {
		return (w.current.Load().route(name) != nil) == want
	})
}

func TestWatchNewFile(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	write(t, filepath.Join(w.policies, "b.hcl"), policy("b"))
	w.serves("b", true)
	w.serves("a", true)
	if err := os.Remove(filepath.Join(w.policies, "a.hcl")); err != nil {
		t.Fatal(err)
	}
	w.serves("a", false)
}

// Editors write another file and give it the name of the first.
func TestWatchAtomicRename(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	for i, name := range []string{"b", "c"} {
		write(t, filepath.Join(w.policies, ".a.hcl.swp"), policy(name))
		rename(t, filepath.Join(w.policies, ".a.hcl.swp"), filepath.Join(w.policies, "a.hcl"))
		w.serves(name, true)
		if n := w.generation(); n != uint64(i)+2 {
			t.Errorf("generation %d after %d changes", n, i+1)
		}
	}
}

// Kubernetes mounts a directory whose files are links into another, behind a link
// named ..data that it swaps.
func TestWatchSwappedData(t *testing.T) {
	t.Parallel()
	w := watching(t, func(dir string) string {
		p := filepath.Join(dir, "policies")
		mkdir(t, filepath.Join(p, "..1"))
		write(t, filepath.Join(p, "..1", "a.hcl"), policy("a"))
		symlink(t, "..1", filepath.Join(p, "..data"))
		symlink(t, filepath.Join("..data", "a.hcl"), filepath.Join(p, "a.hcl"))
		return p
	})
	for i, name := range []string{"b", "c"} {
		next := fmt.Sprintf("..%d", i+2)
		mkdir(t, filepath.Join(w.policies, next))
		write(t, filepath.Join(w.policies, next, "a.hcl"), policy(name))
		symlink(t, next, filepath.Join(w.policies, "..data_tmp"))
		rename(t, filepath.Join(w.policies, "..data_tmp"), filepath.Join(w.policies, "..data"))
		if err := os.RemoveAll(filepath.Join(w.policies, fmt.Sprintf("..%d", i+1))); err != nil {
			t.Fatal(err)
		}
		w.serves(name, true)
	}
}

// Deployments replace the whole directory, or the link to it.
func TestWatchReplacedDirectory(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	for i, name := range []string{"b", "c"} {
		next := filepath.Join(w.dir, "next")
		mkdir(t, next)
		write(t, filepath.Join(next, "a.hcl"), policy(name))
		rename(t, w.policies, filepath.Join(w.dir, fmt.Sprintf("old-%d", i)))
		rename(t, next, w.policies)
		w.serves(name, true)
	}
	write(t, filepath.Join(w.policies, "d.hcl"), policy("d")) // the new one is watched too
	w.serves("d", true)
}

func TestWatchReplacedLink(t *testing.T) {
	t.Parallel()
	release := func(dir, name string) string {
		p := filepath.Join(dir, "releases", name)
		mkdir(t, p)
		write(t, filepath.Join(p, "policy.hcl"), policy(name))
		return p
	}
	w := watching(t, func(dir string) string {
		p := filepath.Join(dir, "current")
		symlink(t, release(dir, "a"), p)
		return p
	})
	symlink(t, release(w.dir, "b"), filepath.Join(w.dir, "next"))
	rename(t, filepath.Join(w.dir, "next"), w.policies)
	w.serves("b", true)
	write(t, filepath.Join(w.dir, "releases", "b", "more.hcl"), policy("c"))
	w.serves("c", true)
}

// The agent's own file may be a link, and what is edited is its target.
func TestWatchTargetOfLink(t *testing.T) {
	t.Parallel()
	w := watching(t, func(dir string) string {
		mkdir(t, filepath.Join(dir, "elsewhere"))
		write(t, filepath.Join(dir, "elsewhere", "x"), policy("a"))
		symlink(t, filepath.Join(dir, "elsewhere", "x"), filepath.Join(dir, "a.hcl"))
		return filepath.Join(dir, "a.hcl")
	})
	write(t, filepath.Join(w.dir, "elsewhere", "x"), policy("b"))
	w.serves("b", true)
}

// What can't be used is told once, changes nothing, and is tried again once it
// has been mended.
func TestWatchBrokenThenFixed(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	replace(t, filepath.Join(w.policies, "b.hcl"), "route {")
	const refused = "reload refused, the previous configuration stays: generation=1"
	eventually(t, "the reload is refused", func() bool { return w.log.count(refused) == 1 })
	w.serves("a", true)
	replace(t, filepath.Join(w.policies, "b.hcl"), policy("b"))
	w.serves("b", true)
	if n := w.generation(); n != 2 || w.log.count(refused) != 1 {
		t.Errorf("generation %d; refused %d times", n, w.log.count(refused))
	}
}

// What a refused configuration named for the first time is watched as well: the
// mistake may be there.
func TestWatchWhatWasRefused(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	other := filepath.Join(w.dir, "other")
	mkdir(t, other)
	write(t, filepath.Join(other, "b.hcl"), "route {")
	replace(t, w.file, complete(service("s", says(t, "one"))+fmt.Sprintf("policies {\n  paths = [%q, %q]\n}\n", w.policies, other)))
	eventually(t, "the reload is refused", func() bool { return w.log.count("reload refused") == 1 })
	replace(t, filepath.Join(other, "b.hcl"), policy("b"))
	w.serves("b", true)
}

// The file of an error page is a part of the configuration.
func TestWatchErrorPage(t *testing.T) {
	t.Parallel()
	page := filepath.Join(t.TempDir(), "404.html")
	write(t, page, "nothing here")
	g := start(t, fmt.Sprintf("error_page {\n  status = [404]\n  file = %q\n}\npolicies {\n}\n", page)).awaitReady()
	if a := g.get("/"); a.body != "nothing here" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	replace(t, page, "nothing at all")
	eventually(t, "the new page is shown", func() bool { return g.get("/").body == "nothing at all" })
}

// Logs, data and what editors leave behind are no reason to reload, nor is a file
// that was written with what it held before. What follows is, and takes one
// reload.
func TestWatchUnrelated(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	replace(t, filepath.Join(w.policies, "access.log"), "line")
	replace(t, filepath.Join(w.policies, "a.hcl~"), policy("x"))
	replace(t, filepath.Join(w.policies, ".a.hcl.swp"), policy("y"))
	replace(t, filepath.Join(w.policies, "a.hcl"), policy("a"))
	replace(t, filepath.Join(w.dir, "unrelated.hcl"), policy("z"))
	replace(t, filepath.Join(w.policies, "b.hcl"), policy("b"))
	w.serves("b", true)
	if n := w.generation(); n != 2 {
		t.Errorf("generation %d after one change", n)
	}
}

// A reload by hand takes up what the watch has not seen yet; it is not loaded
// twice.
func TestWatchAndReloadByHand(t *testing.T) {
	t.Parallel()
	w := watching(t, folder(t))
	replace(t, filepath.Join(w.policies, "b.hcl"), policy("b"))
	report, err := w.Reload()
	if err != nil {
		t.Fatal(err)
	}
	if w.read.changed() {
		t.Error("what was just read counts as changed")
	}
	replace(t, filepath.Join(w.policies, "c.hcl"), policy("c"))
	w.serves("c", true)
	if n := w.generation(); n > report.Generation+1 {
		t.Errorf("generation %d after %d and one more change", n, report.Generation)
	}
}

// Files may be left to reloads by hand.
func TestWatchOff(t *testing.T) {
	t.Parallel()
	g := start(t, "") // says watch = false
	write(t, g.file, complete(policy("a")))
	if !g.read.changed() {
		t.Error("the change is not seen")
	}
	if _, err := g.Reload(); err != nil || g.current.Load().number != 2 || g.read.changed() {
		t.Errorf("generation %d, %v", g.current.Load().number, err)
	}
}
