// Package harness runs what an end-to-end test needs and ends it with the test:
// a real Consul agent, the built gateway, and instances of services whose ids it
// knows.
//
//	test ──HTTP──▶ gateway (process) ──HTTP──▶ Instance (in this process)
//	  │               ▲ catalog                   │
//	  └──▶ Consul (process) ◀──registered by──────┘
//
// It imports nothing of the gateway: what a test knows of it is what a person
// could know, its command line, configuration, ports and logs. Programs are found
// by LICTOR_BIN and CONSUL_BIN or built.
package harness
