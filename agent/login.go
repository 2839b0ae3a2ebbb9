package agent

import (
	"context"
	"sync"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// openLogin prepares the login to Consul, if there is to be one. It comes before
// all that asks Consul.
func (a *Agent) openLogin(c *config.Config) error {
	if c.Consul == nil || c.Consul.Login == nil {
		return nil
	}
	var err error
	a.login, err = consul.NewLogin(a.consulConfig(c), loginSpec(c.Consul.Login))
	return err
}

// firstLogin gets the first token, so that what asks Consul next finds one.
// Where it fails, runLogin tries again.
func (a *Agent) firstLogin(ctx context.Context) {
	if a.login != nil {
		_ = a.login.First(ctx) // it is told of by loginWarnings
	}
}

// runLogin keeps a token until ctx is done.
func (a *Agent) runLogin(ctx context.Context, wg *sync.WaitGroup) {
	if a.login == nil {
		return
	}
	a.firstLogin(ctx)
	wg.Go(func() { a.login.Run(ctx) })
}

// closeLogin gives the token back. Nothing may ask Consul any more.
func (a *Agent) closeLogin() {
	if a.login != nil {
		a.login.Close()
	}
}

// loginWarnings says why there is no new token from Consul, if there should be.
func (a *Agent) loginWarnings() []string {
	if a.login == nil || a.login.Err() == nil {
		return nil
	}
	return []string{a.login.Err().Error()}
}
