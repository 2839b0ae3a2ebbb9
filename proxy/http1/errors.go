package http1

import "github.com/lictor/lictor/proxy"

// Error says why bytes are not a message that the gateway passes on. All of them
// are values of this package: they can be compared and cost no allocation. After
// one, nothing on the connection has a meaning any more, and it must be closed.
type Error struct {
	// Problem is the answer that a client is owed. An instance's faults have
	// one too; there proxy.InstanceBroke is the answer.
	Problem *proxy.Problem
	reason  string
}

// Error names the fault in lower case. It holds nothing of the message.
func (e *Error) Error() string { return e.reason }

func malformed(reason string) *Error { return &Error{proxy.Malformed, reason} }

// Faults of lines and fields (RFC 9112 sections 2.2 and 5).
var (
	errIncomplete    = malformed("the head is not complete")
	errEmptyLines    = malformed("too many empty lines before a request")
	errBareCR        = malformed("a CR without LF")
	errBareLF        = malformed("an LF without CR")
	errControl       = malformed("a control character in a line")
	errFold          = malformed("a folded field line")
	errNoColon       = malformed("a field line without colon")
	errEmptyName     = malformed("an empty field name")
	errFieldName     = malformed("a field name that is not a token")
	errSpaceColon    = malformed("white space between field name and colon")
	errNominations   = malformed("a Connection field with too many names")
	errHeadTooLarge  = &Error{proxy.HeadTooLarge, "the head is too large"}
	errTooManyFields = &Error{proxy.HeadTooLarge, "too many field lines"}
)

// Faults of the first line (RFC 9112 sections 3 and 4).
var (
	errMethod        = malformed("a method that is not a token")
	errTarget        = malformed("a request target that no form allows")
	errTargetOctet   = malformed("an octet in the request target that must be escaped")
	errFragment      = malformed("a fragment in the request target")
	errAuthorityForm = malformed("an authority as the target of a method other than CONNECT")
	errConnectForm   = malformed("a CONNECT request whose target is not host and port")
	errAsteriskForm  = malformed("an asterisk as the target of a method other than OPTIONS")
	errScheme        = malformed("a request target with a foreign scheme")
	errUserinfo      = malformed("user information in the request target")
	errVersion       = malformed("a malformed request line or HTTP version")
	errVersionMajor  = &Error{proxy.VersionUnknown, "a version of HTTP that is not spoken here"}
	errHostMissing   = malformed("a request without Host")
	errHostRepeated  = malformed("more than one Host field")
	errHost          = malformed("an invalid Host")
	errStatusLine    = malformed("a malformed status line")
)

// Faults of the framing (RFC 9112 sections 6 and 7).
var (
	errLength         = malformed("a Content-Length that is not a number")
	errLengthRepeated = malformed("more than one Content-Length")
	errLengthTooLarge = &Error{proxy.BodyTooLarge, "a Content-Length that nothing can hold"}
	errLengthAndCoded = malformed("both Content-Length and Transfer-Encoding")
	errCodingVersion  = malformed("a transfer coding in HTTP/1.0")
	errCoding         = malformed("a Transfer-Encoding whose one last coding is not chunked")
	errCodingUnknown  = &Error{proxy.TransferNotCoded, "an unknown transfer coding"}
	errInterimBody    = malformed("an informational response with a body")
	errSwitch         = malformed("a 101 response that switches to no protocol that is passed on")
	errChunkSize      = malformed("a malformed chunk size")
	errChunkTooLarge  = &Error{proxy.BodyTooLarge, "a chunk size that nothing can hold"}
	errChunkExtension = malformed("a malformed chunk extension")
	errChunkExcess    = malformed("chunk extensions out of all proportion")
	errChunkEnd       = malformed("a chunk that is longer than its size")
	errTrailerLarge   = &Error{proxy.HeadTooLarge, "the trailer section is too large"}
)

// errUnsendable is a request that no HTTP/1.1 request line can carry. It can
// only come in by another version of HTTP.
var errUnsendable = malformed("a method, target or host that HTTP/1.1 can't express")
