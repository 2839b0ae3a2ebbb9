package main

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Everybody passes what has to pass, and refuses what has to be refused; the
// table has a line for each.
func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, io.Discard, scale{keys: newKeys(5000), turn: time.Millisecond}, 1, ""); err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders() {
		line := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(c.name) + ` .* (\d+) \|$`).FindStringSubmatch(out.String())
		if line == nil {
			t.Fatalf("no line of %s:\n%s", c.name, &out)
		}
		if strings.HasPrefix(c.name, "ours") && line[1] != "10" {
			t.Errorf("%s granted %s where the bound is 10", c.name, line[1])
		}
	}
}

func TestRunNothing(t *testing.T) {
	if err := run(io.Discard, io.Discard, scale{keys: newKeys(10)}, 1, "nobody"); err == nil {
		t.Error("it found somebody")
	}
}

func TestMarkdown(t *testing.T) {
	var out bytes.Buffer
	if err := markdown(&out, [][]string{{"", "x"}, {"name", "12"}}); err != nil {
		t.Fatal(err)
	}
	if want := "|      |   x |\n|------|----:|\n| name |  12 |\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

func TestMedian(t *testing.T) {
	if got := median([]float64{9, 1, 5}); got != 5 {
		t.Errorf("%v", got)
	}
}

func TestKeys(t *testing.T) {
	k := newKeys(3)
	if k.count() != 3 || k.text(2) != "client-0000002" || string(k.slice(1)) != "client-0000001" {
		t.Errorf("%d keys: %q", k.count(), k.joined)
	}
}
