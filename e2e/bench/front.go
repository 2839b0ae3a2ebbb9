package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// front is how clients come to the proxies.
type front struct {
	// tls says that they do so by TLS 1.2 or 1.3, with a certificate of P-256.
	tls bool
	// streams is how many requests of HTTP/2 are on a connection at once; 0 is HTTP/1.1.
	streams int
	// fresh says that each request comes by a connection, and a handshake, of its own.
	fresh bool
	// grpc says that requests are calls of gRPC, which go on as such.
	grpc bool
}

var fronts = map[string]front{
	"clear":      {},
	"tls":        {tls: true},
	"handshakes": {tls: true, fresh: true},
	"h2":         {tls: true, streams: 10},
	"grpc":       {tls: true, streams: 32, grpc: true},
}

func (f front) scheme() string {
	if f.tls {
		return "https://"
	}
	return "http://"
}

// target is what is asked for.
func (f front) target() string {
	if f.grpc {
		return grpcMethod
	}
	return target
}

// generator returns the path of the program that makes the load, nothing where that
// is this program.
func (f front) generator(ctx context.Context) (string, error) {
	switch {
	case f.grpc:
		return "", nil
	case f.streams > 0:
		return scripted(ctx, "e2e/programs/find.sh", "h2load", "nghttp2-client")
	default:
		return scripted(ctx, "e2e/programs/find.sh", "wrk", "wrk")
	}
}

// secured are the proxies that have a configuration for clients by TLS.
var secured = map[string]bool{"nginx": true, "caddy": true, "lictor": true, "other": true}

// The names of the certificate and its key in the stage's folder.
const (
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

// certify writes a certificate for this machine into the folder.
func (s *stage) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	if _, err := s.write(certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))); err != nil {
		return err
	}
	_, err = s.write(keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	return err
}

var (
	h2Line       = regexp.MustCompile(`requests: \d+ total, \d+ started, (\d+) done, \d+ succeeded, (\d+) failed`)
	h2StatusLine = regexp.MustCompile(`status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// h2load sends as many requests by HTTP/2 as are answered. It tells no percentiles.
func h2load(ctx context.Context, program, url string, connections, streams int, duration time.Duration) (load, error) {
	args := []string{
		"-t1", "-c" + strconv.Itoa(connections), "-m" + strconv.Itoa(streams), "-D" + strconv.Itoa(int(duration.Seconds())),
	}
	for _, field := range fields {
		args = append(args, "-H", field)
	}
	path, args := pinned(loadCPU, program, append(args, url))
	output, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	text := string(output)
	if err != nil {
		return load{}, fmt.Errorf("h2load: %w: %s", err, text)
	}
	var l load
	counts, statuses := h2Line.FindStringSubmatch(text), h2StatusLine.FindStringSubmatch(text)
	if counts == nil || statuses == nil {
		return load{}, fmt.Errorf("h2load counted nothing: %s", text)
	}
	if l.Requests, err = strconv.Atoi(counts[1]); err != nil || l.Requests == 0 {
		return load{}, fmt.Errorf("h2load had no answer: %s", text)
	}
	for _, number := range append(counts[2:], statuses[1:]...) {
		n, err := strconv.Atoi(number)
		if err != nil {
			return load{}, fmt.Errorf("reading h2load's errors: %w", err)
		}
		l.Errors += n
	}
	return l, nil
}
