package agent

import (
	"context"
	"errors"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/catalog/consul"
)

// Asking returns how a command asks Consul as the configuration of a gateway
// says, silently. With a login in it that takes place now, unless the person at
// the command has a token in the environment: the rights of that person count.
// Done, which is never nil, gives the token back. It fails when the login does.
func Asking(ctx context.Context, c *config.Consul) (in consul.Config, done func(), err error) {
	in = consul.Config{
		Address: c.Address, TokenFile: c.TokenFile, Datacenter: c.Datacenter, Logger: hclog.NewNullLogger(),
	}
	done = func() {}
	if c.Login == nil {
		return in, done, nil
	}
	login, err := consul.NewLogin(in, loginSpec(c.Login))
	if errors.Is(err, consul.ErrTokenGiven) {
		return in, done, nil
	}
	if err == nil {
		err = login.First(ctx)
	}
	if err != nil {
		return in, done, err
	}
	in.Login = login
	return in, login.Close, nil
}

func loginSpec(l *config.Login) consul.LoginSpec {
	return consul.LoginSpec{Method: l.AuthMethod, BearerTokenFile: l.BearerTokenFile, Meta: l.Meta}
}
