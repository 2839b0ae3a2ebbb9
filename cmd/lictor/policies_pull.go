package main

import (
	"flag"
	"fmt"
	"path/filepath"
)

func runPull(e env, args []string) int {
	var force bool
	s, code, ok := openStore(e, "pull", args, func(fs *flag.FlagSet) {
		fs.BoolVar(&force, "force", false, "overwrite files that differ")
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
	names, err := writeFolder(s.dir, there.List, s.relative, force)
	if err != nil {
		return fail(e, err)
	}
	files, err := s.read(there)
	if err != nil {
		return fail(e, err)
	}
	p := newPlan(s.kv.Prefix(), files, there, false)
	if s.json {
		if names == nil {
			names = []string{}
		}
		printJSON(e.stdout, map[string]any{"prefix": p.Prefix, "index": there.Index, "keys": len(there.List), "written": names, "only_in_directory": p.Created})
		return exitOK
	}
	for _, name := range names {
		fmt.Fprintf(e.stdout, "wrote %s\n", shown(filepath.Join(s.dir, filepath.FromSlash(name))))
	}
	for _, key := range p.Created {
		fmt.Fprintf(e.stderr, "Note: %s has no key.\n", shown(filepath.Join(s.dir, filepath.FromSlash(s.relative(key)))))
	}
	fmt.Fprintf(e.stdout, "Pulled: %d of %d keys were new or different.\n", len(names), len(there.List))
	return exitOK
}
