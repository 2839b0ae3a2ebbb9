//go:build unix

package main

import (
	"os"
	"syscall"
)

var (
	harmless = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	handled  = []os.Signal{syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGINT, syscall.SIGTERM}
)

func meaning(s os.Signal) signalMeaning {
	switch s {
	case syscall.SIGHUP:
		return reloadSignal
	case syscall.SIGUSR1:
		return dumpSignal
	case syscall.SIGUSR2:
		return upgradeSignal
	default:
		return stopSignal
	}
}
