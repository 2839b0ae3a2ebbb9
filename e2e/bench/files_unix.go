//go:build linux || darwin

package main

import (
	"fmt"
	"os/exec"
	"syscall"
)

// raiseFiles lets this process and those that it starts open n files.
func raiseFiles(n uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	limit.Cur = max(limit.Cur, n)
	limit.Max = max(limit.Max, limit.Cur) // takes root
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raising the limit of open files to %d: %w", limit.Cur, err)
	}
	return nil
}

// syncDisk waits until what was written is on the disk, lest it is another
// proxy's turn that pays for it.
func syncDisk() { _ = exec.Command("sync").Run() } // without it, the figures are but noisier
