package upstream

// Outcome is how an endpoint fared with a request.
type Outcome uint8

// The outcomes. The zero value means that nothing has been reported.
const (
	// Success: a response head arrived, whatever its status.
	Success Outcome = iota + 1
	// Refused: no connection came to be, by refusal, timeout or a failed
	// handshake, and nothing of the request was sent.
	Refused
	// Broke: the connection closed or the answer was no HTTP after bytes of the
	// request were sent. A kept-alive connection that had died while idle is
	// not the endpoint's failure and is not reported.
	Broke
	// TimedOut: no response head in time.
	TimedOut
	// Canceled: the client went away, or something else that says nothing of
	// the endpoint.
	Canceled

	outcomes = iota + 1
)

// String returns the outcome in one word, fit for a metric's label.
func (o Outcome) String() string {
	switch o {
	case Success:
		return "success"
	case Refused:
		return "refused"
	case Broke:
		return "broke"
	case TimedOut:
		return "timed_out"
	case Canceled:
		return "canceled"
	}
	return "none"
}
