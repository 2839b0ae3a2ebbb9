package main

import (
	"os"
	"runtime"
	"strings"
)

// hostFacts are what is known of the machine that the command runs on, without any
// variable of the environment.
type hostFacts struct {
	Hostname string            `json:"hostname"`
	OS       string            `json:"os"`
	Arch     string            `json:"arch"`
	CPUs     int               `json:"cpus"`
	Kernel   string            `json:"kernel,omitempty"`
	Uptime   string            `json:"uptime_seconds,omitempty"`
	Load     string            `json:"load_average,omitempty"`
	Memory   map[string]string `json:"memory,omitempty"`
	Sockets  []string          `json:"sockets,omitempty"`
	// Note says which machine that is.
	Note string `json:"note"`
}

func factsOfHost() hostFacts {
	name, _ := os.Hostname() // "" is for not knowing
	h := hostFacts{
		Hostname: name, OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(),
		Kernel: proc("/proc/sys/kernel/osrelease"), Load: proc("/proc/loadavg"),
		Note: "the machine that lictor debug ran on, which need not be the gateway's",
	}
	h.Uptime, _, _ = strings.Cut(proc("/proc/uptime"), " ")
	for line := range strings.Lines(proc("/proc/meminfo")) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "MemTotal", "MemFree", "MemAvailable", "Cached", "SwapTotal", "SwapFree":
			if h.Memory == nil {
				h.Memory = map[string]string{}
			}
			h.Memory[name] = strings.TrimSpace(value)
		}
	}
	if text := proc("/proc/net/sockstat"); text != "" {
		h.Sockets = strings.Split(text, "\n")
	}
	return h
}

// proc is what the kernel says in a file, "" where there is none.
func proc(file string) string {
	text, _ := os.ReadFile(file) // "" is for not knowing
	return strings.TrimSpace(string(text))
}
