package main

import (
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lictor/lictor/agent"
)

// exitTrouble is the exit code of diff when it can't tell, as of diff(1).
const exitTrouble = 2

// difference is one key whose text is not its file's.
type difference struct {
	Key   string `json:"key"`
	File  string `json:"file"`
	State string `json:"state"` // created, changed or kept: what a push would do
	Diff  string `json:"diff"`  // unified, from Consul to the file
}

func runDiff(e env, args []string) int {
	s, code, ok := openStore(e, "diff", args, func(*flag.FlagSet) {})
	if !ok {
		if code == exitFailed {
			code = exitTrouble
		}
		return code
	}
	defer s.done()
	found, err := s.differences()
	if err != nil {
		fail(e, err)
		return exitTrouble
	}
	if s.json {
		printJSON(e.stdout, map[string]any{"prefix": s.kv.Prefix(), "differences": found})
	}
	for _, d := range found {
		if s.json {
			break
		}
		if d.State == "kept" {
			fmt.Fprintf(e.stdout, "Only in Consul: %s (push keeps it, push -prune removes it)\n", shown(d.Key))
			continue
		}
		for line := range strings.Lines(d.Diff) {
			fmt.Fprintln(e.stdout, shown(strings.TrimSuffix(line, "\n")))
		}
	}
	if len(found) > 0 {
		return exitFailed
	}
	return exitOK
}

// differences compares Consul with the folder, sorted by key.
func (s *store) differences() ([]difference, error) {
	ctx, cancel := interruptible()
	defer cancel()
	there, err := s.kv.Read(ctx)
	if err != nil {
		return nil, err
	}
	files, err := s.read(there)
	if err != nil {
		return nil, err
	}
	texts := map[string][]byte{}
	for _, d := range there.List {
		texts[d.Key] = d.Text
	}
	p := newPlan(s.kv.Prefix(), files, there, false)
	states := map[string]string{}
	for state, keys := range map[string][]string{"created": p.Created, "changed": p.Changed, "kept": p.Kept} {
		for _, key := range keys {
			states[key] = state
		}
	}
	found := []difference{}
	for _, key := range slices.Sorted(maps.Keys(states)) {
		name := s.relative(key)
		d := difference{Key: key, File: filepath.Join(s.dir, filepath.FromSlash(name)), State: states[key]}
		from, to := agent.KVSourceName(key), d.File
		switch d.State {
		case "created":
			from = "/dev/null"
		case "kept":
			to = "/dev/null"
		}
		d.Diff = unified(from, to, string(texts[key]), string(files[name]))
		found = append(found, d)
	}
	return found, nil
}

// shown keeps what lies in Consul from speaking to the terminal.
func shown(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' {
			return c
		}
		return printable(c)
	}, s)
}
