package loopback

import (
	"os"
	"path/filepath"
)

// SocketPath returns where a test may have a Unix socket. The path of one is a hundred
// bytes long at most, for which the folder of a test may be too long by itself.
func SocketPath(t TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "lictor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}
