package ui

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// tables is a State as text, by which it is compared with the one before.
type tables struct {
	gateway, unknown string
	rows             map[string]map[string]string // by table, then by key
}

// text is JSON that no page would take for anything else.
func text(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	if err := e.Encode(v); err != nil {
		return "null" // of what has no JSON, such as a number that is none
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

func textOf(rows map[string]any) map[string]string {
	out := make(map[string]string, len(rows))
	for key, v := range rows {
		out[key] = text(v)
	}
	return out
}

// tablesOf writes a state down. What it does not tell is as it was.
func tablesOf(s *State, was *tables) *tables {
	t := &tables{gateway: text(s.Gateway), rows: map[string]map[string]string{
		"routes": textOf(s.Routes), "services": textOf(s.Services), "instances": textOf(s.Instances),
		"loads": textOf(s.Loads), "limits": textOf(s.Limits),
	}}
	switch {
	case s.Unknown != nil:
		t.unknown = text(s.Unknown)
	case was != nil:
		t.unknown = was.unknown
	default:
		t.unknown = "null"
	}
	t.rows["tops"] = textOf(s.Tops)
	if was == nil {
		return t
	}
	for name, v := range was.rows["tops"] {
		_, fresh := t.rows["tops"][name]
		if _, still := s.Limits[name]; still && !fresh {
			t.rows["tops"][name] = v
		}
	}
	return t
}

// tableNames are the tables in the order in which they are written.
var tableNames = [...]string{"routes", "services", "instances", "loads", "limits", "tops"}

// appendAll writes everything as members of an object.
func (t *tables) appendAll(b []byte) []byte {
	b = append(b, `"gateway":`...)
	b = append(b, t.gateway...)
	b = append(b, `,"unknown":`...)
	b = append(b, t.unknown...)
	for _, name := range tableNames {
		b = appendRows(append(b, `,"`+name+`":`...), t.rows[name], slices.Sorted(maps.Keys(t.rows[name])))
	}
	return b
}

// appendChanges writes what is not as it was, and what is gone.
func (t *tables) appendChanges(b []byte, was *tables) []byte {
	b = append(b, `"gone":{`...)
	for _, name := range tableNames {
		var gone []string
		for key := range was.rows[name] {
			if _, still := t.rows[name][key]; !still {
				gone = append(gone, key)
			}
		}
		if len(gone) > 0 {
			slices.Sort(gone)
			b = appendComma(b)
			b = append(b, `"`+name+`":`+text(gone)...)
		}
	}
	b = append(b, '}')
	if t.gateway != was.gateway {
		b = append(b, `,"gateway":`+t.gateway...)
	}
	if t.unknown != was.unknown {
		b = append(b, `,"unknown":`+t.unknown...)
	}
	for _, name := range tableNames {
		var changed []string
		for key, v := range t.rows[name] {
			if old, there := was.rows[name][key]; !there || old != v {
				changed = append(changed, key)
			}
		}
		if len(changed) > 0 {
			slices.Sort(changed)
			b = appendRows(append(b, `,"`+name+`":`...), t.rows[name], changed)
		}
	}
	return b
}

func appendRows(b []byte, rows map[string]string, keys []string) []byte {
	b = append(b, '{')
	for _, key := range keys {
		b = appendComma(b)
		b = append(b, text(key)...)
		b = append(b, ':')
		b = append(b, rows[key]...)
	}
	return append(b, '}')
}

// appendComma separates members, but not the first from its brace.
func appendComma(b []byte) []byte {
	if b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	return b
}
