package consul

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// Document is one value of Consul's KV store.
type Document struct {
	// Key is the whole key, with the prefix.
	Key  string
	Text []byte
	// Version is Consul's ModifyIndex of the key, by which a change of somebody
	// else is noticed. 0 is a key that does not exist.
	Version uint64
}

// Documents are all values below a prefix at one moment. Nobody changes them.
type Documents struct {
	// Index is that of Consul's answer.
	Index uint64
	// List is sorted by key.
	List []Document
	// Stale says that they come from disk, and Consul has not confirmed them.
	Stale bool
}

// Equal reports whether both hold the same keys and texts. Nil equals nil alone.
func (d *Documents) Equal(o *Documents) bool {
	if d == nil || o == nil {
		return d == o
	}
	return slices.EqualFunc(d.List, o.List, func(a, b Document) bool { return a.Key == b.Key && bytes.Equal(a.Text, b.Text) })
}

// KV reads and writes the values below one prefix of Consul's KV store.
type KV struct {
	con    *client
	prefix string
}

// NewKV returns the values below the prefix, which must not be empty. It asks
// nothing yet, and fails when the client can't be built or the token file or the
// TLS files can't be read.
func NewKV(cfg Config, prefix string) (*KV, error) {
	if prefix == "" {
		return nil, errors.New("using Consul's KV store: the prefix is empty")
	}
	con, err := newClient(&cfg)
	if err != nil {
		return nil, err
	}
	return &KV{con: con, prefix: prefix}, nil
}

// Prefix returns what the keys begin with.
func (k *KV) Prefix() string { return k.prefix }

// Read returns what lies below the prefix. An error of missing rights names the
// ACL rule that is missing; an answer that leaves something out is an error too.
func (k *KV) Read(ctx context.Context) (*Documents, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline(0))
	defer cancel()
	a, err := k.ask(ctx, 0)
	if err == nil {
		if why := a.doubt(); why != "" {
			err = errors.New(why)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in Consul's KV store: %w", k.prefix, k.explain(err, "read"))
	}
	return a.docs, nil
}

// kvAnswer is what Consul said of the prefix.
type kvAnswer struct {
	docs  *Documents
	asked uint64 // the index it was asked with, 0 for a plain read
	// filtered says that keys were left out because the token may not read them.
	filtered bool
	// denied says that there are no keys to be seen, and that the token could not
	// see them if there were. It is found out by plain reads only.
	denied      bool
	knownLeader bool
	// rule is what a token needs that lacks it.
	rule string
}

// doubt says why the answer can't be taken for all that lies below the prefix,
// and "" when it can.
func (a *kvAnswer) doubt() string {
	switch {
	case a.filtered:
		return "the token may not read all keys below it: its policy needs " + a.rule
	case a.denied:
		return "the token may not read it: its policy needs " + a.rule
	case len(a.docs.List) == 0 && a.asked == 0 && !a.knownLeader:
		return heldNoLeader
	}
	return ""
}

// ask puts one query: index 0 is a plain read, another waits for a change.
func (k *KV) ask(ctx context.Context, index uint64) (_ *kvAnswer, err error) {
	defer rescue(&err)
	o := k.con.options(ctx, index, waitTime)
	pairs, meta, err := k.con.api.KV().List(k.prefix, o)
	if err != nil {
		return nil, err
	}
	a := &kvAnswer{
		docs: &Documents{Index: meta.LastIndex}, asked: index,
		filtered: meta.ResultsFilteredByACLs, knownLeader: meta.KnownLeader, rule: k.rule("read"),
	}
	for _, p := range pairs {
		if folder := strings.HasSuffix(p.Key, "/"); folder && len(p.Value) == 0 {
			continue // made by Consul's ui, to show a folder
		}
		a.docs.List = append(a.docs.List, Document{Key: p.Key, Text: p.Value, Version: p.ModifyIndex})
	}
	slices.SortFunc(a.docs.List, func(a, b Document) int { return cmp.Compare(a.Key, b.Key) })
	if len(pairs) > 0 || index > 0 || a.filtered {
		return a, nil
	}
	// Consul says the same of a prefix without keys and of one that must not be
	// read. Of a single key it says which: the key needs not exist.
	_, _, err = k.con.api.KV().Get(k.prefix, k.con.options(ctx, 0, 0))
	if statusCode(err) == http.StatusForbidden && !unknownToken(err) {
		a.denied, err = true, nil
	}
	return a, err
}

// rule is the ACL rule for the prefix.
func (k *KV) rule(policy string) string {
	return fmt.Sprintf("key_prefix %q { policy = %q }", k.prefix, policy)
}

// explain says what a person can do about an error.
func (k *KV) explain(err error, policy string) error {
	switch {
	case statusCode(err) != http.StatusForbidden:
		return err
	case unknownToken(err):
		return fmt.Errorf("%s: %w", warnTokenText, err)
	}
	return fmt.Errorf("the token lacks %s (or \"list\", where the agents set acl.enable_key_list_policy): %w", k.rule(policy), err)
}

// notKnown is in what Consul says to a token that it does not know.
const notKnown = "ACL not found"

// unknownToken reports whether Consul refuses the token itself, not what it may
// do.
func unknownToken(err error) bool {
	se, ok := errors.AsType[api.StatusError](err)
	return ok && se.Code == http.StatusForbidden && strings.Contains(se.Body, notKnown)
}
