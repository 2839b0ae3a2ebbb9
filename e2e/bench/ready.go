package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
)

// unverified is for a certificate that was made a second ago.
func unverified(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
}

// answers returns what finds out whether somebody answers with a reply of that size,
// as the load will want it.
func (f front) answers(size int, secure bool) func(context.Context, *proxy) error {
	if f.grpc {
		return func(ctx context.Context, p *proxy) error { return callOnce(ctx, p.address, size, secure) }
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: unverified(), DisableKeepAlives: true}}
	return func(ctx context.Context, p *proxy) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
		if err != nil {
			return fmt.Errorf("asking %s: %w", p.url, err)
		}
		response, err := client.Do(request)
		if err != nil {
			return fmt.Errorf("asking %s: %w", p.url, err)
		}
		defer response.Body.Close()
		n, err := io.Copy(io.Discard, response.Body)
		if err != nil {
			return fmt.Errorf("asking %s: %w", p.url, err)
		}
		if response.StatusCode != http.StatusOK || n != int64(size) {
			return fmt.Errorf("%s answered %s with %d bytes", p.url, response.Status, n)
		}
		return nil
	}
}

// callOnce makes one call of gRPC.
func callOnce(ctx context.Context, address string, size int, secure bool) error {
	conn, err := dialH2(ctx, address, secure)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	return newCaller(conn, secure, address, size).call(1, func(begun int) bool { return begun == 0 })
}

// dialH2 returns a connection for HTTP/2, by TLS or in clear.
func dialH2(ctx context.Context, address string, secure bool) (conn net.Conn, err error) {
	if secure {
		conn, err = (&tls.Dialer{Config: unverified("h2")}).DialContext(ctx, "tcp", address)
	} else {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", address)
	}
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	return conn, nil
}
