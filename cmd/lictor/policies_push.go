package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"path/filepath"

	"github.com/lictor/lictor/agent"
	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// plan is what a push does, and what diff shows: whole keys, sorted.
type plan struct {
	Prefix  string   `json:"prefix"`
	Created []string `json:"created"`
	Changed []string `json:"changed"`
	Removed []string `json:"removed"`
	// Kept have no file and stay all the same.
	Kept []string `json:"kept"`
	Same []string `json:"same"`

	changes []consul.Change
	stays   []consul.Document // as they are, Same and Kept
}

// newPlan compares a folder with what lies in Consul.
func newPlan(prefix string, files folder, there *consul.Documents, prune bool) *plan {
	p := &plan{Prefix: prefix, Created: []string{}, Changed: []string{}, Removed: []string{}, Kept: []string{}, Same: []string{}}
	known := map[string]bool{}
	for _, d := range there.List {
		known[d.Key] = true
		text, ok := files[d.Key[len(prefix):]]
		switch {
		case ok && bytes.Equal(text, d.Text):
			p.Same = append(p.Same, d.Key)
			p.stays = append(p.stays, d)
		case ok:
			p.Changed = append(p.Changed, d.Key)
			p.changes = append(p.changes, consul.Change{Key: d.Key, Was: d.Version, Text: written(text)})
		case prune:
			p.Removed = append(p.Removed, d.Key)
			p.changes = append(p.changes, consul.Change{Key: d.Key, Was: d.Version})
		default:
			p.Kept = append(p.Kept, d.Key)
			p.stays = append(p.stays, d)
		}
	}
	for _, name := range files.names() {
		if key := prefix + name; !known[key] {
			p.Created = append(p.Created, key)
			p.changes = append(p.changes, consul.Change{Key: key, Text: written(files[name])})
		}
	}
	return p
}

// written is a text that is written even if it is empty.
func written(text []byte) []byte {
	if text == nil {
		return []byte{}
	}
	return text
}

func runPush(e env, args []string) int {
	var prune bool
	s, code, ok := openStore(e, "push", args, func(fs *flag.FlagSet) {
		fs.BoolVar(&prune, "prune", false, "remove the keys that have no file")
	})
	if !ok {
		return code
	}
	defer s.done()
	ctx, cancel := interruptible()
	defer cancel()
	there, err := s.kv.Read(ctx)
	if err != nil {
		return fail(e, err)
	}
	files, err := s.read(there)
	if err != nil {
		return fail(e, err)
	}
	if len(files) == 0 {
		return fail(e, fmt.Errorf("there are no policy files in %s (*.hcl, *.hcl.json), and nothing is removed; `consul kv delete -recurse %s` removes all", s.dir, s.kv.Prefix()))
	}
	p := newPlan(s.kv.Prefix(), files, there, prune)
	if !s.valid(e, p, files) {
		return exitFailed
	}
	if len(p.changes) > 0 {
		if err := s.kv.Write(ctx, p.changes, p.stays); err != nil {
			if conflict, ok := errors.AsType[*consul.ConflictError](err); ok {
				err = fmt.Errorf("%w: look with `lictor policies diff`, or take it with `lictor policies pull`, and push again", conflict)
			}
			return fail(e, err)
		}
	}
	if s.json {
		printJSON(e.stdout, p)
		return exitOK
	}
	p.print(e)
	return exitOK
}

// read reads the folder.
func (s *store) read(there *consul.Documents) (folder, error) {
	known := map[string]bool{}
	for _, d := range there.List {
		known[s.relative(d.Key)] = true
	}
	return readFolder(s.dir, func(name string) bool { return known[name] })
}

// valid checks what will lie in Consul after the push, all of it together and
// with the gateway's configuration, and prints what is wrong.
func (s *store) valid(e env, p *plan, files folder) bool {
	var texts []config.Source
	for _, name := range files.names() {
		texts = append(texts, config.Source{Name: filepath.Join(s.dir, filepath.FromSlash(name)), Text: files[name], Remote: true})
	}
	for _, d := range p.stays {
		if _, ok := files[s.relative(d.Key)]; !ok {
			texts = append(texts, config.Source{Name: agent.KVSourceName(d.Key), Text: d.Text, Remote: true})
		}
	}
	found, diags := config.ValidateTexts(agent.ValidateOptions(), texts, s.configs...)
	if err := found.Write(e.stderr, diags, 0, colour(e)); err != nil {
		fail(e, err)
		return false
	}
	if !diags.HasErrors() {
		return true
	}
	if len(s.configs) == 0 {
		fmt.Fprint(e.stderr, "Nothing was written. If the policies refer to what the gateway's files define, name them with -config-file.\n")
		return false
	}
	fmt.Fprint(e.stderr, "Nothing was written.\n")
	return false
}

// print tells a person what was done.
func (p *plan) print(e env) {
	for _, done := range []struct {
		what string
		keys []string
	}{{"created", p.Created}, {"changed", p.Changed}, {"removed", p.Removed}} {
		for _, key := range done.keys {
			fmt.Fprintf(e.stdout, "%s %s\n", done.what, shown(key))
		}
	}
	for _, key := range p.Kept {
		fmt.Fprintf(e.stderr, "Note: %s has no file and was kept; -prune removes it.\n", shown(key))
	}
	if len(p.changes) == 0 {
		fmt.Fprintln(e.stdout, "Nothing to push: Consul has it all.")
		return
	}
	fmt.Fprintf(e.stdout, "Pushed as one transaction: %d created, %d changed, %d removed.\n", len(p.Created), len(p.Changed), len(p.Removed))
}
