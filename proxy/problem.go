package proxy

import "strconv"

// Problem is one kind of answer that the gateway makes itself. Its type and
// title go into the body (RFC 9457), its error into Proxy-Status (RFC 9209).
type Problem struct {
	// Name is the last part of the type, and the label of the metric.
	Name   string
	Status int
	Title  string
	// ProxyError is an error type of RFC 9209 section 2.3.
	ProxyError string
	// Type overrides "urn:lictor:problem:" + Name.
	Type  string
	index int
}

// The answers that the gateway makes itself.
var (
	NoRoute            = &Problem{index: 0, Name: "no-route", Status: 404, Title: "No route matches the request", ProxyError: "http_request_error"}
	MethodNotAllowed   = &Problem{index: 1, Name: "method-not-allowed", Status: 405, Title: "The method is not allowed here", ProxyError: "http_request_error"}
	Malformed          = &Problem{index: 2, Name: "malformed", Status: 400, Title: "The request is malformed", ProxyError: "http_request_error"}
	HeadTooLarge       = &Problem{index: 3, Name: "head-too-large", Status: 431, Title: "The request's header section is too large", ProxyError: "http_request_error"}
	BodyTooLarge       = &Problem{index: 4, Name: "body-too-large", Status: 413, Title: "The request's body is too large", ProxyError: "http_request_error"}
	TokenMissing       = &Problem{index: 5, Name: "token-missing", Status: 401, Title: "A token is required", ProxyError: "http_request_denied"}
	TokenInvalid       = &Problem{index: 6, Name: "token-invalid", Status: 401, Title: "The token is not valid", ProxyError: "http_request_denied"}
	ClaimsMissing      = &Problem{index: 7, Name: "claims-missing", Status: 403, Title: "The token lacks a required claim", ProxyError: "http_request_denied"}
	KeysUnavailable    = &Problem{index: 8, Name: "jwks-unavailable", Status: 503, Title: "Tokens can't be verified at the moment", ProxyError: "destination_unavailable"}
	NoHealthyInstance  = &Problem{index: 9, Name: "no-healthy-instance", Status: 503, Title: "No instance of the service is healthy", ProxyError: "destination_unavailable"}
	ServiceUnknown     = &Problem{index: 10, Name: "service-not-registered", Status: 503, Title: "The service is not registered", ProxyError: "destination_unavailable"}
	InstanceRefused    = &Problem{index: 11, Name: "instance-refused", Status: 502, Title: "The instance refused the connection", ProxyError: "connection_refused"}
	InstanceBroke      = &Problem{index: 12, Name: "instance-broke", Status: 502, Title: "The instance broke off", ProxyError: "connection_terminated"}
	InstanceTimeout    = &Problem{index: 13, Name: "instance-timeout", Status: 504, Title: "The instance did not answer in time", ProxyError: "http_response_timeout"}
	Overloaded         = &Problem{index: 14, Name: "overloaded", Status: 503, Title: "The gateway or the service is at its limit", ProxyError: "connection_limit_reached"}
	QuotaExceeded      = &Problem{index: 15, Name: "quota-exceeded", Status: 429, Title: "Request cannot be satisfied as assigned quota has been exceeded", ProxyError: "http_request_denied", Type: "https://iana.org/assignments/http-problem-types#quota-exceeded"}
	TransferNotCoded   = &Problem{index: 16, Name: "malformed", Status: 501, Title: "The transfer coding is not known", ProxyError: "http_request_error"}
	MethodNotSupported = &Problem{index: 17, Name: "malformed", Status: 501, Title: "The method is not supported", ProxyError: "http_request_error"}
	VersionUnknown     = &Problem{index: 18, Name: "malformed", Status: 505, Title: "The version of HTTP is not spoken here", ProxyError: "http_request_error"}
)

// NotReady answers the listener's health path while the gateway should get no
// traffic.
var NotReady = &Problem{index: 19, Name: "not-ready", Status: 503, Title: "The gateway should get no traffic at the moment", ProxyError: "destination_unavailable"}

// RequestTimeout answers a client that stopped sending its request's body.
var RequestTimeout = &Problem{index: 20, Name: "request-timeout", Status: 408, Title: "The request's body did not arrive in time", ProxyError: "http_request_error"}

// The answers of the service mesh: it denies the gateway to speak to the service,
// or the gateway has no identity in it to speak with.
var (
	IntentionDenied = &Problem{index: 21, Name: "intention-denied", Status: 403, Title: "An intention denies the gateway to speak to the service", ProxyError: "http_request_denied"}
	MeshUnavailable = &Problem{index: 22, Name: "mesh-unavailable", Status: 503, Title: "The service can't be spoken to through the mesh at the moment", ProxyError: "destination_unavailable"}
)

// ReducedCapacity answers a request that the service has no capacity for at the
// moment, as far as limits can tell
// (draft-ietf-httpapi-ratelimit-headers-11, problem types).
var ReducedCapacity = &Problem{index: 23, Name: "temporary-reduced-capacity", Status: 503, Title: "Request cannot be satisfied due to temporary server capacity constraints", ProxyError: "connection_limit_reached", Type: "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"}

// AddressDenied answers a client whose address may not come.
var AddressDenied = &Problem{index: 24, Name: "address-denied", Status: 403, Title: "Requests from this address are not allowed", ProxyError: "http_request_denied"}

// The answers to who has not proven by a password or a key who it is.
var (
	CredentialsMissing = &Problem{index: 25, Name: "credentials-missing", Status: 401, Title: "Credentials are required", ProxyError: "http_request_denied"}
	CredentialsInvalid = &Problem{index: 26, Name: "credentials-invalid", Status: 401, Title: "The credentials are not valid", ProxyError: "http_request_denied"}
)

// The answers of a service that decides which requests may pass, and the one when it
// is not there.
var (
	AuthRequired     = &Problem{index: 27, Name: "auth-required", Status: 401, Title: "The request needs to be authenticated", ProxyError: "http_request_denied"}
	AuthRefused      = &Problem{index: 28, Name: "auth-refused", Status: 403, Title: "The request is not allowed", ProxyError: "http_request_denied"}
	AuthNotAvailable = &Problem{index: 29, Name: "auth-unavailable", Status: 503, Title: "It can't be decided at the moment whether the request is allowed", ProxyError: "destination_unavailable"}
)

// PermissionDenied answers a service of the mesh that may speak to the gateway, but
// not make this request.
var PermissionDenied = &Problem{index: 30, Name: "permission-denied", Status: 403, Title: "No permission of the mesh allows the request", ProxyError: "http_request_denied"}

// problems counts the kinds above; Counters are indexed by Problem.index.
const problems = 31

// allProblems lists the kinds in the order of their index.
var allProblems = [problems]*Problem{
	NoRoute, MethodNotAllowed, Malformed, HeadTooLarge, BodyTooLarge, TokenMissing, TokenInvalid, ClaimsMissing,
	KeysUnavailable, NoHealthyInstance, ServiceUnknown, InstanceRefused, InstanceBroke, InstanceTimeout, Overloaded,
	QuotaExceeded, TransferNotCoded, MethodNotSupported, VersionUnknown, NotReady,
	RequestTimeout, IntentionDenied, MeshUnavailable, ReducedCapacity,
	AddressDenied, CredentialsMissing, CredentialsInvalid,
	AuthRequired, AuthRefused, AuthNotAvailable, PermissionDenied,
}

// Answer replies from the gateway itself. The err is for the log only; the
// client sees the kind and detail, which must hold nothing secret. It must not
// be called after the response's head went out.
func (x *Exchange) Answer(p *Problem, detail string, err error) {
	x.Problem, x.Err = p, err
	r := &x.Response
	r.Fields.Reset(nil)
	x.answerWith(p, detail)
}

// AnswerWith is Answer for a step that has put fields of its own into the
// response after calling ResetResponse, such as WWW-Authenticate.
func (x *Exchange) AnswerWith(p *Problem, detail string, err error) {
	x.Problem, x.Err = p, err
	x.answerWith(p, detail)
}

// ResetResponse empties the response's fields, before a step adds its own and
// calls AnswerWith.
func (x *Exchange) ResetResponse() { x.Response.Fields.Reset(nil) }

func (x *Exchange) answerWith(p *Problem, detail string) {
	x.Unhold(0) // the client may know the answer before the exchange is over
	r := &x.Response
	r.Status, r.Body, r.Tunnel = p.Status, nil, nil
	f := &r.Fields
	if p.Status == 503 && p != KeysUnavailable {
		f.AddString(RetryAfter, "1")
	}
	status := append(f.Open(ProxyStatus), "lictor; error="...)
	f.Close(append(status, p.ProxyError...))
	if d := x.grpcDialect(); d != notGRPC {
		x.answerGRPC(d, p, detail)
		return
	}
	if page, ok := x.p.errorPage(p.Status); ok {
		f.AddString(ContentType, page.ContentType)
		x.send(page.Body)
		return
	}
	f.AddString(ContentType, "application/problem+json")
	x.send(x.problemBody(p, detail))
}

// send completes an answer of the gateway's own with its body.
func (x *Exchange) send(body []byte) {
	x.Response.Length = int64(len(body))
	x.showAnswer()
	x.editResponse()
	if err := x.writeAnswer(body); err != nil {
		if x.Err == nil {
			x.Err = err
		}
		x.W.Abort()
	}
}

func (x *Exchange) writeAnswer(body []byte) error {
	x.noteResponse()
	if err := x.W.Head(&x.Response); err != nil {
		return err
	}
	x.headOut = true
	if x.Request.Verb != MethodHead {
		if err := x.W.Body(body); err != nil {
			return err
		}
		x.BytesOut += int64(len(body))
	}
	if err := x.W.End(nil); err != nil {
		return err
	}
	x.complete = true
	return nil
}

// problemBody builds the problem document (RFC 9457 section 3) in the
// exchange's own space.
func (x *Exchange) problemBody(p *Problem, detail string) []byte {
	b := x.answer0[:0]
	if cap(x.answer) > len(x.answer0) {
		b = x.answer[:0]
	}
	b = append(b, `{"type":"`...)
	if p.Type != "" {
		b = append(b, p.Type...)
	} else {
		b = append(b, "urn:lictor:problem:"...)
		b = append(b, p.Name...)
	}
	b = append(b, `","title":"`...)
	b = append(b, p.Title...)
	b = append(b, `","status":`...)
	b = strconv.AppendInt(b, int64(p.Status), 10)
	if detail != "" {
		b = append(b, `,"detail":`...)
		b = appendJSONString(b, detail)
	}
	if p == QuotaExceeded || p == ReducedCapacity {
		b = x.appendViolated(b)
	}
	b = append(b, `,"request_id":`...)
	b = appendJSONString(b, x.requestID)
	b = append(b, '}', '\n')
	x.answer = b
	return b
}
