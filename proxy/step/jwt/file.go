package jwt

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

// MaxSecret bounds a file with an HMAC secret, in bytes.
const MaxSecret = 64 << 10

// unsettled is how young a file may be for a later change to have the same time.
const unsettled = 2 * time.Second

// readFile reads a whole file of a bounded size, and says what it was like.
func readFile(name string, most int64) ([]byte, os.FileInfo, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, nil, err
	case !info.Mode().IsRegular():
		return nil, nil, fmt.Errorf("%s is not a file", name)
	}
	raw, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, nil, err
	}
	if int64(len(raw)) > most {
		return nil, nil, fmt.Errorf("%s is larger than %d bytes", name, most)
	}
	return raw, info, nil
}

func (s *Spec) mostBytes() int64 {
	if s.Source == SecretSource {
		return MaxSecret
	}
	return MaxKeySet
}

// fileKeeper keeps a provider's keys as its file has them.
type fileKeeper struct {
	p    *Provider
	poll time.Duration
	last os.FileInfo // of the file when it was read; nil before
	read time.Time
}

// load reads the file and installs its keys.
func (k *fileKeeper) load() (changed bool, err error) {
	raw, info, err := readFile(k.p.Spec.File, k.p.Spec.mostBytes())
	if err != nil {
		return false, err
	}
	k.last, k.read = info, time.Now()
	return k.p.install(raw)
}

// changed reports whether the file may be another than the one that was read.
func (k *fileKeeper) changed() bool {
	info, err := os.Stat(k.p.Spec.File)
	return err != nil || k.last == nil || !os.SameFile(info, k.last) ||
		info.Size() != k.last.Size() || !info.ModTime().Equal(k.last.ModTime()) ||
		k.read.Sub(info.ModTime()) < unsettled
}

// run reads the file again when it changes, until ctx is done. What can't be
// used changes nothing.
func (k *fileKeeper) run(ctx context.Context, report func(changed bool, err error)) {
	t := time.NewTicker(k.poll)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		if k.changed() {
			report(k.load())
		}
	}
}
