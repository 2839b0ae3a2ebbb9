package process

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// terminate kills: Windows has no signal that asks.
func terminate(p *Process) error { return p.Signal(os.Kill) }
