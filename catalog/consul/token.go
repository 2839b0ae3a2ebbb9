package consul

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
)

// tokenInterval is how often a token file is looked at.
const tokenInterval = 2 * time.Second

// token is the ACL token that queries carry. Its text appears in no log line
// and no error.
type token struct {
	log  hclog.Logger
	file string // empty when the token is a literal
	text atomic.Pointer[string]
}

// newToken returns the token in the file, or the literal where there is no
// file. Both empty is the anonymous token.
func newToken(log hclog.Logger, file, literal string) (*token, error) {
	t := &token{log: log, file: file}
	if file != "" {
		var err error
		if literal, err = fileText(file); err != nil {
			return nil, fmt.Errorf("reading the Consul token file: %w", err)
		}
		if literal == "" {
			return nil, fmt.Errorf("reading the Consul token file: %s is empty", file)
		}
	}
	t.text.Store(&literal)
	return t, nil
}

func (t *token) current() string { return *t.text.Load() }

// run reads the file again and again until ctx is done, and calls changed after
// the token did. A file that can't be read or is empty (it may be in the middle
// of being written) leaves the last token in force.
func (t *token) run(ctx context.Context, changed func()) {
	if t.file == "" {
		return
	}
	tick := time.NewTicker(tokenInterval)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		text, err := fileText(t.file)
		switch {
		case err != nil || text == "":
			if !failing {
				t.log.Warn("keeping the last token: its file is unreadable or empty", "path", t.file, "error", err)
			}
			failing = true
			continue
		case failing:
			t.log.Info("token file is readable again", "path", t.file)
			failing = false
		}
		if text != t.current() {
			t.text.Store(&text)
			t.log.Info("token changed", "path", t.file)
			changed()
		}
	}
}
