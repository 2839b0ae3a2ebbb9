//go:build unix

package main

import (
	"os"
	"syscall"
)

var handled = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1}

func meaning(s os.Signal) signalMeaning {
	switch s {
	case syscall.SIGHUP:
		return reloadSignal
	case syscall.SIGUSR1:
		return dumpSignal
	default:
		return stopSignal
	}
}
