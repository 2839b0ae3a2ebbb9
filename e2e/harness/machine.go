package harness

import (
	"net"
	"os/exec"
	"testing"
)

// addedAddress is put on the loopback interface where the machine has no other
// address: one for benchmarks, which is nobody's (RFC 2544).
const addedAddress = "198.18.53.1"

// MachineAddress returns an address of this machine that is not a loopback one,
// as the instances of other nodes have. What is sent to it never leaves the
// kernel. Where there is none, one is added for the test, and where that is not
// permitted, the test fails.
func MachineAddress(t testing.TB) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatalf("listing the machine's addresses: %v", err)
	}
	for _, a := range addresses {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() && listens(t, n.IP.String()) == nil {
			return n.IP.String()
		}
	}
	printed, err := exec.CommandContext(t.Context(), "ip", "address", "add", addedAddress+"/32", "dev", "lo").CombinedOutput()
	if listens(t, addedAddress) != nil { // else it may have been added before
		t.Fatalf("this machine has no address but loopback ones, and none can be added: %v: %s", err, printed)
	}
	return addedAddress // it stays: another test may be using it
}

// listens reports whether a program can listen at the address.
func listens(t testing.TB, address string) error {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", net.JoinHostPort(address, "0"))
	if err != nil {
		return err
	}
	return listener.Close()
}
