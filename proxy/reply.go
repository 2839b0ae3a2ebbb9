package proxy

// Reply answers with a status and no body. It is for steps whose answer is what was
// asked for, such as a redirect: it is no Problem. The fields are those that the
// step has put into the response after calling ResetResponse.
func (x *Exchange) Reply(status int) {
	x.Unhold(0) // the client may know the answer before the exchange is over
	x.Response.Status, x.Response.Body, x.Response.Tunnel = status, nil, nil
	x.send(nil)
}
