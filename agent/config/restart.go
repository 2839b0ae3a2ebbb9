package config

import (
	"reflect"
	"slices"

	"github.com/lictor/lictor/agent/certs"
)

// RestartNeeded names the settings, in the names of the configuration language,
// that differ between two configurations of one agent and that a reload can't
// change. What a reload does change is the policy, the paths of policies, the
// static services, the log level, which requests are traced, and what a listener with
// TLS shows and asks for.
func RestartNeeded(running, next *Config) []string {
	var out []string
	for _, s := range []struct {
		name string
		a, b any
	}{
		{"node_name", running.NodeName, next.NodeName},
		{"log_json", running.LogJSON, next.LogJSON},
		{"data_dir", running.DataDir, next.DataDir},
		{"listener", withoutTLS(running.Listeners), withoutTLS(next.Listeners)},
		{"admin", running.Admin, next.Admin},
		{"consul", running.Consul, next.Consul},
		{"store", running.Store, next.Store},
		{"policies.kv_prefix", running.Policies.KVPrefix, next.Policies.KVPrefix},
		{"policies.watch", running.Policies.Watch, next.Policies.Watch},
		{"drain", running.Drain, next.Drain},
		{"telemetry", running.Telemetry, next.Telemetry},
		{"tracing", running.Tracing.withoutSampling(), next.Tracing.withoutSampling()},
		{"access_log", running.AccessLogs, next.AccessLogs},
	} {
		if !reflect.DeepEqual(s.a, s.b) {
			out = append(out, s.name)
		}
	}
	return out
}

// withoutTLS leaves of a listener's TLS only that there is some.
func withoutTLS(all []Listener) []Listener {
	all = slices.Clone(all)
	for i := range all {
		if all[i].TLS != nil {
			all[i].TLS = new(certs.ServerSpec)
			all[i].ACME = nil
		}
	}
	return all
}
