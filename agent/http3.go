package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/lictor/lictor/agent/config"
	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/http3"
)

// portTries is how many ports the system is asked for until one is free for TCP and
// UDP alike.
const portTries = 20

// portPause is how often a port is asked for that the gateway before still has.
const portPause = 50 * time.Millisecond

// openAddress opens a listener's address: by TCP, and by UDP on the same port if it
// speaks HTTP/3. The socket is nil if it does not, or if the gateway before this one
// has it still.
func (a *Agent) openAddress(c *config.Listener) (net.Listener, *net.UDPConn, error) {
	for tries := portTries; ; tries-- {
		ln, err := a.options.Sockets.Listen(c.Name, c.Address)
		if err != nil || c.HTTP3 == nil {
			return ln, nil, err
		}
		socket, err := openDatagrams(c, addrPort(ln.Addr()).Port())
		if err == nil || a.options.Heritage != nil {
			return ln, socket, nil
		}
		ln.Close() // nothing was served
		if _, port, _ := net.SplitHostPort(c.Address); port != "0" || tries == 1 {
			return nil, nil, err
		}
	}
}

// openDatagrams opens the UDP port of a listener's address.
func openDatagrams(c *config.Listener, port uint16) (*net.UDPConn, error) {
	host, _, err := net.SplitHostPort(c.Address)
	if err != nil {
		return nil, err
	}
	socket, err := net.ListenPacket("udp", net.JoinHostPort(host, strconv.Itoa(int(port))))
	if err != nil {
		return nil, fmt.Errorf("opening the UDP port for HTTP/3: %w", err)
	}
	return socket.(*net.UDPConn), nil
}

// announce tells the pipeline what clients should know of the listener's HTTP/3.
func announce(c *config.Listener, l *proxy.Listener) {
	if c.HTTP3 == nil {
		return
	}
	port := c.HTTP3.Port
	if port == 0 {
		port = l.Port
	}
	l.AltSvc = http3.AltSvc(port, c.HTTP3.MaxAge)
}

// withHTTP3 serves a listener's HTTP/3 beside the other versions, as one engine.
type withHTTP3 struct {
	engine
	quic *http3.Server
	log  hclog.Logger
	// socket is nil as long as the gateway before has the port; open tries to get it.
	socket *net.UDPConn
	open   func() (*net.UDPConn, error)
	once   sync.Once
	ended  chan struct{} // no socket is wanted any more
}

// Serve takes clients from both until Shutdown or Close. If one fails, the other
// ends, too.
func (w *withHTTP3) Serve(ln net.Listener) error {
	var wg sync.WaitGroup
	var quic error
	wg.Go(func() {
		if quic = w.serveQUIC(); quic != nil {
			_ = w.engine.Close() // there is an error to report already
		}
	})
	err := w.engine.Serve(ln)
	if err != nil {
		w.end()
		_ = w.quic.Close() // there is an error to report already
	}
	wg.Wait()
	return errors.Join(err, quic)
}

func (w *withHTTP3) serveQUIC() error {
	socket := w.socket
	if socket == nil {
		w.log.Info("HTTP/3 begins when the gateway before has given its port up; its clients come by TCP")
		if socket = w.takePort(); socket == nil {
			return nil
		}
		w.log.Info("HTTP/3 has begun")
	}
	return w.quic.Serve(socket)
}

// takePort waits for the gateway before to be through with its HTTP/3. Datagrams of
// its connections would be lost on this one. It returns nil when this one ends first.
func (w *withHTTP3) takePort() *net.UDPConn {
	tick := time.NewTicker(portPause)
	defer tick.Stop()
	for {
		if socket, err := w.open(); err == nil {
			return socket
		}
		select {
		case <-tick.C:
		case <-w.ended:
			return nil
		}
	}
}

func (w *withHTTP3) end() { w.once.Do(func() { close(w.ended) }) }

// Retire has clients leave; those of HTTP/3 at once, for the port is wanted.
func (w *withHTTP3) Retire() {
	w.engine.Retire()
	w.end()
	go func() { _ = w.quic.Shutdown(context.Background()) }() // Close ends it at the latest
}

func (w *withHTTP3) Shutdown(ctx context.Context) error {
	w.end()
	var wg sync.WaitGroup
	var tcp, quic error
	wg.Go(func() { tcp = w.engine.Shutdown(ctx) })
	wg.Go(func() { quic = w.quic.Shutdown(ctx) })
	wg.Wait()
	return errors.Join(tcp, quic)
}

func (w *withHTTP3) Close() error {
	w.end()
	return errors.Join(w.engine.Close(), w.quic.Close())
}
