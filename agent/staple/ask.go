package staple

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/crypto/ocsp"
)

const (
	// askTime bounds one question, with its answer.
	askTime = 10 * time.Second
	// maxAnswer bounds a response, in bytes. Every handshake carries it.
	maxAnswer = 32 << 10
	// maxHead bounds the head of the response that it comes in, in bytes.
	maxHead = 16 << 10
	// atOnce is how many responders are asked at a time.
	atOnce = 4
)

// newTransport is what responders are asked by: seldom, so nothing is kept open.
func newTransport() http.RoundTripper {
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSHandshakeTimeout: askTime,
		DialContext:            (&net.Dialer{Timeout: askTime}).DialContext,
		MaxResponseHeaderBytes: maxHead,
	}
}

// newClient goes nowhere but to whom it is sent.
func newClient(by http.RoundTripper) *http.Client {
	return &http.Client{
		Transport: by, Timeout: askTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask returns the first answer that can be believed of those of the responders that
// the certificate names.
func ask(ctx context.Context, client *http.Client, s *subject) (*answer, error) {
	// By SHA-1, which every responder knows: it names an issuer, and guards nothing.
	question, err := ocsp.CreateRequest(s.leaf, s.issuer, nil)
	if err != nil {
		return nil, fmt.Errorf("preparing the question: %w", err)
	}
	err = nil
	for _, responder := range s.responders {
		raw, failed := post(ctx, client, responder, question)
		var a *answer
		if failed == nil {
			a, failed = verify(raw, s, time.Now())
		}
		if failed == nil {
			return a, nil
		}
		failed = fmt.Errorf("asking %s: %w", responder, failed)
		if err != nil {
			failed = fmt.Errorf("%w; %w", err, failed)
		}
		err = failed
	}
	return nil, err
}

// post asks one responder (RFC 6960 appendix A.1).
func post(ctx context.Context, client *http.Client, responder string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, responder, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "application/ocsp-request")
	request.Header.Set("Accept", "application/ocsp-response")
	response, err := client.Do(request)
	if err != nil {
		return nil, reason(err)
	}
	defer response.Body.Close()
	if c := response.StatusCode; c != http.StatusOK {
		return nil, fmt.Errorf("it answers %d %s", c, http.StatusText(c))
	}
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading its response: %w", err)
	case len(raw) > maxAnswer:
		return nil, fmt.Errorf("its response has more than %d bytes", maxAnswer)
	}
	return raw, nil
}
