package catalog_test

import (
	"encoding/json"
	"testing"

	"github.com/lictor/lictor/catalog"
)

func TestParseProtocol(t *testing.T) {
	for _, c := range []struct {
		word        string
		want        catalog.Protocol
		ok          bool
		multiplexed bool
	}{
		{"http", catalog.HTTP1, true, false},
		{"http1", catalog.HTTP1, true, false},
		{"http2", catalog.HTTP2, true, true},
		{"grpc", catalog.GRPC, true, true},
		{"tcp", catalog.AnyProtocol, false, false},
		{"GRPC", catalog.AnyProtocol, false, false},
		{"", catalog.AnyProtocol, false, false},
	} {
		got, ok := catalog.ParseProtocol(c.word)
		if got != c.want || ok != c.ok || got.Multiplexed() != c.multiplexed {
			t.Errorf("%q: %v %v multiplexed %v", c.word, got, ok, got.Multiplexed())
		}
	}
}

// A catalog on disk keeps what it says of protocols, and one from before protocols
// says nothing.
func TestProtocolText(t *testing.T) {
	for _, p := range []catalog.Protocol{catalog.AnyProtocol, catalog.HTTP1, catalog.HTTP2, catalog.GRPC} {
		text, err := json.Marshal(catalog.Instance{Protocol: p})
		if err != nil {
			t.Fatal(err)
		}
		var in catalog.Instance
		if err := json.Unmarshal(text, &in); err != nil || in.Protocol != p {
			t.Errorf("%v came back as %v, %v", p, in.Protocol, err)
		}
	}
	var in catalog.Instance
	if err := json.Unmarshal([]byte(`{"Key":"a"}`), &in); err != nil || in.Protocol != catalog.AnyProtocol {
		t.Errorf("%v, %v", in.Protocol, err)
	}
	if err := json.Unmarshal([]byte(`{"Protocol":"spdy"}`), &in); err == nil {
		t.Error("an unknown protocol was taken")
	}
}
