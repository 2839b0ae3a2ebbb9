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
	// Token goes with every request; empty sends none.
	Token string

	address string
	http    *http.Client
}

// NewClient returns a client of the agent at host:port.
func NewClient(address string) *Client {
	return &Client{address: address, http: &http.Client{Timeout: 30 * time.Second}}
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

// Delete removes what is at the path.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.raw(ctx, http.MethodDelete, path, nil)
	return err
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
	answer, err := c.raw(ctx, method, path, payload)
	if err != nil {
		return err
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
	// Locality is where it runs; nil says nothing.
	Locality *Locality `json:",omitempty"`
}

// Locality is where an instance runs.
type Locality struct{ Region, Zone string }

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

// Prepare makes a prepared query of a service, which goes on in other
// datacenters when nobody passes in its own, and returns its id.
func (c *Client) Prepare(ctx context.Context, name, service string, datacenters ...string) (id string, err error) {
	query, err := json.Marshal(map[string]any{
		"Name":    name,
		"Service": map[string]any{"Service": service, "Failover": map[string]any{"Datacenters": datacenters}},
	})
	if err != nil {
		return "", fmt.Errorf("encoding the query %s: %w", name, err)
	}
	answer, err := c.raw(ctx, http.MethodPost, "/v1/query", bytes.NewReader(query))
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	if err := json.Unmarshal(answer, &made); err != nil {
		return "", fmt.Errorf("decoding Consul's answer to the query %s: %w", name, err)
	}
	return made.ID, nil
}

// PutKey writes one key of the key-value store.
func (c *Client) PutKey(ctx context.Context, key, value string) error {
	_, err := c.raw(ctx, http.MethodPut, "/v1/kv/"+key, strings.NewReader(value))
	return err
}

// Leader returns the address of the datacenter's leader, as far as the agent
// knows one.
func (c *Client) Leader(ctx context.Context) (string, error) {
	var leader string
	err := c.Get(ctx, "/v1/status/leader", &leader)
	return leader, err
}

// An Entry is one instance as /v1/catalog/register takes it: of a node that runs
// no agent, so that no agent puts right what is changed.
type Entry struct {
	Node    string
	Address string
	Service EntryService
	// SkipNodeUpdate leaves the node as it is.
	SkipNodeUpdate bool
}

// EntryService is the service of an Entry.
type EntryService struct {
	ID      string
	Service string
	Address string
	Port    int
	Meta    map[string]string `json:",omitempty"`
}

// CatalogRegister registers an instance in the catalog itself.
func (c *Client) CatalogRegister(ctx context.Context, e Entry) error {
	return c.Put(ctx, "/v1/catalog/register", e, nil)
}

// CatalogDeregister removes an instance from the catalog itself.
func (c *Client) CatalogDeregister(ctx context.Context, node, serviceID string) error {
	return c.Put(ctx, "/v1/catalog/deregister", map[string]string{"Node": node, "ServiceID": serviceID}, nil)
}

// SaveSnapshot returns the state of the datacenter's servers.
func (c *Client) SaveSnapshot(ctx context.Context) ([]byte, error) {
	return c.raw(ctx, http.MethodGet, "/v1/snapshot", nil)
}

// RestoreSnapshot puts the servers back into a state that was saved.
func (c *Client) RestoreSnapshot(ctx context.Context, state []byte) error {
	_, err := c.raw(ctx, http.MethodPut, "/v1/snapshot", bytes.NewReader(state))
	return err
}

// raw sends a body and returns the answer's, whatever they are.
func (c *Client) raw(ctx context.Context, method, path string, body io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+path, body)
	if err != nil {
		return nil, fmt.Errorf("asking Consul for %s: %w", path, err)
	}
	if c.Token != "" {
		request.Header.Set("X-Consul-Token", c.Token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, fmt.Errorf("asking Consul: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading Consul's answer to %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: Consul answered %s: %s", method, path, response.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}
