package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var helpFlag = regexp.MustCompile(`(?m)^  -(\S+)`)

// Help, completions and manual name the same commands and flags.
func TestPagesAgree(t *testing.T) {
	t.Parallel()
	all := pages()
	if len(all) != len(commands()) || len(flat(all)) != len(commands())+len(policyCommands()) {
		t.Fatalf("%d pages", len(flat(all)))
	}
	dir := t.TempDir()
	if r := lictor(nil, "man", "-dir", dir); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	index := lictor(nil, "man").stdout
	for _, p := range flat(all) {
		r := lictor(nil, append(slices.Clone(p.name), "-h")...)
		var shown, known []string
		for _, m := range helpFlag.FindAllStringSubmatch(r.stderr, -1) {
			shown = append(shown, m[1])
		}
		for _, f := range p.flags {
			known = append(known, f.name)
		}
		if len(p.sub) == 0 && !slices.Equal(shown, known) {
			t.Errorf("%v: help has %v, and the page %v", p.name, shown, known)
		}
		manual, err := os.ReadFile(filepath.Join(dir, p.manual()+".1"))
		if err != nil {
			t.Error(err)
		}
		if len(p.name) == 1 && !strings.Contains(index, roff(p.manual())) {
			t.Errorf("%v is not in lictor(1)", p.name)
		}
		for _, f := range p.flags {
			if !strings.Contains(string(manual), "\n.B "+roff("-"+f.name)) || !strings.Contains(string(manual), roff(upper(f.usage))) {
				t.Errorf("%v: -%s is not in the manual", p.name, f.name)
			}
		}
	}
	for _, s := range shells() {
		r := lictor(nil, "completion", s.name)
		if r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %+v", s.name, r)
		}
		for _, p := range flat(all) {
			if !strings.Contains(r.stdout, p.name[len(p.name)-1]) {
				t.Errorf("%s completes no %v", s.name, p.name)
			}
			for _, f := range p.flags {
				if !strings.Contains(r.stdout, f.name) {
					t.Errorf("%s completes no -%s of %v", s.name, f.name, p.name)
				}
			}
		}
	}
	if r := lictor(nil, "completion", "tcsh"); r.code != 2 || !strings.Contains(r.stderr, "source <(lictor completion bash)") {
		t.Errorf("%+v", r)
	}
}

// The manual is what the formatter expects, where there is one.
func TestManualIsSound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if r := lictor(nil, "man", "-dir", dir); r.code != 0 {
		t.Fatalf("%+v", r)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "*.1"))
	if err != nil || len(pages) < 10 {
		t.Fatal(pages, err)
	}
	groff, err := exec.LookPath("groff")
	for _, page := range pages {
		text, readErr := os.ReadFile(page)
		if readErr != nil || !strings.HasPrefix(string(text), ".TH LICTOR") || strings.Contains(string(text), "\n\n") {
			t.Errorf("%s: %v %.40q", page, readErr, text)
		}
		if err != nil {
			continue
		}
		if out, err := exec.Command(groff, "-man", "-Tutf8", "-ww", "-z", page).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v %s", page, err, out)
		}
	}
}

// What bash makes of the script, where there is one.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	script := lictor(nil, "completion", "bash").stdout
	if err != nil {
		if !strings.Contains(script, "complete -F _lictor lictor\n") {
			t.Errorf("%s", script)
		}
		return
	}
	dir := t.TempDir()
	file, fake := filepath.Join(dir, "completion"), filepath.Join(dir, "lictor")
	for name, text := range map[string]string{
		file: script, fake: "#!/bin/sh\n[ \"$*\" = 'completion names services' ] && printf 'web\\nweb-admin\\nshop\\n'\n", filepath.Join(dir, "policy.hcl"): "",
	} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	check := exec.Command(bash, "-n", file)
	check.Env = append(os.Environ(), "LC_ALL=C") // bash tells of a locale that the machine lacks
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("%v %s", err, out)
	}
	for line, want := range map[string]string{
		"rou":                       "routes",
		"s":                         "services simulate",
		"services -w":               "-watch",
		"services we":               "web web-admin",
		"services -interval ":       "",
		"services -watch sh":        "shop",
		"policies pu":               "push pull",
		"policies push -pr":         "-prefix -prune",
		"policies push pol":         "policy.hcl",
		"validate pol":              "policy.hcl",
		"agent -config-file pol":    "policy.hcl",
		"agent -config-f":           "-config-file",
		"completion z":              "zsh",
		"nonsense x":                "",
		"explain -token-file pol":   "policy.hcl",
		"explain -method ":          "",
		"debug -outp":               "-output",
		"debug -duration 5s -pp":    "-pprof",
		"limits web":                "",
		"simulate -policy policy.h": "policy.hcl",
	} {
		words := append([]string{fake}, strings.Split(line, " ")...)
		c := exec.Command(bash, "-c", `source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lictor; echo "${COMPREPLY[*]}"`, "bash", file)
		c.Args = append(c.Args, words...)
		c.Dir, c.Env = dir, check.Env
		out, err := c.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%q is completed by %q, want %q (%v)", line, got, want, err)
		}
	}
}

// Shells ask for names; whatever goes wrong, they get none, and never one that they
// would take for more than a word.
func TestNamesForShells(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/limits" {
			http.NotFound(w, r)
			return
		}
		fmt.Fprint(w, `{"fleet":{},"limits":[{"name":"per_user"},{"name":"$(reboot)"},{"name":"a b"}]}`)
	}))
	t.Cleanup(s.Close)
	for what, want := range map[string]string{"limits": "per_user\n", "routes": "", "": ""} {
		if r := lictor(map[string]string{"LICTOR_ADDR": s.URL}, "completion", "names", what); r != (run{0, want, ""}) {
			t.Errorf("%s: %+v", what, r)
		}
	}
}
