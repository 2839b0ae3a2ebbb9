package staple

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// forgotten is how long a response is kept that nothing has replaced. No responder
// vouches for so long, and the certificate is long another.
const forgotten = 90 * 24 * time.Hour

// shelf keeps responses in files, one for each certificate. The empty one keeps none.
type shelf string

func (d shelf) path(id [sha256.Size]byte) string {
	return filepath.Join(string(d), hex.EncodeToString(id[:])+".der")
}

// load returns the answer that is kept, nil for none that can be believed.
func (d shelf) load(s *subject, now time.Time) *answer {
	if d == "" || s.flaw != nil {
		return nil
	}
	raw, err := os.ReadFile(d.path(s.id))
	if err != nil {
		return nil
	}
	a, err := verify(raw, s, now)
	if err != nil {
		return nil
	}
	return a
}

// store keeps an answer in place of the one before.
func (d shelf) store(s *subject, a *answer) error {
	if d == "" {
		return nil
	}
	if err := os.MkdirAll(string(d), 0o700); err != nil {
		return fmt.Errorf("keeping an OCSP response: %w", err)
	}
	f, err := os.CreateTemp(string(d), "new-*")
	if err != nil {
		return fmt.Errorf("keeping an OCSP response: %w", err)
	}
	_, err = f.Write(a.raw)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), d.path(s.id))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // there is an error to report already
		return fmt.Errorf("keeping an OCSP response: %w", err)
	}
	return nil
}

// sweep removes what nobody has asked for any more.
func (d shelf) sweep(now time.Time) {
	if d == "" {
		return
	}
	all, err := os.ReadDir(string(d))
	if err != nil {
		return
	}
	for _, e := range all {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && (info.IsDir() || now.Sub(info.ModTime()) < forgotten) {
			continue
		}
		_ = os.Remove(filepath.Join(string(d), e.Name())) // the next start tries again
	}
}
