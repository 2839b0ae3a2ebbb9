package certs

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestLoadPairErrors(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a")
	_, other := a.issue(ecKey(t), time.Hour, "a")
	good := f.pair("good", cert, key)
	empty, text, big := f.write("empty", nil), f.write("text", []byte("hello\n")), f.write("big", make([]byte, maxFile+1))
	broken := f.write("broken", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	for _, c := range []struct {
		pair Pair
		file string // at fault
		want string
	}{
		{Pair{good.CertFile, f.write("other.key", other)}, "other.key", "does not match"},
		{Pair{good.KeyFile, good.KeyFile}, "good.key", "holds a private key and no certificate"},
		{Pair{good.CertFile, good.CertFile}, "good.pem", "private key"},
		{Pair{empty, good.KeyFile}, "empty", "holds no certificate in PEM"},
		{Pair{text, good.KeyFile}, "text", "holds no certificate in PEM"},
		{Pair{broken, good.KeyFile}, "broken", "certificate 1: "},
		{Pair{good.CertFile, empty}, "empty", "find any PEM data"},
		{Pair{filepath.Join(f.dir, "absent"), good.KeyFile}, "absent", "no such file"},
		{Pair{good.CertFile, filepath.Join(f.dir, "absent")}, "absent", "no such file"},
		{Pair{f.dir, good.KeyFile}, filepath.Base(f.dir), "not a regular file"},
		{Pair{os.DevNull, good.KeyFile}, filepath.Base(os.DevNull), "not a regular file"},
		{Pair{big, good.KeyFile}, "big", "more than"},
	} {
		_, err := LoadPair(c.pair)
		var bad *FileError
		if !errors.As(err, &bad) || filepath.Base(bad.File) != c.file || !strings.Contains(bad.Err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s at fault with %q", c.pair, err, c.file, c.want)
		}
	}
	if _, err := LoadPair(good); err != nil {
		t.Errorf("the good pair: %v", err)
	}
	both := f.write("both", append(append([]byte("a comment\n"), key...), cert...))
	if _, err := LoadPair(Pair{both, both}); err != nil {
		t.Errorf("both in one file: %v", err)
	}
	if _, err := LoadAuthorities(good.KeyFile); err == nil {
		t.Error("a key for authorities was let through")
	}
}

func TestValidity(t *testing.T) {
	a, f := newAuthority(t, "a"), newFiles(t)
	cert, key := a.issue(ecKey(t), time.Hour, "a")
	c, err := LoadPair(f.pair("a", cert, key))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for _, v := range []struct {
		at   time.Time
		want string
	}{
		{now, ""},
		{now.Add(2 * time.Hour), "expired on"},
		{now.Add(-2 * time.Hour), "not valid before"},
	} {
		if got := Validity(c.Leaf, v.at); (got == "") != (v.want == "") || !strings.Contains(got, v.want) {
			t.Errorf("%v: got %q, want %q", v.at, got, v.want)
		}
	}
}
