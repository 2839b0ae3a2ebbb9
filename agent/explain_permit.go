package agent

import (
	"fmt"

	"github.com/lictor/lictor/catalog/connect"
	"github.com/lictor/lictor/proxy"
)

// shownSources bounds the list of those who may ask.
const shownSources = 50

// permit returns what tells how the permissions of intentions would judge the
// request, nil at a listener where there are none.
func (q *ExplainRequest) permit(s *server) (proxy.ExplainPermit, error) {
	if s.listener.Permits == nil {
		if q.Source != "" {
			return nil, fmt.Errorf("source: the listener %q is not in the mesh, so nobody knows which service asks", s.listener.Name)
		}
		return nil, nil //nolint:nilnil // nothing to judge is no error
	}
	if q.Source == "" {
		return permitAnyone(s.mesh), nil
	}
	source, err := connect.ParseSource(q.Source)
	if err != nil {
		return nil, fmt.Errorf("source: %w", err)
	}
	return permitSource(s.mesh, source), nil
}

// permitSource tells how the request is judged if the source makes it.
func permitSource(s *connect.Server, source connect.ID) proxy.ExplainPermit {
	return func(x *proxy.Exchange, v *proxy.Explanation) error {
		j := s.Explain(source, meshRequest{x})
		v.Why = whyJudged(&j)
		v.Say("source", j.Source)
		return j.Err
	}
}

// permitAnyone tells how it is judged of each source that is told apart. Where all
// are judged alike, it does not depend on who asks.
func permitAnyone(s *connect.Server) proxy.ExplainPermit {
	return func(x *proxy.Exchange, v *proxy.Explanation) error {
		list := s.ExplainAll(meshRequest{x})
		denied := 0
		for i := range list {
			part := proxy.Explanation{Step: list[i].Source, Verdict: proxy.Passes, Why: whyJudged(&list[i])}
			if list[i].Err != nil {
				part.Verdict = proxy.Refuses
				denied++
			}
			if i < shownSources {
				v.Parts = append(v.Parts, part)
			}
		}
		if left := len(list) - shownSources; left > 0 {
			v.Say("sources_left_out", left)
		}
		const alike = "whichever service of the mesh asks"
		switch denied {
		case 0:
			v.Why = alike
		case len(list):
			v.Why = alike
			return fmt.Errorf("%w: %s", connect.ErrDenied, alike)
		default:
			v.Verdict, v.Why = proxy.NotKnown, "it depends on which service of the mesh asks"
		}
		return nil
	}
}

// whyJudged says what decides, and what becomes of whom not even a connection is
// let have.
func whyJudged(j *connect.Judgement) string {
	if j.Connects {
		return j.Why
	}
	return j.Why + "; it is not let connect"
}
