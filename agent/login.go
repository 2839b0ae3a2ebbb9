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
	l := c.Consul.Login
	var err error
	a.login, err = consul.NewLogin(a.consulConfig(c), consul.LoginSpec{
		Method: l.AuthMethod, BearerTokenFile: l.BearerTokenFile, Meta: l.Meta,
	})
	return err
}

// startLogin gets the first token and keeps it until ctx is done. The function
// that it returns gives it back.
func (a *Agent) startLogin(ctx context.Context, wg *sync.WaitGroup) (end func()) {
	if a.login == nil {
		return func() {}
	}
	a.login.First(ctx)
	wg.Go(func() { a.login.Run(ctx) })
	return a.login.Close
}

// loginWarnings says why there is no new token from Consul, if there should be.
func (a *Agent) loginWarnings() []string {
	if a.login == nil || a.login.Err() == nil {
		return nil
	}
	return []string{a.login.Err().Error()}
}
