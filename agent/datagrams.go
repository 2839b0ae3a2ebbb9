package agent

import (
	"net"
	"strconv"

	dto "github.com/prometheus/client_model/go"
)

// datagram is how much one packet holds: what passes any link in one piece.
const datagram = 1400

// datagrams is a StatsD server. Metrics are written when they are flushed, all of
// them, in order and in as few packets as will do; go-metrics' own sink lets
// some fall when there are thousands at once, and what was told last when it is
// shut down.
type datagrams struct {
	address string
	packets [][]byte
}

func (d *datagrams) gauge(name string, labels []*dto.LabelPair, v float64) {
	d.add(name, labels, v, "|g\n")
}

func (d *datagrams) count(_, name string, labels []*dto.LabelPair, added float64) {
	d.add(name, labels, added, "|c\n")
}

// add writes one metric: its labels' values follow the name, behind dots.
func (d *datagrams) add(name string, labels []*dto.LabelPair, v float64, kind string) {
	line := appendName(nil, name)
	for _, l := range labels {
		line = appendName(append(line, '.'), l.GetValue())
	}
	line = strconv.AppendFloat(append(line, ':'), v, 'f', -1, 64)
	line = append(line, kind...)
	if n := len(d.packets); n > 0 && len(d.packets[n-1])+len(line) <= datagram {
		d.packets[n-1] = append(d.packets[n-1], line...)
		return
	}
	d.packets = append(d.packets, line)
}

// appendName appends text without what has a meaning in the protocol.
func appendName(dst []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c <= ' ' || c == ':' || c == '|' || c == '@' || c == '#' {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// flush sends the packets. The address is looked up anew each time, because the
// server may have moved.
func (d *datagrams) flush(map[string]float64) error {
	packets := d.packets
	d.packets = nil
	c, err := net.Dial("udp", d.address)
	if err != nil {
		return err
	}
	defer c.Close()
	for _, p := range packets {
		if _, err := c.Write(p); err != nil {
			return err
		}
	}
	return nil
}

func (d *datagrams) close() error { return nil }
