package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lictor/lictor/limits"
)

var images = filepath.Join("..", "..", "docs", "images")

// The guide shows what the limiters do: exactly these pictures, each of them in
// the text.
func TestPicturesAreCurrent(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	drawn := t.TempDir()
	if err := run(io.Discard, drawn); err != nil {
		t.Fatal(err)
	}
	for _, s := range subjects() {
		name := s.file + ".svg"
		want, err := os.ReadFile(filepath.Join(drawn, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join(images, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("docs/images/%s is not what would be drawn now; run `make pictures`, and look at it (%v)", name, err)
		}
		if !strings.Contains(string(guide), "(images/"+name+")") {
			t.Errorf("docs/limits.md does not show %s", name)
		}
	}
	// Of these pictures, none is left over.
	files, err := filepath.Glob(filepath.Join(images, "*.svg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.ContainsFunc(subjects(), func(s subject) bool { return s.file+".svg" == filepath.Base(file) }) {
			t.Errorf("nothing draws %s", file)
		}
	}
}

// What a picture says is promised is kept, and it is a document that says of
// itself what it shows.
func TestPictures(t *testing.T) {
	for _, s := range subjects() {
		t.Run(s.file, func(t *testing.T) {
			story, err := play(s)
			if err != nil {
				t.Fatal(err)
			}
			if len(story.requests) != len(arrivals()) || story.passed() == 0 || story.refused() == 0 {
				t.Errorf("%d of %d passed", story.passed(), len(story.requests))
			}
			if story.most() > s.promise {
				t.Errorf("%d within a window, promised are %d", story.most(), s.promise)
			}
			for _, levels := range [][]level{story.remaining, story.trailing} {
				if !slices.IsSortedFunc(levels, func(a, b level) int { return int(a.at - b.at) }) || levels[0].at != 0 || levels[len(levels)-1].at >= span {
					t.Errorf("out of order: %v", levels)
				}
			}
			if titled := wellFormed(t, draw(story)); titled["title"] != s.heading() || !strings.Contains(titled["desc"], "pass") {
				t.Errorf("it says of itself %q", titled)
			}
		})
	}
}

// wellFormed reads a document and returns the texts of its elements.
func wellFormed(t *testing.T, document []byte) map[string]string {
	t.Helper()
	texts := map[string]string{}
	var open []string
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return texts
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			open = append(open, token.Name.Local)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) > 0 {
				texts[open[len(open)-1]] += string(token)
			}
		}
	}
}

// The count of a trailing window takes out what has left before it adds, and
// counts what waited when it went on.
func TestTrailing(t *testing.T) {
	allowed := func(at, delay time.Duration) request {
		return request{at: at, decision: limits.Decision{Allowed: true, Delay: delay}}
	}
	st := &story{requests: []request{
		allowed(time.Second, 0),
		{at: 2 * time.Second},
		allowed(3*time.Second, 2*time.Second),
		allowed(time.Second+window, 0),
		allowed(span-time.Second, 0),
	}}
	st.count()
	want := []level{{0, 0}, {1 * time.Second, 1}, {5 * time.Second, 2}, {11 * time.Second, 2}, {15 * time.Second, 1}, {21 * time.Second, 0}, {59 * time.Second, 1}}
	if !slices.Equal(st.trailing, want) {
		t.Errorf("%v, want %v", st.trailing, want)
	}
}

// A folder that isn't there is an error.
func TestRunFails(t *testing.T) {
	if err := run(io.Discard, filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}
