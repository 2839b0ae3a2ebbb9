package connect

import (
	"cmp"
	"errors"
)

// Judgement is how a request would be judged, for people who want to know why.
type Judgement struct {
	// Source is whose request it is, as intentions name it; "any other" is whom
	// none names.
	Source string
	// Connects says that the source may connect. The connections of one that may
	// not are refused, before a request is sent.
	Connects bool
	// Err is why the request would be denied, nil when it would not.
	Err error
	// Why says what decides.
	Why string
}

// Explain tells how a request of a source would be judged by what is known at this
// moment. It is decided as Judge does it, and nothing is counted. A source without a
// trust domain is one of this mesh.
func (s *Server) Explain(source ID, r Request) Judgement {
	if source.TrustDomain != "" {
		if roots := s.in.roots.Load(); roots != nil {
			if err := roots.ours(source); err != nil {
				return Judgement{Source: source.String(), Err: err, Why: err.Error()}
			}
		}
	}
	return s.explain(s.intentions.known.Load(), source, r)
}

// ExplainAll tells it of every source that an intention names, in the order of their
// precedence, and last of any other, all by what is known at one moment.
func (s *Server) ExplainAll(r Request) []Judgement {
	known := s.intentions.known.Load()
	sources := known.sources()
	list := make([]Judgement, 0, len(sources))
	for _, id := range sources {
		list = append(list, s.explain(known, id, r))
	}
	return list
}

func (s *Server) explain(known *intentions, source ID, r Request) Judgement {
	c := &Client{intentions: s.intentions, source: source, name: source.plain()}
	st := c.standBy(known)
	by, err := c.judge(st, r)
	j := Judgement{Source: c.name, Connects: st.allowed, Err: err, Why: st.why}
	if st.judged == nil {
		return j
	}
	denied, is := errors.AsType[*denial](err)
	switch {
	case is:
		j.Why = denied.why.Error()
	case by != nil:
		j.Why = by.name + " allows it"
	default:
		j.Why = st.judged.unspoken(true)
	}
	return j
}

// anyOther stands for the services that no intention names. No certificate is for a
// service of that name.
var anyOther = ID{Namespace: defaultName, Partition: defaultName, Service: wildcard}

// sources are those that the intentions tell apart. Those of other clusters are left
// out, since none of their certificates is believed.
func (k *intentions) sources() []ID {
	var list []ID
	seen := map[ID]bool{}
	if k != nil {
		for _, x := range k.rules {
			id := ID{Namespace: cmp.Or(x.SourceNS, defaultName), Partition: cmp.Or(x.SourcePartition, defaultName), Service: cmp.Or(x.SourceName, defaultName)}
			if x.SourcePeer == "" && !seen[id] {
				seen[id] = true
				list = append(list, id)
			}
		}
	}
	if !seen[anyOther] {
		list = append(list, anyOther)
	}
	return list
}

// plain is the ID as people call it: what goes without saying is left out.
func (id ID) plain() string {
	if id.TrustDomain != "" {
		return id.String()
	}
	name := id.Service
	if name == wildcard {
		name = "any other"
	}
	if ns := cmp.Or(id.Namespace, defaultName); ns != defaultName {
		name = ns + "/" + name
	}
	if ap := cmp.Or(id.Partition, defaultName); ap != defaultName {
		name = ap + "/" + name
	}
	return name
}
