//go:build !unix

package main

import "os"

var handled = []os.Signal{os.Interrupt}

func meaning(os.Signal) signalMeaning { return stopSignal }
