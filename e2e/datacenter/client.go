package datacenter

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Client speaks to an agent's HTTP API.
type Client struct {
	address string
	http    *http.Client
}

// NewClient returns a client of the agent at host:port.
func NewClient(address string) *Client {
	return &Client{address: address, http: &http.Client{Timeout: 10 * time.Second}}
}

// Address returns the host:port of the HTTP API.
func (c *Client) Address() string { return c.address }

// Get decodes the JSON answer of a GET into v.
func (c *Client) Get(ctx context.Context, path string, v any) error {
	return c.do(ctx, http.MethodGet, path, nil, v)
}

// Put sends body (may be nil) as JSON and decodes the answer into v (may be nil).
func (c *Client) Put(ctx context.Context, path string, body, v any) error {
	return c.do(ctx, http.MethodPut, path, body, v)
}

func (c *Client) do(ctx context.Context, method, path string, body, v any) error {
	var payload io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding the body of %s: %w", path, err)
		}
		payload = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, payload)
	if err != nil {
		return fmt.Errorf("asking Consul for %s: %w", path, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("asking Consul: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("reading Consul's answer to %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: Consul answered %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	if v == nil {
		return nil
	}
	if err := json.Unmarshal(answer, v); err != nil {
		return fmt.Errorf("decoding Consul's answer to %s: %w", path, err)
	}
	return nil
}

// A Registration is one instance as /v1/agent/service/register takes it.
type Registration struct {
	ID      string
	Name    string
	Address string
	Port    int
	Tags    []string          `json:",omitempty"`
	Meta    map[string]string `json:",omitempty"`
	Weights *Weights          `json:",omitempty"`
	Checks  []Check           `json:",omitempty"`
}

// Weights are an instance's shares of the traffic while it passes and while it
// warns. Consul's default is 1 for both.
type Weights struct{ Passing, Warning int }

// A Check is a health check of a registration. A TTL check changes only by
// Client.Report, which makes its moments exact.
type Check struct {
	CheckID  string `json:",omitempty"`
	Name     string `json:",omitempty"`
	TTL      string `json:",omitempty"`
	HTTP     string `json:",omitempty"`
	Interval string `json:",omitempty"`
	Status   string `json:",omitempty"`
}

// Register registers one instance with the agent.
func (c *Client) Register(ctx context.Context, r Registration) error {
	return c.Put(ctx, "/v1/agent/service/register?replace-existing-checks=true", r, nil)
}

// Deregister removes the instance with that id from the agent.
func (c *Client) Deregister(ctx context.Context, id string) error {
	return c.Put(ctx, "/v1/agent/service/deregister/"+url.PathEscape(id), nil, nil)
}

// Report sets a TTL check to passing, warning or critical.
func (c *Client) Report(ctx context.Context, checkID, status string) error {
	return c.Put(ctx, "/v1/agent/check/update/"+url.PathEscape(checkID), map[string]string{"Status": status}, nil)
}

// ServiceMaintenance switches the maintenance mode of one instance.
func (c *Client) ServiceMaintenance(ctx context.Context, id string, on bool) error {
	return c.Put(ctx, fmt.Sprintf("/v1/agent/service/maintenance/%s?enable=%t", url.PathEscape(id), on), nil, nil)
}

// NodeMaintenance switches the maintenance mode of the agent's node.
func (c *Client) NodeMaintenance(ctx context.Context, on bool) error {
	return c.Put(ctx, fmt.Sprintf("/v1/agent/maintenance?enable=%t", on), nil, nil)
}

// PutKey writes one key of the key-value store.
func (c *Client) PutKey(ctx context.Context, key, value string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://"+c.address+"/v1/kv/"+key, strings.NewReader(value))
	if err != nil {
		return fmt.Errorf("writing key %s: %w", key, err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return fmt.Errorf("writing key %s: %w", key, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("writing key %s: Consul answered %s", key, response.Status)
	}
	return nil
}
