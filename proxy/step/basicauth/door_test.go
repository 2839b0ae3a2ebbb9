package basicauth

import (
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/trial"
)

// door is a gateway with one route that asks for passwords.
type door struct{ *trial.Door }

func newDoor(t testing.TB, step proxy.Step) door {
	t.Helper()
	d, err := trial.NewDoor(t.Context(), step)
	if err != nil {
		t.Fatal(err)
	}
	return door{d}
}

// seen is what the instance got.
func (d door) seen() []string { return d.Seen("Authorization", "X-User") }
