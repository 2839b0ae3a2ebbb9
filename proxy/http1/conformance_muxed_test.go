package http1_test

import (
	"testing"

	"github.com/lictor/lictor/proxy"
	"github.com/lictor/lictor/proxy/nethttp"
)

// muxed speaks HTTP/2 to instances.
func muxed(l *proxy.Listener, o options) (func(proxy.Handler) server, proxy.Forwarder) {
	front, _ := standard(l, o)
	return front, nethttp.NewH2Forwarder(nethttp.ForwarderOptions{Own: o.Own})
}

// TestToHTTP2 runs what does not depend on the wire of instances, with those that
// speak HTTP/2.
func TestToHTTP2(t *testing.T) {
	anyClient := map[string]func(*testing.T, engine){
		"BodiesBothWays":            testBodiesBothWays,
		"BodyOverTheRoutesBound":    testBodyOverTheRoutesBound,
		"BothWaysAtOnce":            testBothWaysAtOnce,
		"EarlyAnswerToALargeUpload": testEarlyAnswerToALargeUpload,
		"EventsAreFlushedOneByOne":  testEventsAreFlushedOneByOne,
		"GetAndHead":                testGetAndHead,
		"InterimResponses":          testInterimResponses,
		"NoInstance":                testNoInstance,
		"TrailersBothWays":          testTrailersBothWays,
	}
	rawClient := map[string]func(*testing.T, engine){
		"BrokenChunksFromTheClient":         testBrokenChunksFromTheClient,
		"Chaos":                             testChaos,
		"ClientGoneCancelsTheInstance":      testClientGoneCancelsTheInstance,
		"ClientGoneDuringUpload":            testClientGoneDuringUpload,
		"ExpectContinue":                    testExpectContinue,
		"GoneClientFreesTheInstance":        testGoneClientFreesTheInstance,
		"ManyAtOnce":                        testManyAtOnce,
		"PanicEndsOneExchangeOnly":          testPanicEndsOneExchangeOnly,
		"RefusedConnectionIsTriedElsewhere": testRefusedConnectionIsTriedElsewhere,
		"ResolvedAddressesAreJudged":        testResolvedAddressesAreJudged,
		"UnixSocket":                        testUnixSocket,
	}
	for name, e := range map[string]engine{
		"http1 to HTTP2": either(ours, muxed), "nethttp to HTTP2": muxed, "http1 to HTTP2 over TLS": overTLS(either(ours, muxed)),
	} {
		t.Run(name, func(t *testing.T) {
			for test, run := range anyClient {
				t.Run(test, func(t *testing.T) { run(t, e) })
			}
			for test, run := range rawClient {
				t.Run(test, func(t *testing.T) { run(t, e) })
			}
		})
	}
	t.Run("HTTP2 to HTTP2", func(t *testing.T) {
		for test, run := range anyClient {
			t.Run(test, func(t *testing.T) { run(t, h2c(muxed)) })
		}
	})
}
