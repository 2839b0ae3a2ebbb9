package http1_test

import (
	"sync"
	"testing"
	"time"
)

// The tests below have bounds that are short beside a test's loopback.Patience, but long
// enough for a machine that stands still for a while, and take longer. They mostly
// wait, so all of them do at once.
const (
	shortTime = 5 * time.Second
	longTime  = shortTime + shortTime/3 // deadlines may strike an eighth late
	pause     = shortTime / 5
)

func TestWaits(t *testing.T) {
	t.Parallel()
	type waits struct {
		engines map[string]engine
		test    func(*testing.T, engine)
	}
	atOnce(t, map[string]waits{
		"an upload longer than the timeout":        {engines, testUploadLongerThanTheTimeout},
		"the timeout begins after the upload":      {engines, testTimeoutBeginsAfterTheUpload},
		"a slow upload is tried elsewhere":         {engines, testSlowUploadIsTriedElsewhere},
		"an early answer to a slow upload":         {engines, testEarlyAnswerToASlowUpload},
		"an answer beside a long upload":           {engines, testAnswerBesideALongUpload},
		"a client that stops sending":              {engines, testClientThatStopsSending},
		"an instance that stops reading":           {engines, testInstanceThatStopsReading},
		"HTTP/2, an instance that stops reading":   {engines2, testInstanceThatStopsReading},
		"a silent instance":                        {engines, testSilentInstanceIsGivenUp},
		"HTTP/2, a silent instance":                {engines2, testSilentInstanceIsGivenUp},
		"an idle tunnel":                           {engines, testIdleTunnelEnds},
		"an instance silent within a large body":   {engines, testSilenceInALargeBody},
		"a client that takes nothing of a body":    {engines, testStalledDownloadIsGivenUp},
		"slow heads":                               {ways, testSlowHeadsAreGivenUp},
		"TLS":                                      {map[string]engine{"http1": ours}, testTLS},
		"a client that goes away":                  {engines, testClientGoneCancelsTheInstance},
		"HTTP/2, a client that goes away":          {engines2, testClientGoneCancelsTheInstance},
		"a client that goes away, in other ways":   {ways, testGoneClientFreesTheInstance},
		"a slow exchange":                          {ways, testSlowExchangeDoesNotEndTheConnection},
		"the deadline of a head strikes in a body": {ways, testLateDeadlinesDisturbNobody},
	}, func(t *testing.T, w waits) { atOnce(t, w.engines, w.test) })
}

// atOnce runs a test with each of the cases, all at the same time. Tests that are
// parallel would be, too, but only as many as there are processors.
func atOnce[V any](t *testing.T, cases map[string]V, test func(*testing.T, V)) {
	t.Helper()
	var all sync.WaitGroup
	for name, c := range cases {
		all.Go(func() { t.Run(name, func(t *testing.T) { test(t, c) }) })
	}
	all.Wait()
}
