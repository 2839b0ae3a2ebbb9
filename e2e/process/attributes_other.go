//go:build unix && !linux

package process

import "syscall"

// attributes makes the child leader of its own group.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
