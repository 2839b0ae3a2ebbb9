// Package e2e drives the built gateway, as a process, against a real Consul
// agent and services on loopback. Its tests have the build tag e2e, since they
// need binaries that take a while to build:
//
//	make e2e
//
// Tests that send load or hold the gateway to a promised time run one after
// another; the others run in parallel once those are done.
package e2e
