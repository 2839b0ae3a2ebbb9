package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/cloudflare/tableflip"
	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent"
)

// heritageVariable names, in the environment of a process that is to take over,
// the socket at which the process before it tells what it has to know.
const heritageVariable = "LICTOR_HERITAGE"

// upgradeTime bounds how long a process that is to take over may take to serve.
const upgradeTime = time.Minute

// upgrader opens the gateway's sockets, and hands them over to a process of the
// binary that is at the same path by then.
type upgrader struct {
	flip *tableflip.Upgrader // nil where the system can't pass sockets on
	// given are the sockets that systemd has opened, by the name of their listener.
	given map[string][]net.Listener
	// leaves is how long the process before may take to finish, 0 for not known.
	leaves time.Duration
	// before is that process, nil when there was none, and until this one serves.
	before atomic.Pointer[predecessor]
	// upgraded says that another process has taken over, stopped that none can.
	upgraded, stopped atomic.Bool
}

// newUpgrader takes over the sockets that this process was started with. The file,
// if any is named, will hold its number once it serves.
func newUpgrader(e env, pidFile string) (*upgrader, error) {
	u := &upgrader{}
	if !e.upgradable {
		return u, nil
	}
	var err error
	if u.given, err = activation.ListenersWithNames(); err != nil {
		return nil, fmt.Errorf("taking the sockets of systemd: %w", err)
	}
	u.flip, err = tableflip.New(tableflip.Options{UpgradeTimeout: upgradeTime, PIDFile: pidFile})
	if errors.Is(err, tableflip.ErrNotSupported) {
		u.flip = nil
		return u, nil
	}
	return u, err
}

// Listen implements agent.Sockets: a socket of the process before, or of systemd, or
// a new one.
func (u *upgrader) Listen(name, address string) (net.Listener, error) {
	if u.flip == nil {
		return net.Listen("tcp", address)
	}
	// The key in which sockets are handed on has the name, since several may have the
	// address 127.0.0.1:0, and the address, which may have changed.
	key := name + " " + address
	var failure error
	l, err := u.flip.ListenWithCallback("tcp", key, func(string, string) (l net.Listener, err error) {
		if l := u.given[name]; len(l) > 0 {
			u.given[name] = l[1:]
			return l[0], nil
		}
		l, failure = net.Listen("tcp", address)
		return l, failure
	})
	if failure != nil {
		err = failure // which flip only adds words to
	}
	return l, err
}

// heritage is what the process before this one leaves, nil when there was none.
func (u *upgrader) heritage() (*agent.Heritage, error) {
	path := os.Getenv(heritageVariable)
	if u.flip == nil || !u.flip.HasParent() || path == "" {
		return nil, nil //nolint:nilnil // most processes are the first
	}
	if err := os.Unsetenv(heritageVariable); err != nil {
		return nil, err
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, fmt.Errorf("taking over: %w", err)
	}
	h, err := agent.ReceiveHeritage(conn)
	if err == nil {
		u.leaves = h.Leaves()
	}
	return h, err
}

// serving tells whoever waits for it that requests are taken: the process before
// this one, and systemd. Until ctx is done it watches the former.
func (u *upgrader) serving(ctx context.Context, log hclog.Logger) {
	if u.flip != nil {
		if u.flip.HasParent() {
			u.before.Store(followPredecessor(ctx, u.flip, u.leaves, log))
		}
		if err := u.flip.Ready(); err != nil {
			log.Error("the process before is not told that this one serves", "error", err)
		}
	}
	tellSystemd(fmt.Sprintf("%s\nMAINPID=%d", daemon.SdNotifyReady, os.Getpid()))
}

// upgrade starts a process of the binary at the same path, and has it take over from
// the gateway, or says why it did not: then nothing has changed.
func (u *upgrader) upgrade(a *agent.Agent) error {
	if u.flip == nil {
		return errors.New("this system can't pass sockets on")
	}
	if p := u.before.Load(); p != nil {
		if err := p.await(grace); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "lictor")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }() // it is in the folder for such things
	path := filepath.Join(dir, "heritage")
	l, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	defer l.Close()
	told := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			told <- nil // nobody came, and flip knows why
			return
		}
		defer conn.Close()
		told <- a.HandOver(conn)
	}()
	if err := os.Setenv(heritageVariable, path); err != nil {
		return err
	}
	defer func() { _ = os.Unsetenv(heritageVariable) }() // it has been set
	err = u.flip.Upgrade()
	l.Close()
	untold := <-told
	if err == nil && untold != nil {
		a.Logger().Warn("the new process serves, and was not told all", "error", untold)
	}
	return err
}

// tellSystemd says something to systemd, if that has started the process. Where that
// fails nothing can be done: systemd gives up waiting by itself.
func tellSystemd(state string) { _, _ = daemon.SdNotify(false, state) }

// stop gives the sockets up: from now on nobody can take over.
func (u *upgrader) stop() {
	u.stopped.Store(true)
	if !u.upgraded.Load() {
		tellSystemd(daemon.SdNotifyStopping)
	}
	if u.flip != nil {
		u.flip.Stop()
	}
}

// running is what signals act on: the gateway, and what may take over from it.
type running struct {
	*agent.Agent
	up *upgrader
}

// Upgrade reports whether another process has taken over.
func (r running) Upgrade() bool {
	switch {
	case r.up.upgraded.Load():
		r.Logger().Warn("another process has taken over already, and is the one to send SIGUSR2 to: this one finishes what it has")
		return false
	case r.up.stopped.Load():
		r.Logger().Warn("no other process takes over any more, this one ends")
		return false
	}
	r.Logger().Info("starting a process that takes over")
	if err := r.up.upgrade(r.Agent); err != nil {
		r.Logger().Error("no other process takes over, this one goes on", "error", err)
		return false
	}
	r.up.upgraded.Store(true)
	r.Retire()
	r.Logger().Info("another process has taken over")
	return true
}
