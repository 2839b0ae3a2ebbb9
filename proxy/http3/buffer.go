package http3

import (
	"net"
	"os"

	"github.com/hashicorp/go-hclog"
)

// wantedBuffer is the size of the socket's buffer, in bytes, that lets a burst of
// datagrams wait for us. quic-go asks for as much.
const wantedBuffer = 7 << 20

// leaveBufferWarningToUs keeps quic-go from writing to standard error, past the
// log. The environment is the only way to tell it.
func leaveBufferWarningToUs() {
	_ = os.Setenv("QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING", "true") // the name and value are sound
}

// warnOfSmallBuffer tells, once quic-go has asked for more, of a system that does
// not allow it: datagrams are lost under load then.
func warnOfSmallBuffer(socket *net.UDPConn, log hclog.Logger) {
	got, known := receiveBuffer(socket)
	if known && got < wantedBuffer {
		log.Warn("the system's bound of UDP receive buffers is low for HTTP/3: raise net.core.rmem_max", "bytes", got, "wanted", wantedBuffer)
	}
}
