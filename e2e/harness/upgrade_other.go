//go:build !unix

package harness

import "path/filepath"

func (g *Gateway) pidFile() string { return filepath.Join(g.Dir, "lictor.pid") }
