package apikey

import (
	"slices"
	"strings"
	"testing"

	"github.com/lictor/lictor/proxy"
)

func specOf(t testing.TB, header, query string) *Spec {
	t.Helper()
	all, err := readKeys(file(t, line("shop", "one")+"\n"+line("shop", "two")+" expires=2099-01-01\n"+line("shop", "old")+" expires=2020-01-01\n"+line("bank", "three")))
	if err != nil {
		t.Fatal(err)
	}
	return &Spec{Header: header, Query: query, NameHeader: "X-Consumer", keys: all}
}

func TestField(t *testing.T) {
	d := newDoor(t, New(specOf(t, "X-API-Key", "")))
	for key, name := range map[string]string{"one": "shop", "two": "shop", "three": "bank"} {
		status := d.Knock("x-api-key: "+key, "X_API_Key: other", "X-Consumer: root", "X_CONSUMER: root")
		if status != 200 || !slices.Equal(d.seen(), []string{"user=" + name, "X-Consumer: " + name}) {
			t.Errorf("%s: %d, the instance saw %v", key, status, d.seen())
		}
	}
	for what, tt := range map[string]struct {
		lines   []string
		problem string
	}{
		"nothing":             {nil, "credentials-missing"},
		"an empty field":      {[]string{"X-API-Key: "}, "credentials-missing"},
		"another spelling":    {[]string{"X_API_Key: one"}, "credentials-missing"},
		"no key":              {[]string{"X-API-Key: four"}, "credentials-invalid"},
		"a name":              {[]string{"X-API-Key: shop"}, "credentials-invalid"},
		"its digest":          {[]string{"X-API-Key: " + line("", "one")[8:]}, "credentials-invalid"},
		"two keys":            {[]string{"X-API-Key: one", "X-API-Key: three"}, "credentials-invalid"},
		"the same twice":      {[]string{"X-API-Key: one", "X-API-Key: one"}, "credentials-invalid"},
		"two keys in a field": {[]string{"X-API-Key: one, three"}, "credentials-invalid"},
		"an expired key":      {[]string{"X-API-Key: old"}, "the key has expired"},
		"much":                {[]string{"X-API-Key: " + strings.Repeat("x", maxKey+1)}, "credentials-invalid"},
	} {
		if status := d.Knock(tt.lines...); status != 401 || !strings.Contains(d.Body, tt.problem) || d.Answer.Header.Get("WWW-Authenticate") != challenge || d.seen() != nil {
			t.Errorf("%s: %d %s %v", what, status, d.Body, d.Answer.Header)
		}
	}
	if got := d.Counted(); got["ok"] != 3 || got["missing"] != 3 || got["invalid"] != 7 || got["expired"] != 1 {
		t.Errorf("counted %v", got)
	}
}

func TestParameter(t *testing.T) {
	d := newDoor(t, New(specOf(t, "", "api_key")))
	for query, left := range map[string]string{
		"api_key=one":               "",
		"a=b&api_key=one&c=d":       "?a=b&c=d",
		"a=b&api%5fkey=one":         "?a=b",
		"xapi_key=1&api_key=one":    "?xapi_key=1",
		"api_key2=1&api_key=one&&b": "?api_key2=1&&b",
	} {
		d.Query = query
		want := []string{"user=shop"}
		if left != "" {
			want = append(want, left)
		}
		if status := d.Knock("X-API-Key: kept"); status != 200 || !slices.Equal(d.seen(), append(want, "X-API-Key: kept", "X-Consumer: shop")) {
			t.Errorf("%s: %d, the instance saw %v", query, status, d.seen())
		}
	}
	for query, problem := range map[string]string{
		"":                            "credentials-missing",
		"api_key":                     "credentials-missing",
		"API_KEY=one":                 "credentials-missing",
		"api_key=four":                "credentials-invalid",
		"api_key=one&api_key=three":   "credentials-invalid",
		"api_key=one&%61pi_key=three": "credentials-invalid",
		"api_key=":                    "credentials-missing",
		"api_key=one;api_key=three":   "credentials-invalid",
	} {
		d.Query = query
		if status := d.Knock("X-API-Key: one"); status != 401 || !strings.Contains(d.Body, problem) {
			t.Errorf("%s: %d %s", query, status, d.Body)
		}
	}
}

func TestWithoutAllocations(t *testing.T) {
	s := New(specOf(t, "X-API-Key", ""))
	x := new(proxy.Exchange)
	if n := testing.AllocsPerRun(100, func() {
		x.Request.Fields.Reset(nil)
		x.Request.Fields.AddName("X-API-Key", "one")
		if r, _ := s.judge(x); r != proxy.KeyAccepted {
			t.Fatal(r)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkJudge(b *testing.B) {
	s := New(specOf(b, "X-API-Key", ""))
	x := new(proxy.Exchange)
	b.ReportAllocs()
	for b.Loop() {
		x.Request.Fields.Reset(nil)
		x.Request.Fields.AddName("X-API-Key", "one")
		s.judge(x)
	}
}

func FuzzParameter(f *testing.F) {
	f.Add("a=b&api_key=one")
	f.Add("%61pi_key=%&api_key")
	f.Fuzz(func(t *testing.T, query string) {
		p := place{query: "api_key"}
		q := proxy.Request{Query: []byte(query), HasQuery: true}
		p.take(&q)
		if key, several := p.take(&q); key != nil || several {
			t.Errorf("%q: the key is still in %q", query, q.Query)
		}
	})
}
