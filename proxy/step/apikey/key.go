package apikey

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lictor/lictor/proxy/lines"
)

// Bounds on files and keys.
const (
	MaxFile = 64 << 20 // bytes
	MaxKeys = 500_000
	maxKey  = 512 // bytes
	maxName = 128 // bytes
)

// prefix lets people, and programs that look for leaked secrets, know a key.
const prefix = "lictor_"

// Generate returns a new random key and the line of a keys_file that knows it. A
// zero expires is never.
func Generate(name string, expires time.Time) (key, line string, err error) {
	if err := checkName(name); err != nil {
		return "", "", err
	}
	var random [32]byte
	_, _ = rand.Read(random[:]) // it never fails
	key = prefix + base64.RawURLEncoding.EncodeToString(random[:])
	sum := sha256.Sum256([]byte(key))
	line = name + " sha256:" + hex.EncodeToString(sum[:])
	if !expires.IsZero() {
		line += " expires=" + expires.UTC().Format(time.RFC3339)
	}
	return key, line, nil
}

func checkName(s string) error {
	if s == "" || len(s) > maxName || s[0] == '#' || !utf8.ValidString(s) ||
		strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || 0x7f <= r && r <= 0xa0 }) {
		return fmt.Errorf("a key's name has 1 to %d bytes, without white space and control characters, and does not begin with #", maxName)
	}
	return nil
}

type digest = [sha256.Size]byte

// entry is a line of the file.
type entry struct {
	name string
	sum  digest
	// until is the time since the Unix epoch from which on the key is of no use; 0
	// for never.
	until time.Duration
}

// keys are those of one file, by the SHA-256 of each. They are immutable.
type keys map[digest]*entry

// readKeys reads a file of lines "name sha256:hex [expires=time]". Its errors tell of
// lines by their numbers, and nothing that is in them.
func readKeys(name string) (keys, error) {
	list, err := lines.Read(name, MaxFile)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(name)
	if len(list) > MaxKeys {
		return nil, fmt.Errorf("%s has %d keys, more than %d", base, len(list), MaxKeys)
	}
	all := make(keys, len(list))
	var wrong []error
	for _, l := range list {
		e, err := parseEntry(l.Text)
		if err == nil && all[e.sum] != nil {
			err = errors.New("the key is in this file already")
		}
		if err != nil {
			if wrong = append(wrong, fmt.Errorf("%s:%d: %w", base, l.Number, err)); len(wrong) == 5 {
				break
			}
			continue
		}
		all[e.sum] = e
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s has no keys, so that nobody could come", base)
	}
	return all, nil
}

var errLine = errors.New("a line is NAME sha256:HEX, and expires=2030-01-31 if it ends; lictor api-key NAME makes one")

func parseEntry(line string) (*entry, error) {
	part := strings.Fields(line)
	if len(part) < 2 || len(part) > 3 {
		return nil, errLine
	}
	e := &entry{name: part[0]}
	if err := checkName(e.name); err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(part[1], "sha256:")
	if !ok {
		return nil, errors.New("the key is not hashed by sha256; lictor api-key NAME makes a line")
	}
	if n, err := hex.Decode(e.sum[:], []byte(text[:min(len(text), 2*len(e.sum))])); err != nil || n != len(e.sum) || len(text) != 2*len(e.sum) {
		return nil, errors.New("the SHA-256 of a key is 64 hexadecimal digits")
	}
	if e.sum == sha256.Sum256(nil) {
		return nil, errors.New("this is the SHA-256 of nothing")
	}
	if len(part) == 3 {
		when, ok := strings.CutPrefix(part[2], "expires=")
		if !ok {
			return nil, errLine
		}
		t, err := ParseExpiry(when)
		if err != nil {
			return nil, err
		}
		e.until = time.Duration(t.UnixNano())
	}
	return e, nil
}

// ParseExpiry reads a date, at whose beginning in UTC a key ends, or a time of RFC
// 3339.
func ParseExpiry(s string) (time.Time, error) {
	t, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t, err = time.Parse(time.RFC3339, s)
	}
	const first, last = 2000, 2200 // what nanoseconds since 1970 can say, and sense
	if err != nil || t.Year() < first || t.Year() > last {
		return time.Time{}, errors.New("a key expires at a date such as 2030-01-31, or a time such as 2030-01-31T12:00:00Z")
	}
	return t, nil
}
