package connect

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/hashicorp/consul/api"
)

// details are what a rule's configuration entry says besides. The answer that has
// the rules is read by Consul's client, which leaves out what it does not know: an
// intention that demands more than it knows would look like one that demands less.
type details struct {
	token   bool    // all sources need a token (JWT)
	strange []error // for each permission what of it is not known, nil for nothing
}

// unknown returns what of a permission is not known.
func (d *details) unknown(i int) error {
	if i < len(d.strange) {
		return d.strange[i]
	}
	return nil
}

func (d *details) equal(o *details) bool {
	if d.token != o.token || len(d.strange) != len(o.strange) {
		return false
	}
	for i := range d.strange {
		if fmt.Sprint(d.strange[i]) != fmt.Sprint(o.strange[i]) {
			return false
		}
	}
	return true
}

// entry is a configuration entry of the kind service-intentions, as far as it is
// looked at.
type entry struct {
	JWT     json.RawMessage
	Sources []struct {
		Name, Namespace, Partition, Peer, SamenessGroup string
		Permissions                                     []json.RawMessage
	}
}

// errChanged is an entry that says something else than the rules do, which were
// read a moment before.
var errChanged = errors.New("reading the intentions: they change while they are read")

// maxTries bounds how often they are read anew at once.
const maxTries = 3

// detail completes rules by the entries that they come from.
func (i *Identity) detail(ctx context.Context, r rules) error {
	entries := make(map[string]*entry)
	for _, x := range r {
		name := x.DestinationName
		e, read := entries[name]
		if !read {
			var err error
			if e, err = i.entryOf(ctx, name); err != nil {
				return err
			}
			entries[name] = e
		}
		if err := e.detail(x); err != nil {
			return err
		}
	}
	return nil
}

// entryOf reads the entry of a destination, which may be a wildcard. It is empty
// when there is none.
func (i *Identity) entryOf(ctx context.Context, destination string) (*entry, error) {
	e := &entry{}
	_, err := i.cfg.Consul.API().Raw().Query("/v1/config/service-intentions/"+destination, e, i.cfg.Consul.Options(ctx, 0, 0))
	switch {
	case statusCode(err) == http.StatusNotFound:
		return &entry{}, nil
	case err != nil:
		return nil, fmt.Errorf("reading the configuration of the intentions for %q: %w", destination, err)
	}
	return e, nil
}

// detail completes one rule.
func (e *entry) detail(x *rule) error {
	x.token = len(e.JWT) > 0 && string(e.JWT) != "null"
	if len(x.Permissions) == 0 {
		return nil
	}
	for _, s := range e.Sources {
		if s.Name != x.SourceName || s.Peer != x.SourcePeer || s.SamenessGroup != x.SourceSamenessGroup ||
			cmp.Or(s.Namespace, defaultName) != cmp.Or(x.SourceNS, defaultName) || cmp.Or(s.Partition, defaultName) != cmp.Or(x.SourcePartition, defaultName) {
			continue
		}
		if len(s.Permissions) != len(x.Permissions) {
			return errChanged
		}
		x.strange = make([]error, len(s.Permissions))
		for i, raw := range s.Permissions {
			var same api.IntentionPermission
			if err := json.Unmarshal(raw, &same); err != nil || said(&same) != said(x.Permissions[i]) {
				return errChanged
			}
			d := json.NewDecoder(bytes.NewReader(raw))
			d.DisallowUnknownFields()
			if err := d.Decode(new(api.IntentionPermission)); err != nil {
				x.strange[i] = fmt.Errorf("it says what is not known here: %w", err)
			}
		}
		return nil
	}
	return errChanged
}

// said is what permissions say, spelt in one way.
func said(list ...*api.IntentionPermission) string {
	text, err := json.Marshal(list)
	if err != nil {
		return err.Error() // which it can't be: it came as JSON
	}
	return string(text)
}
