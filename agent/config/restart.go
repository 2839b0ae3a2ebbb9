package config

import "reflect"

// RestartNeeded names the settings, in the names of the configuration language,
// that differ between two configurations of one agent and that a reload can't
// change. What a reload does change is the policy, the paths of policies, the
// static services and the log level.
func RestartNeeded(running, next *Config) []string {
	var out []string
	for _, s := range []struct {
		name string
		a, b any
	}{
		{"node_name", running.NodeName, next.NodeName},
		{"log_json", running.LogJSON, next.LogJSON},
		{"data_dir", running.DataDir, next.DataDir},
		{"listener", running.Listeners, next.Listeners},
		{"admin", running.Admin, next.Admin},
		{"consul", running.Consul, next.Consul},
		{"policies.watch", running.Policies.Watch, next.Policies.Watch},
		{"drain", running.Drain, next.Drain},
		{"telemetry", running.Telemetry, next.Telemetry},
		{"access_log", running.AccessLog, next.AccessLog},
	} {
		if !reflect.DeepEqual(s.a, s.b) {
			out = append(out, s.name)
		}
	}
	return out
}
