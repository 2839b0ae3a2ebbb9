package redis

import (
	"crypto/sha1" //nolint:gosec // what the store names scripts by, not a secret
	_ "embed"
	"encoding/hex"
)

// The scripts, without what they all begin with.
var (
	//go:embed prelude.lua
	preludeLua string
	//go:embed meter.lua
	meterLua string
	//go:embed fixed.lua
	fixedLua string
	//go:embed counter.lua
	counterLua string
	//go:embed log.lua
	logLua string
	//go:embed buckets.lua
	bucketsLua string
	//go:embed fleet.lua
	fleetLua string
)

// script is one that the store runs, and the name that it has there once it has
// run.
type script struct{ text, name string }

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see above
	return &script{text: text, name: hex.EncodeToString(sum[:])}
}
