package proxy

// answerHealth answers the listener's health path, for load balancers in front.
// It reports false when the request is not for it.
func (x *Exchange) answerHealth() bool {
	l := x.Conn.Listener
	if l.HealthPath == "" || string(x.Request.Path) != l.HealthPath {
		return false
	}
	x.trace.unsample()
	if l.Ready != nil && !l.Ready() {
		x.Answer(NotReady, "", nil)
		return true
	}
	r := &x.Response
	r.Fields.Reset(nil)
	r.Fields.AddString(ContentType, "application/json")
	r.Status, r.Body, r.Tunnel = 200, nil, nil
	x.send(healthy)
	return true
}

var healthy = []byte(`{"status":"ready"}` + "\n")
