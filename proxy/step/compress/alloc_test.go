//go:build !race

package compress

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/lictor/lictor/proxy"
)

// TestAllocatesNothing once encoders are there. With the race detector, pools
// forget things.
func TestAllocatesNothing(t *testing.T) {
	each(t, func(t *testing.T, c Coding) {
		x := asked(t, c)
		s, instance := New(spec(c)), &again{text: []byte(long)}
		once := func() { compressed(t, s, x, instance) }
		once()
		if n := testing.AllocsPerRun(100, once); n != 0 {
			t.Errorf("%v allocations an answer", n)
		}
	})
}

// asked is an exchange whose client accepts the coding.
func asked(t testing.TB, c Coding) *proxy.Exchange {
	e := newEngine(t)
	e.answers(204, 0, nil)
	e.ask("GET", proxy.HTTP11, "Accept-Encoding", c.String())
	return &e.x
}

// compressed carries one answer through the step.
func compressed(t testing.TB, s *Step, x *proxy.Exchange, instance *again) (n int) {
	instance.done = false
	r := &x.Response
	r.Status, r.Length, r.Body = 200, int64(len(instance.text)), instance
	r.Fields.Reset(nil)
	r.Fields.AddString(proxy.ContentType, "text/plain")
	r.Fields.AddString(proxy.ETag, `"a"`)
	s.Response(x)
	b, ok := r.Body.(*body)
	if !ok {
		t.Fatal("it was not compressed")
	}
	defer b.Release()
	for {
		p, err := b.Next()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		n += len(p)
	}
}

// again is a body of one piece that can be read again.
type again struct {
	text []byte
	done bool
}

func (a *again) Next() ([]byte, error) {
	if a.done {
		return nil, io.EOF
	}
	a.done = true
	return a.text, nil
}
func (a *again) Ready() bool            { return true }
func (a *again) Trailer() *proxy.Fields { return nil }

// BenchmarkAnswers is of JSON, by size, level and coding.
func BenchmarkAnswers(b *testing.B) {
	for _, size := range []int{2 << 10, 20 << 10, 200 << 10} {
		for l := range levels {
			for _, c := range []Coding{Zstd, Brotli, Gzip} {
				b.Run(fmt.Sprintf("%dKiB/%s/%s", size>>10, l, c), func(b *testing.B) {
					x := asked(b, c)
					o := spec(c)
					o.Level = l
					s, instance := New(o), &again{text: records(size)}
					b.SetBytes(int64(size))
					b.ReportAllocs()
					n := 0
					for b.Loop() {
						n = compressed(b, s, x, instance)
					}
					b.ReportMetric(float64(size)/float64(n), "ratio")
				})
			}
		}
	}
}

// records is JSON of that many bytes, as an API would list things.
func records(size int) []byte {
	var b []byte
	for i := 0; len(b) < size; i++ {
		b = fmt.Appendf(b, `{"id":%d,"name":"item %x","price":%.4f,"tags":["a","bb","%d"],"in_stock":%v}`+"\n", i*7919, uint32(i*2654435761), float64(i%997)/7, i%13, i%3 == 0)
	}
	return b[:size]
}
