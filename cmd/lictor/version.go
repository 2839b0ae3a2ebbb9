package main

import (
	"fmt"
	"runtime"
)

// version is stamped by the build.
var version = "dev"

func runVersion(e env, _ []string) int {
	fmt.Fprintf(e.stdout, "lictor %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return exitOK
}
