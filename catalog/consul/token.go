package consul

import (
	"context"
	"fmt"
	"net/http"
	"strings"
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
	file string // empty when the token is a literal, or comes by a login
	text atomic.Pointer[string]
	// login, unless nil, is where the token comes from.
	login *Login
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

// current returns the token that queries carry, the empty one before a login.
func (t *token) current() string {
	if t.login != nil {
		text, _ := t.login.secret()
		return text
	}
	return *t.text.Load()
}

// use returns the context for a query: one that is over where a query would only
// be taken for a stranger's, since there is no token yet.
func (t *token) use(ctx context.Context) context.Context {
	if t.login != nil {
		if _, ok := t.login.secret(); !ok {
			return hopeless{ctx, errNotLoggedIn}
		}
	}
	return ctx
}

// note takes in what became of a query.
func (t *token) note(err error) {
	if t.login != nil && err != nil && statusCode(err) == http.StatusForbidden && strings.Contains(err.Error(), "ACL not found") {
		t.login.refused(t.current())
	}
}

// run reads the file again and again until ctx is done, and calls changed after
// the token did. A file that can't be read or is empty (it may be in the middle
// of being written) leaves the last token in force.
func (t *token) run(ctx context.Context, changed func()) {
	if t.login != nil {
		t.follow(ctx, changed)
	}
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

// follow calls changed after each login, until ctx is done.
func (t *token) follow(ctx context.Context, changed func()) {
	for last := t.current(); ; {
		got := t.login.got.heard()
		if now := t.current(); now != last {
			last = now
			changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-got.Done():
		}
	}
}
