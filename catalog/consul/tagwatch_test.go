package consul

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/consul/api"
	"github.com/hashicorp/go-hclog"
)

// tags makes an entry of a service with tags.
func tags(service string, list ...string) *api.ServiceEntry {
	e := on("n1", service, service+"-1", api.HealthPassing)
	e.Service.Tags = list
	return e
}

// newTagWatch watches a fake for tags that begin with x-.
func newTagWatch(t *testing.T, f *fake) *TagWatch {
	t.Helper()
	conf := api.DefaultNonPooledConfig()
	conf.HttpClient = &http.Client{Transport: f}
	w, err := NewTagWatch(Config{API: conf, Logger: hclog.NewNullLogger()}, func(tag string) bool { return strings.HasPrefix(tag, "x-") })
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// watchTags runs a test on a watch of tags that begin with "x-". heard is what it
// has told, one element a time.
func watchTags(t *testing.T, prepare func(f *fake), test func(t *testing.T, f *fake, w *TagWatch, heard *[]string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("a", tags("a", "x-1"))
		f.set("b", tags("b", "y-1"))
		prepare(f)
		w := newTagWatch(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		var heard []string
		go func() {
			defer close(ended)
			w.Run(ctx, func(names []string) { heard = append(heard, fmt.Sprint(names)) })
		}()
		pass(3 * time.Second)
		test(t, f, w, &heard)
		cancel()
		<-ended
	})
}

func TestTagWatchTellsOfChanges(t *testing.T) {
	watchTags(t, func(*fake) {}, func(t *testing.T, f *fake, w *TagWatch, heard *[]string) {
		if s := w.Status(); !s.Known || s.Err != nil || s.Held != "" || fmt.Sprint(*heard) != "[[a]]" {
			t.Fatalf("status %+v, heard %q", s, *heard)
		}
		f.set("b", tags("b", "y-1", "x-2"))
		f.set("c", tags("c", "x-3"))
		pass(time.Second)
		f.set("d", tags("d", "y-3")) // nothing new
		pass(5 * time.Second)
		if got := (*heard)[len(*heard)-1]; got != "[a b c]" || len(*heard) > 3 {
			t.Errorf("heard %q", *heard)
		}
		f.set("a")
		f.set("b", tags("b", "y-1"))
		f.set("c")
		pass(5 * time.Second)
		if got := (*heard)[len(*heard)-1]; got != "[]" {
			t.Errorf("heard %q", *heard)
		}
	})
}

// Nothing is known before the first answer has been taken: a gateway that is ready then
// would have no routes.
func TestTagWatchIsKnownOnceTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("a", tags("a", "x-1"))
		w := newTagWatch(t, f)
		ctx, cancel := context.WithCancel(t.Context())
		var ended sync.WaitGroup
		var early bool
		ended.Go(func() { w.Run(ctx, func([]string) { early = early || w.Status().Known }) })
		pass(3 * time.Second)
		if early || !w.Status().Known {
			t.Errorf("known before it was taken: %v, after: %v", early, w.Status().Known)
		}
		cancel()
		ended.Wait()
	})
}

// However often services change, they are listed once in two seconds.
func TestTagWatchIsPaced(t *testing.T) {
	watchTags(t, func(*fake) {}, func(_ *testing.T, f *fake, _ *TagWatch, heard *[]string) {
		before := len(f.requests("/v1/catalog/services"))
		for i := range 200 {
			f.set("c", tags("c", fmt.Sprintf("x-%d", i)))
			pass(100 * time.Millisecond)
		}
		if n := len(f.requests("/v1/catalog/services")) - before; n < 5 || n > 12 {
			t.Errorf("asked %d times in 20 s", n)
		}
		if len(*heard) != 2 {
			t.Errorf("heard %q", *heard)
		}
	})
}

func TestTagWatchKeepsItsPeace(t *testing.T) {
	for name, c := range map[string]struct {
		how  func(f *fake)
		mend func(f *fake)
		want string
	}{
		"away":    {func(f *fake) { f.down = true }, func(f *fake) { f.down = false }, "refused"},
		"refused": {func(f *fake) { f.forbid["/v1/catalog/services"] = true }, func(f *fake) { delete(f.forbid, "/v1/catalog/services") }, "403"},
		"anonymous": {
			func(f *fake) { f.deny = true; f.services = map[string][]*api.ServiceEntry{}; f.index++ },
			func(f *fake) { f.deny = false; f.services["a"] = []*api.ServiceEntry{tags("a", "x-1")}; f.index++ }, heldAnonymous,
		},
	} {
		t.Run(name, func(t *testing.T) {
			watchTags(t, func(*fake) {}, func(t *testing.T, f *fake, w *TagWatch, heard *[]string) {
				f.change(func() { c.how(f) })
				pass(70 * time.Second) // the query in flight ends by then
				s := w.Status()
				if said := fmt.Sprint(s.Held, s.Err); !strings.Contains(said, c.want) || !s.Known {
					t.Errorf("status %+v, want %q", s, c.want)
				}
				if fmt.Sprint(*heard) != "[[a]]" {
					t.Errorf("heard %q", *heard)
				}
				f.change(func() { c.mend(f) })
				f.set("e", tags("e", "x-9"))
				pass(40 * time.Second)
				if s := w.Status(); s.Err != nil || s.Held != "" {
					t.Errorf("status %+v", s)
				}
				if got := (*heard)[len(*heard)-1]; got != "[a e]" {
					t.Errorf("heard %q", *heard)
				}
			})
		})
	}
}
