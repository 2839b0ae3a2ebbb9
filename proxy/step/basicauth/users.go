package basicauth

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/lictor/lictor/proxy/lines"
)

// Bounds on a file of users.
const (
	MaxFile  = 16 << 20 // bytes
	MaxUsers = 100_000
	maxName  = 128 // bytes
)

// user is a line of the file.
type user struct {
	name string
	hash hash
	line [sha256.Size]byte // digest of all of it
}

// users are those of one file. They are immutable.
type users struct {
	byName map[string]*user
	order  []*user
}

// readUsers reads a file of lines "name:hash". Its errors tell of lines by their
// numbers, and nothing that is in them.
func readUsers(name string) (*users, error) {
	list, err := lines.Read(name, MaxFile)
	if err != nil {
		return nil, err
	}
	if len(list) > MaxUsers {
		return nil, fmt.Errorf("%s has %d users, more than %d", filepath.Base(name), len(list), MaxUsers)
	}
	u := &users{byName: make(map[string]*user, len(list))}
	var wrong []error
	for _, l := range list {
		one, err := parseUser(l.Text)
		if err == nil && u.byName[one.name] != nil {
			err = errors.New("the user is in this file already")
		}
		if err != nil {
			if wrong = append(wrong, fmt.Errorf("%s:%d: %w", filepath.Base(name), l.Number, err)); len(wrong) == 5 {
				break
			}
			continue
		}
		u.byName[one.name] = one
		u.order = append(u.order, one)
	}
	if err := errors.Join(wrong...); err != nil {
		return nil, err
	}
	if len(u.order) == 0 {
		return nil, fmt.Errorf("%s has no users, so that nobody could come", filepath.Base(name))
	}
	return u, nil
}

func parseUser(line string) (*user, error) {
	name, hashed, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return nil, errors.New("a line is name:hash")
	case name == "" || len(name) > maxName || !printable(name) || name != strings.TrimSpace(name):
		return nil, fmt.Errorf("a user's name has 1 to %d bytes, none of them a control character", maxName)
	}
	h, err := parseHash(hashed)
	if err != nil {
		return nil, err
	}
	return &user{name: name, hash: h, line: sha256.Sum256([]byte(line))}, nil
}

// printable reports whether s is UTF-8 without control characters, which RFC 7617
// section 2 forbids in names and passwords.
func printable(s string) bool {
	if !utf8.ValidString(s) {
		return false
	}
	for _, r := range s {
		if r < ' ' || 0x7f <= r && r < 0xa0 {
			return false
		}
	}
	return true
}
