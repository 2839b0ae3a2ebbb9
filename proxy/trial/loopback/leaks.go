package loopback

import (
	"io"
	"os"
	"runtime"
	"strings"
	"time"
)

// Main runs a package's tests and returns the code to exit with. They fail when one
// has left a goroutine behind.
func Main(m interface{ Run() int }) int {
	code := m.Run()
	if code == 0 {
		if left := leaked(); left != "" {
			_, _ = io.WriteString(os.Stderr, "goroutines left behind:\n"+left)
			code = 1
		}
	}
	return code
}

// leaked returns the goroutines that are still busy with HTTP, after some
// patience with those that are about to end.
func leaked() string {
	for end := time.Now().Add(Patience); ; time.Sleep(5 * time.Millisecond) {
		buf := make([]byte, 1<<20)
		var left []string
		for s := range strings.SplitSeq(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
			if (strings.Contains(s, "net/http") || strings.Contains(s, "lictor")) && !strings.Contains(s, "TestMain") {
				left = append(left, s)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return strings.Join(left, "\n\n")
		}
	}
}
