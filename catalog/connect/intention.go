package connect

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hashicorp/consul/api"
)

// rule is an intention.
type rule struct {
	*api.Intention
	details
	// judged are its permissions, nil without any, and before judge.
	judged *permissions
}

// rules are the intentions whose destination is the gateway, the one that comes
// first deciding. The zero value has none.
type rules []*rule

// newRules sorts intentions by their precedence, as Consul does: an exact source
// before a wildcard one, an exact destination before a wildcard one.
func newRules(list []*api.Intention) rules {
	r := make(rules, 0, len(list))
	for _, x := range list {
		if x != nil {
			r = append(r, &rule{Intention: x})
		}
	}
	slices.SortStableFunc(r, func(a, b *rule) int { return cmp.Compare(b.Precedence, a.Precedence) })
	return r
}

// about returns the first rule about a source, which decides, and whether it is
// certain that it is meant.
func (r rules) about(source ID) (*rule, match) {
	for _, x := range r {
		switch is := names(x, source); {
		case is == no:
		case is == yes && len(x.Permissions) == 0 && x.Action == api.IntentionActionAllow && !exact(x, source):
			// In another case than the certificate's: no leave, and no denial.
		default:
			return x, is
		}
	}
	return nil, no
}

// allows reports whether a rule about the source lets it connect.
func allows(x *rule, source ID) bool {
	return x.Action == api.IntentionActionAllow && len(x.Permissions) == 0 && exact(x, source)
}

// judge prepares the permissions of all rules. The default decides about requests
// that none is about; see newPermission for normal.
func (r rules) judge(byDefault bool, normal func(path string) bool) rules {
	for _, x := range r {
		if len(x.Permissions) > 0 {
			x.judged = newPermissions(x, byDefault, normal)
		}
	}
	return r
}

// decision is what intentions say of a source.
type decision struct {
	allowed bool
	why     string
	// judged are the permissions that each request needs, nil where all may pass
	// or none.
	judged *permissions
}

// decide judges a source that has been verified. Byrule is false when no rule
// names it, which leaves it to the default.
func (r rules) decide(source ID) (d decision, byRule bool) {
	x, is := r.about(source)
	if is == no {
		return decision{}, false
	}
	name := x.SourceString()
	switch {
	case is == maybe:
		d.why = name + " can't be judged here, which denies"
	case x.token && x.Action != api.IntentionActionDeny:
		d.why = name + " is let in with a token (JWT) alone, which is not judged here, and so denies"
	case len(x.Permissions) > 0 && (x.judged == nil || !exact(x, source)):
		d.why = name + " has permissions (L7) that can't be judged here, which denies"
	case len(x.Permissions) > 0:
		d = decision{allowed: true, why: name + " has permissions (L7)", judged: x.judged}
	default:
		d = decision{allowed: allows(x, source), why: name + " => " + string(x.Action)}
	}
	return d, true
}

// doubts says what of the rules can't be judged.
func (r rules) doubts() (list []string) {
	for _, x := range r {
		if x.token && x.Action != api.IntentionActionDeny {
			list = append(list, "mesh: "+x.SourceString()+" is let in with a token (JWT) alone, which is not judged here, and so denies")
			continue
		}
		if x.judged != nil {
			list = append(list, x.judged.doubts()...)
		}
	}
	return list
}

// match says whether a rule is about a source.
type match uint8

const (
	no match = iota
	yes
	maybe
)

// names reports whether the rule is about the source. Case is let pass here,
// since a rule that denies must not be escaped by another spelling.
func names(x *rule, source ID) match {
	if x.SourcePeer != "" { // a service of another cluster, with a trust domain of its own
		return no
	}
	if !same(x.SourceName, source.Service) || !same(x.SourceNS, source.Namespace) {
		return no
	}
	if p := cmp.Or(x.SourcePartition, defaultName); p != wildcard && !strings.EqualFold(p, cmp.Or(source.Partition, defaultName)) {
		return no
	}
	if x.SourceSamenessGroup != "" {
		return maybe
	}
	if x.SourceType != "" && x.SourceType != api.IntentionSourceConsul {
		return maybe
	}
	return yes
}

// same compares a rule's name with a source's, ignoring case. An empty one in
// the rule is the default.
func same(rule, source string) bool {
	rule = cmp.Or(rule, defaultName)
	return rule == wildcard || strings.EqualFold(rule, cmp.Or(source, defaultName))
}

// exact reports whether the rule names the source to the letter.
func exact(x *rule, source ID) bool {
	return x.SourceName == wildcard || x.SourceName == source.Service
}

// equal reports whether both say the same.
func (r rules) equal(o rules) bool {
	return slices.EqualFunc(r, o, func(a, b *rule) bool {
		return a.SourceName == b.SourceName && a.SourceNS == b.SourceNS && a.SourcePartition == b.SourcePartition &&
			a.SourcePeer == b.SourcePeer && a.SourceSamenessGroup == b.SourceSamenessGroup && a.SourceType == b.SourceType &&
			a.Action == b.Action && a.Precedence == b.Precedence && a.equal(&b.details) && said(a.Permissions...) == said(b.Permissions...)
	})
}
