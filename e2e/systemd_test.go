//go:build e2e && unix

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lictor/lictor/e2e/harness"
)

// TestSystemd does what systemd does with a socket and a service of Type=notify: it
// opens the socket of a listener, starts the gateway with it, and is told when
// requests are taken, which process is the main one, and when that ends.
func TestSystemd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	instance := harness.StartInstance(t, "orders", "orders-1")
	config := filepath.Join(dir, "lictor.hcl")
	// Nothing may listen on the configuration's own address: it belongs to no machine.
	write(t, config, fmt.Appendf(nil, `
listener "public" { address = "192.0.2.1:80" }
admin { address = "127.0.0.1:0" }
access_log { format = "off" }
service "orders" {
  instance {
    address = %q
    port    = %d
  }
}
%s`, instance.Host, instance.Port, ordersRoute))
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	told, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer told.Close()
	next := func() string {
		t.Helper()
		if err := told.SetReadDeadline(time.Now().Add(harness.Patience)); err != nil {
			t.Fatal(err)
		}
		message := make([]byte, 1024)
		n, err := told.Read(message)
		if err != nil {
			t.Fatal(err)
		}
		return string(message[:n])
	}

	// The number of the process is known only to itself.
	command := exec.Command("sh", "-c", `LISTEN_PID=$$ exec "$0" "$@"`, harness.Lictor(t), "agent", "-config-file", config)
	command.Env = append(os.Environ(), "LISTEN_FDS=1", "LISTEN_FDNAMES=public", "NOTIFY_SOCKET="+told.LocalAddr().String())
	command.ExtraFiles = []*os.File{file}
	var log harness.Log
	command.Stdout, command.Stderr = &log, &log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill() // it may have ended
		if t.Failed() {
			t.Logf("the gateway printed:\n%s", &log)
		}
	})
	if want := fmt.Sprintf("READY=1\nMAINPID=%d", command.Process.Pid); next() != want {
		t.Errorf("it did not say %q", want)
	}
	response, err := http.Get("http://" + socket.Addr().String() + "/orders/1")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		t.Errorf("%s", response.Status)
	}
	if err := command.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if said := next(); !strings.HasPrefix(said, "STOPPING=1") {
		t.Errorf("at the end it said %q", said)
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it ended by %v", err)
	}
}
