//go:build !linux

package process

import "syscall"

// DieWithParent asks the kernel to send this process the signal when its own
// parent dies. Elsewhere than on Linux it does nothing.
func DieWithParent(syscall.Signal) {}
