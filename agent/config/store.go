package config

import (
	"time"

	"github.com/lictor/lictor/attr"

	"github.com/hashicorp/hcl/v2"

	"github.com/lictor/lictor/agent/certs"
)

// StoreRedis is the kind of store that there is.
const StoreRedis = "redis"

// Defaults and bounds of a store.
const (
	defaultStorePrefix  = "lictor"
	defaultStoreTimeout = 20 * time.Millisecond
	mostGateways        = 10_000
	mostDatabases       = 1 << 20
)

// Store is where shared limits keep their budgets.
type Store struct {
	// Kind is StoreRedis.
	Kind string
	// Addresses are host:port: of one server, of some nodes of a cluster, or of
	// the sentinels that know where Master is.
	Addresses []string
	// Master is the name that sentinels know a master by; empty means that there
	// are no sentinels.
	Master   string
	Username string
	// PasswordFile holds the password; empty means that none is asked for.
	PasswordFile string
	// SaltFile holds what goes into the digests that keys are named after; empty
	// means nothing.
	SaltFile string
	Database int
	// Prefix is what the names of keys begin with.
	Prefix string
	// Timeout is the longest that a request waits for an answer.
	Timeout time.Duration
	// Gateways is how many gateways to assume as long as none has been seen.
	Gateways int
	// TLS is nil for a connection in clear.
	TLS *certs.ClientSpec
}

type storeBlock struct {
	Address      *hcl.Attribute `hcl:"address,optional"`
	Addresses    *hcl.Attribute `hcl:"addresses,optional"`
	MasterName   *hcl.Attribute `hcl:"master_name,optional"`
	Username     *hcl.Attribute `hcl:"username,optional"`
	PasswordFile *hcl.Attribute `hcl:"password_file,optional"`
	SaltFile     *hcl.Attribute `hcl:"salt_file,optional"`
	DB           *hcl.Attribute `hcl:"db,optional"`
	Prefix       *hcl.Attribute `hcl:"prefix,optional"`
	Timeout      *hcl.Attribute `hcl:"timeout,optional"`
	Gateways     *hcl.Attribute `hcl:"gateways,optional"`

	TLS *upstreamTLSBlock `hcl:"tls,block"`
}

func (r *reader) storeOf(b *hcl.Block) *Store {
	if b == nil {
		return nil
	}
	if b.Labels[0] != StoreRedis {
		r.Errorf(b.LabelRanges[0], "Unknown store", "There is no store %q; shared limits can be kept in %q, which is Valkey as well.", b.Labels[0], StoreRedis)
		return nil
	}
	var in storeBlock
	r.decode(b, &in)
	s := &Store{
		Kind:         StoreRedis,
		Master:       r.Text(in.MasterName, ""),
		Username:     r.Text(in.Username, ""),
		PasswordFile: r.path(in.PasswordFile, ""),
		SaltFile:     r.path(in.SaltFile, ""),
		Database:     r.integer(in.DB, 0, 0, mostDatabases),
		Prefix:       r.Text(in.Prefix, defaultStorePrefix),
		Timeout:      r.Duration(in.Timeout, defaultStoreTimeout, time.Millisecond, 0),
		Gateways:     r.integer(in.Gateways, 1, 1, mostGateways),
		TLS:          r.upstreamTLS(in.TLS),
	}
	if s.Prefix == "" {
		r.Errorf(in.Prefix.Expr.Range(), "Empty prefix", "The names of keys begin with something; the default is %q.", defaultStorePrefix)
	}
	switch {
	case in.Address != nil && in.Addresses != nil:
		r.Errorf(in.Addresses.NameRange, "Conflicting arguments", `Only one of "address" and "addresses" is allowed.`)
	case in.Address != nil:
		if r.Required(in.Address, "address", b.DefRange) != "" {
			s.Addresses = []string{r.address(in.Address, "")}
		}
	case in.Addresses != nil:
		before := len(r.Diags)
		for _, it := range r.Unique(in.Addresses) {
			if err := checkAddress(it.Value); err != nil {
				r.Errorf(it.At, "Invalid addresses", "%s", attr.Sentence(err))
				continue
			}
			s.Addresses = append(s.Addresses, it.Value)
		}
		if len(s.Addresses) == 0 && len(r.Diags) == before {
			r.Errorf(in.Addresses.Expr.Range(), "Empty addresses", "At least one address is required.")
		}
	default:
		r.Errorf(b.DefRange, "Missing required argument", `One of the arguments "address" and "addresses" is required.`)
	}
	if s.Username != "" && s.PasswordFile == "" {
		r.Errorf(in.Username.Expr.Range(), "Missing required argument", "The argument %q is required beside %q.", "password_file", "username")
	}
	if in.DB != nil && s.Database != 0 && len(s.Addresses) > 1 && s.Master == "" {
		r.Errorf(in.DB.Expr.Range(), "Invalid db", "A cluster has only the database 0.")
	}
	return s
}

func (s *Store) redacted() object {
	addresses := []string{}
	for _, a := range s.Addresses {
		addresses = append(addresses, redactedAddress(a))
	}
	out := object{
		"addresses": addresses, "master_name": s.Master, "username": s.Username,
		"password_file": s.PasswordFile, "salt_file": s.SaltFile, "db": s.Database,
		"prefix": s.Prefix, "timeout": s.Timeout.String(), "gateways": s.Gateways,
	}
	if s.TLS != nil {
		out["tls"] = redactedUpstreamTLS(s.TLS)
	}
	return object{s.Kind: out}
}
