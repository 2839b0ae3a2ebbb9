package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	t.Parallel()
	numbers := func(n int, edit map[int]string) string {
		var b strings.Builder
		for i := 1; i <= n; i++ {
			if text, ok := edit[i]; ok {
				b.WriteString(text)
				continue
			}
			fmt.Fprintf(&b, "%d\n", i)
		}
		return b.String()
	}
	for name, tt := range map[string]struct{ from, to, want string }{
		"same":      {"a\n", "a\n", ""},
		"new":       {"", "a\nb\n", "--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"gone":      {"a\n", "", "--- x\n+++ y\n@@ -1 +0,0 @@\n-a\n"},
		"one line":  {numbers(9, nil), numbers(9, map[int]string{5: "five\n"}), "--- x\n+++ y\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		"two hunks": {numbers(20, nil), numbers(20, map[int]string{2: "", 18: "18\nmore\n"}), "--- x\n+++ y\n@@ -1,5 +1,4 @@\n 1\n-2\n 3\n 4\n 5\n@@ -16,5 +15,6 @@\n 16\n 17\n 18\n+more\n 19\n 20\n"},
		"one end":   {"a\nb", "a\nb\n", "--- x\n+++ y\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
	} {
		if got := unified("x", "y", tt.from, tt.to); got != tt.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, tt.want)
		}
	}
}

// Whatever the texts, patch(1) makes the second of the first.
func TestUnifiedPatches(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("patch")
	if err != nil {
		program = "" // the edits are checked all the same
	}
	r := rand.New(rand.NewPCG(1, 2))
	text := func() string {
		var b strings.Builder
		for range r.IntN(30) {
			fmt.Fprintf(&b, "line %d\n", r.IntN(8))
		}
		return b.String()
	}
	for n := range 300 {
		from, to := text(), text()
		var a, b strings.Builder
		for _, e := range difflines(lines(from), lines(to)) {
			if e.op != '+' {
				a.WriteString(e.line)
			}
			if e.op != '-' {
				b.WriteString(e.line)
			}
		}
		if a.String() != from || b.String() != to {
			t.Fatalf("%q to %q: the edits are of %q and %q", from, to, a.String(), b.String())
		}
		if program == "" || n >= 60 || from == "" || from == to {
			continue
		}
		file := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(file, []byte(from), 0o600); err != nil {
			t.Fatal(err)
		}
		command := exec.CommandContext(t.Context(), program, "-s", "-F0", file)
		command.Stdin = strings.NewReader(unified("x", "y", from, to))
		if out, err := command.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s\n%s", err, out, unified("x", "y", from, to))
		}
		got, err := os.ReadFile(file)
		if err != nil && to != "" { // patch removes what becomes empty
			t.Fatal(err)
		}
		if string(got) != to {
			t.Fatalf("patched %q, want %q", got, to)
		}
	}
}

// Texts that have nothing in common cost no search without end.
func TestUnifiedBounded(t *testing.T) {
	t.Parallel()
	var a, b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&a, "a%d\n", i)
		fmt.Fprintf(&b, "b%d\n", i)
	}
	got := difflines(lines(a.String()), lines(b.String()))
	if len(got) != 6000 || got[0].op != '-' || got[5999].op != '+' {
		t.Errorf("%d edits", len(got))
	}
}
