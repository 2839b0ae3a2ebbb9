package redis

import (
	"crypto/sha1" //nolint:gosec // what the store names scripts by, not a secret
	_ "embed"
	"encoding/hex"
	"sync/atomic"
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
type script struct {
	text, name string
	// ran says that it has run there before: a store that does not know it any
	// more has lost its memory.
	ran atomic.Bool
}

// newScripts returns one for each form of states, by the form's own text.
func newScripts() map[string]*script {
	all := make(map[string]*script)
	for _, own := range []string{meterLua, fixedLua, counterLua, logLua, bucketsLua} {
		all[own] = newScript(preludeLua + own)
	}
	return all
}

func newScript(text string) *script {
	sum := sha1.Sum([]byte(text)) //nolint:gosec // see above
	return &script{text: text, name: hex.EncodeToString(sum[:])}
}
