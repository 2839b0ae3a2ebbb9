//go:build !unix

package main

import (
	"io"
	"os"
)

// resizing is what no signal tells here.
var resizing []os.Signal

// screenOf returns the screen that a writer is, nil when it is none. A console of this
// system's is not drawn on.
func screenOf(w io.Writer) screen {
	s, _ := w.(screen)
	return s
}
