package simulate

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func moment(t *testing.T, text string) time.Duration {
	t.Helper()
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(at.UnixNano())
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		format, line, at, client, request, agent string
		took                                     time.Duration
		status                                   int
		bytes                                    int64
	}{
		{
			"json", `{"time":"2026-05-04T03:02:01.123Z","request_id":"x","client":"192.0.2.1","method":"GET","host":"a.example","path":"/a","query":"b=c","status":200,"bytes_in":17,"duration_ms":12.345,"user_agent":"curl","tls":true}`,
			"2026-05-04T03:02:01.123Z", "192.0.2.1", "GET a.example /a ? b=c", "curl", 12345 * time.Microsecond, 200, 17,
		},
		{
			"json", ` { "future" : {"a":["}",{"b":"\""}]}, "path":"/\u00e4\ud83d\ude00\"\/", "method":"PUT", "client":"2001:db8::1", "time":"2024-02-29T23:59:59+02:00", "more":[1,2], "none": null } `,
			"2024-02-29T21:59:59Z", "2001:db8::1", "PUT  /ä😀\"/ ", "", -1, 0, -1,
		},
		{
			"common", `192.0.2.1 - - [04/May/2026:03:02:01 +0200] "GET /a?b=c HTTP/1.1" 404 -`,
			"2026-05-04T01:02:01Z", "192.0.2.1", "GET  /a ? b=c", "", -1, 404, -1,
		},
		{
			"combined", `::ffff:192.0.2.1 - a user [29/Feb/2024:23:59:60 -0130] "POST /\x22\"\\ HTTP/1.1" 200 5 "-" "a \"b\" \x1b"` + ` "more" 0.001`,
			"2024-03-01T01:30:00Z", "192.0.2.1", "POST  /\"\"\\ ", "a \"b\" \x1b", -1, 200, -1,
		},
		{
			"fabio", `10.0.0.1 - - [01/Jan/1970:00:00:00 +0000] "GET http://shop.example?x HTTP/1.0" 200 5`,
			"1970-01-01T00:00:00Z", "10.0.0.1", "GET shop.example / ? x", "", -1, 200, -1,
		},
	} {
		f, _ := Lookup(c.format)
		var r Request
		if _, err := f.parse([]byte(c.line), &r, nil); err != nil {
			t.Errorf("%s: %v", c.line, err)
			continue
		}
		mark := ""
		if r.HasQuery {
			mark = "? "
		}
		request := string(r.Method) + " " + string(r.Host) + " " + string(r.Path) + " " + mark + string(r.Query)
		if r.Start != moment(t, c.at) || r.Client != netip.MustParseAddr(c.client) || request != c.request || string(r.UserAgent) != c.agent ||
			r.Took != c.took || r.Status != c.status || r.BytesIn != c.bytes {
			t.Errorf("%s\n%+v\n%q, %s", c.line, r, request, time.Unix(0, int64(r.Start)).UTC())
		}
	}
}

func TestParseRefuses(t *testing.T) {
	const good = `192.0.2.1 - - [04/May/2026:03:02:01 +0200] "GET /a HTTP/1.1" 200 5`
	for _, c := range []struct {
		format, line string
		want         error
	}{
		{"json", ``, errNotJSON},
		{"json", good, errNotJSON},
		{"json", `{"time":"2026-05-04T03:02:01.123Z","client":"192.0.2.1","method":"GET"}`, errMissing},
		{"json", `{"time":"2026-05-04T03:02:01.123Z","client":"192.0.2.1","method":"GET","path":""}`, errMissing},
		{"json", `{"time":"2026-13-04T03:02:01.123Z"}`, errTime},
		{"json", `{"time":"2026-02-30T03:02:01.123Z"}`, errTime},
		{"json", `{"time":"1066-10-14T09:00:00Z"}`, errTime},
		{"json", `{"time":17}`, errMissing},
		{"json", `{"time":"2026-05-04T03:02:01.123Z","client":"192.0.2.1","protocol":"TLS","listener":"db","sni":"a"}`, errPassage},
		{"json", `{"client":"somebody"}`, errClient},
		{"json", `{"client":"192.0.2.256"}`, errClient},
		{"json", `{"client":"192.0.02.1"}`, errClient},
		{"json", `{"status":-1}`, errStatus},
		{"json", `{"duration_ms":"1`, errNotJSON},
		{"json", `{"duration_ms":1e9}`, errNumber},
		{"json", `{"path":"\x"}`, errNotJSON},
		{"json", `{"a":[[[}`, errNotJSON},
		{"json", `{"a":1} x`, errMore},
		{"common", `192.0.2.1`, errCut},
		{"common", strings.Replace(good, "192.0.2.1", "host.example", 1), errClient},
		{"common", strings.Replace(good, "04/May", "31/Apr", 1), errTime},
		{"common", strings.Replace(good, "May", "ayJ", 1), errTime},
		{"common", strings.Replace(good, "+0200", "+0260", 1), errTime},
		{"common", strings.Replace(good, "GET /a HTTP/1.1", `\x16\x03`, 1), errRequest},
		{"common", strings.Replace(good, "GET /a HTTP/1.1", `-`, 1), errRequest},
		{"common", strings.Replace(good, `/a HTTP/1.1"`, `/a HTTP/1.1\"`, 1), errRequest},
		{"common", strings.Replace(good, " 200 ", " 20 ", 1), errStatus},
		{"common", strings.Replace(good, " 5", " five", 1), errNumber},
		{"combined", good, errNoAgent},
		{"combined", good + ` "-" "unfinished`, errNoAgent},
	} {
		f, _ := Lookup(c.format)
		var r Request
		if _, err := f.parse([]byte(c.line), &r, nil); err != c.want { //nolint:errorlint // returned as they are
			t.Errorf("%s %s: got %v, want %v", c.format, c.line, err, c.want)
		}
	}
}

// TestCivil wants every day of the calendar where the standard library has it.
func TestCivil(t *testing.T) {
	for at := time.Date(1970, 1, 1, 12, 34, 56, 0, time.UTC); at.Year() < 2059; at = at.AddDate(0, 0, 1) {
		for _, c := range []struct {
			layout string
			parse  func([]byte) (time.Duration, error)
		}{{"2006-01-02T15:04:05.000Z", parseRFC3339}, {"02/Jan/2006:15:04:05 -0700", parseCommonTime}} {
			got, err := c.parse([]byte(at.Format(c.layout)))
			if err != nil || got != time.Duration(at.UnixNano()) {
				t.Fatalf("%s: got %s and %v", at, got, err)
			}
		}
	}
}

func TestDetect(t *testing.T) {
	const common = `192.0.2.1 - - [04/May/2026:03:02:01 +0200] "GET /a HTTP/1.1" 200 5`
	for _, c := range []struct {
		head  string
		whole bool
		want  string
	}{
		{"", true, "json"},
		{common + "\n", false, "common"},
		{common, true, "common"},
		{common, false, ""}, // may go on
		{common + ` "-" "curl"` + "\r\n", false, "combined"},
		{"nonsense\n{\n" + `{"time":"2026-05-04T03:02:01.123Z","client":"192.0.2.1","method":"GET","path":"/"}` + "\n", false, "json"},
		{"nonsense\n", true, ""},
	} {
		if f, ok := detect([]byte(c.head), c.whole); f.Name != c.want || ok != (c.want != "") {
			t.Errorf("%q: got %q, want %q", c.head, f.Name, c.want)
		}
	}
}

func fuzz(f *testing.F, format string, check func(t *testing.T, line []byte, r *Request)) {
	f.Helper()
	for _, s := range []string{
		`{"time":"2026-05-04T03:02:01.123Z","client":"192.0.2.1","method":"GET","host":"a","path":"/\u00e4\ud83d\ude00","query":"b","status":200,"bytes_in":1,"duration_ms":1.5,"tls":true,"x":[{}]}`,
		`192.0.2.1 - - [04/May/2026:03:02:01 +0200] "GET /a\x22?b HTTP/1.1" 200 5 "-" "a\"b"`,
		`2001:db8::1 - a b [04/May/2026:03:02:01 +0200] "GET http://h/a HTTP/1.1" 200 -`,
	} {
		f.Add([]byte(s))
	}
	known, _ := Lookup(format)
	f.Fuzz(func(t *testing.T, line []byte) {
		before := bytes.Clone(line)
		var r Request
		_, err := known.parse(line, &r, nil)
		if !bytes.Equal(line, before) {
			t.Fatal("the line was changed")
		}
		if err != nil {
			return
		}
		if !r.Client.IsValid() || r.Start < 0 || r.Start > latest+24*time.Hour || len(r.Method) == 0 || len(r.Path) == 0 || r.Status < 0 || r.Status > 999 {
			t.Fatalf("%+v", r)
		}
		check(t, line, &r)
	})
}

// FuzzJSON wants what is an object of JSON read as the standard library does.
func FuzzJSON(f *testing.F) {
	fuzz(f, "json", func(t *testing.T, line []byte, r *Request) {
		var want struct{ Method, Host, Path, Query *string }
		names := map[string]json.RawMessage{}
		if json.Unmarshal(line, &names) != nil || json.Unmarshal(line, &want) != nil || bytes.Count(line, []byte(`"`)) != 2*bytes.Count(line, []byte(`:"`))+2*len(names) {
			return // laxer than the standard library is, or written twice
		}
		for name, got := range map[string][]byte{"method": r.Method, "host": r.Host, "path": r.Path, "query": r.Query} {
			raw, there := names[name]
			var text string
			if !there || json.Unmarshal(raw, &text) != nil || !bytes.Equal(bytes.ToValidUTF8(got, nil), got) {
				continue
			}
			if text != string(got) {
				t.Fatalf("%s: got %q, want %q", name, got, text)
			}
		}
	})
}

func FuzzCommon(f *testing.F) { fuzz(f, "common", func(*testing.T, []byte, *Request) {}) }

func FuzzCombined(f *testing.F) { fuzz(f, "combined", func(*testing.T, []byte, *Request) {}) }
