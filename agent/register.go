package agent

import (
	"context"
	"strings"

	"github.com/lictor/lictor/catalog/consul"
)

// registered returns the listener whose address is registered: the first that is a
// destination in the mesh, since Consul hands the address of a service that
// speaks the mesh natively to its sidecars, or else the first.
func (a *Agent) registered() *server {
	for _, s := range a.servers {
		if s.mesh != nil {
			return s
		}
	}
	return a.servers[0]
}

// register keeps the gateway registered in Consul, if it is configured to be.
func (a *Agent) register(ctx context.Context) {
	c := a.config
	if c.Consul == nil || c.Consul.Service == nil || len(a.servers) == 0 {
		return
	}
	addr := a.registered().addr
	spec := consul.Spec{
		Name: c.Consul.Service.Name, Tags: c.Consul.Service.Tags, Port: int(addr.Port()), Version: a.options.Version,
		Meta: map[string]string{gatewayMeta: a.fleet.id}, Native: a.mesh != nil,
	}
	if !addr.Addr().IsUnspecified() {
		spec.Address = addr.Addr().String()
	}
	r, err := consul.NewRegistration(a.consulConfig(c), spec)
	if err != nil {
		a.log.Error("registering with Consul", "error", err)
		return
	}
	if !a.registers(r) {
		return
	}
	err = r.Run(ctx, func() (bool, string) {
		why := a.NotReady()
		return len(why) == 0, strings.Join(why, "; ")
	})
	if err != nil && ctx.Err() == nil {
		a.log.Error("registration ended", "error", err)
	}
}

// registers makes r the gateway's registration, unless another gateway has taken over
// already, whose it is.
func (a *Agent) registers(r *consul.Registration) bool {
	a.leaving.Lock()
	defer a.leaving.Unlock()
	if a.succeeded.Load() {
		return false
	}
	a.registration.Store(r)
	return true
}

// registrationWarnings says why Consul does not list the gateway, if it should
// and does not.
func (a *Agent) registrationWarnings() []string {
	r := a.registration.Load()
	if r == nil || r.Err() == nil {
		return nil
	}
	return []string{"Consul does not list this gateway: " + r.Err().Error()}
}
