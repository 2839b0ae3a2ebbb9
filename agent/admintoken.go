package agent

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/certs"
)

// adminToken is the bearer token of the admin API, as its file had it last. Of its
// text only the digest is kept. A nil one asks for none.
type adminToken struct {
	file string // empty for one that is read once, from a pipe
	log  hclog.Logger
	// replaced is called after another token has taken the place of one.
	replaced func()

	digest atomic.Pointer[[sha256.Size]byte] // of the one in force

	mu    sync.Mutex
	found [sha256.Size]byte // at the last look: a token, or why there is none
	told  [sha256.Size]byte // of what was told to be wrong, zero for nothing
}

// newAdminToken reads a token for the first time.
func newAdminToken(file string, log hclog.Logger) (*adminToken, error) {
	if file == "" {
		return nil, nil //nolint:nilnil // none is asked for
	}
	text, err := readToken(file)
	if err != nil {
		return nil, fmt.Errorf("admin token: %w", err)
	}
	t := &adminToken{file: file, log: log}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() {
		t.file = "" // there is nothing more to read, or not before somebody writes
	}
	digest := sha256.Sum256([]byte(text))
	t.digest.Store(&digest)
	return t, nil
}

// readToken reads a bearer token, without the newline that editors add.
func readToken(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	token := strings.TrimSpace(string(b))
	if token == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return token, nil
}

// is reports whether a text is the token. It takes as long for any text of a length.
func (t *adminToken) is(given string) bool {
	a := sha256.Sum256([]byte(given))
	return t != nil && subtle.ConstantTimeCompare(a[:], t.digest.Load()[:]) == 1
}

// look reads the file, and has its token take the place of the one in force, which
// stays while the file can't be read or is empty: then it returns why. With patience
// it believes what it has found twice, since a file may be in the middle of being
// written, and returns an error once.
func (t *adminToken) look(patience bool) error {
	if t == nil || t.file == "" {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	text, err := t.read()
	found := sha256.Sum256([]byte(text))
	if err != nil {
		found = sha256.Sum256([]byte("\n" + err.Error())) // no token begins so
	}
	again := found == t.found
	t.found = found
	switch {
	case patience && (!again || found == t.told):
		return nil
	case err != nil:
		if found != t.told {
			t.log.Error("admin token can't be read again, the previous one stays", "error", err)
		}
		t.told = found
		return err
	}
	if t.told != [sha256.Size]byte{} {
		t.log.Info("admin token can be read again", "token_file", t.file)
		t.told = [sha256.Size]byte{}
	}
	if found != *t.digest.Load() {
		t.digest.Store(&found)
		t.log.Info("admin token replaced", "token_file", t.file)
		if t.replaced != nil {
			t.replaced()
		}
	}
	return nil
}

// read reads the file again.
func (t *adminToken) read() (string, error) {
	info, err := os.Stat(t.file)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", &fs.PathError{Op: "read", Path: t.file, Err: errors.New("not a regular file")} // such as a pipe, which may block
	}
	return readToken(t.file)
}

// run follows the file until ctx is done.
func (t *adminToken) run(ctx context.Context) {
	if t == nil || t.file == "" {
		return
	}
	certs.Watch(ctx, func(time.Time) { _ = t.look(true) }) // it has logged what is wrong
}
