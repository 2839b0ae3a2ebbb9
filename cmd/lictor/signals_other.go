//go:build !unix

package main

import "os"

var (
	handled  = []os.Signal{os.Interrupt}
	harmless []os.Signal
)

func meaning(os.Signal) signalMeaning { return stopSignal }
