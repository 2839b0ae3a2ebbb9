package staple

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509/pkix"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ocsp"
)

// bench is a stapler in a bubble of its own time, with a responder.
type bench struct {
	*Stapler
	t    *testing.T
	a    *authority
	to   *responder
	log  *logText
	stop func()
}

// newBench starts one over a folder; its responder refuses connections at first.
func newBench(t *testing.T, a *authority, dir string, shown ...*tls.Certificate) *bench {
	t.Helper()
	b := &bench{t: t, a: a, to: &responder{answer: refuse}, log: &logText{}}
	b.Stapler = New(Options{DataDir: dir, Transport: b.to, Logger: b.log.logger()})
	b.Follow(shown)
	ctx, cancel := context.WithCancel(t.Context())
	var run sync.WaitGroup
	b.stop = func() { cancel(); run.Wait() }
	run.Go(func() { b.Run(ctx) })
	return b
}

func refuse(*ocsp.Request) ([]byte, error) { return nil, errors.New("connection refused") }

// status has the responder say so of whatever it is asked about, for so long.
func (b *bench) status(status int, life time.Duration) {
	b.to.says(func(q *ocsp.Request) ([]byte, error) {
		r := fresh(q.SerialNumber.Int64(), status, life)
		return b.a.says(r), nil
	})
}

// pass lets time pass.
func (b *bench) pass(d time.Duration) {
	time.Sleep(d) // by the clock of the bubble: nobody waits
	synctest.Wait()
}

// logs checks what was logged since the last time; "" is for nothing.
func (b *bench) logs(want ...string) {
	b.t.Helper()
	got := b.log.take()
	if len(want) == 0 && got != "" {
		b.t.Errorf("logged %s", got)
	}
	for _, w := range want {
		if !strings.Contains(got, w) {
			b.t.Errorf("%q is not in the log: %s", w, got)
		}
	}
}

// TestStaplerLife follows one certificate through a responder that is down, comes,
// goes, and comes again.
func TestStaplerLife(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		c := a.issue(serial, nil, responderURL)
		b := newBench(t, a, dir, c)
		defer b.stop()
		synctest.Wait()
		b.logs("[WARN]", "shown without an OCSP staple", "connection refused", "shop.test", "asking "+responderURL)
		if b.Staple(c) != nil {
			t.Error("there is a staple of nothing")
		}
		b.pass(time.Hour)
		if n := len(b.to.times()); n < 8 || n > 16 {
			t.Errorf("a responder that is down was asked %d times in an hour", n)
		}
		b.logs() // once is enough

		b.status(ocsp.Good, 100*time.Hour)
		b.pass(lastRetry)
		b.logs("[INFO]", "OCSP staple taken up")
		first := b.Staple(c)
		if _, err := verify(first, subjectOf(t, c), time.Now()); err != nil {
			t.Fatal(err)
		}
		at := b.to.times()[0]

		b.pass(time.Until(at.Add(49 * time.Hour)))
		if n := len(b.to.times()); n != 0 {
			t.Errorf("asked %d times before half of the life was over", n)
		}
		b.pass(7 * time.Hour)
		if n := len(b.to.times()); n != 1 || bytes.Equal(b.Staple(c), first) {
			t.Errorf("asked %d times when it was", n)
		}
		b.logs() // as it should be

		b.to.says(func(*ocsp.Request) ([]byte, error) { return ocsp.TryLaterErrorResponse, nil })
		b.pass(60 * time.Hour)
		b.logs("[WARN]", "can't be renewed, the previous one stays", "try later")
		if b.Staple(c) == nil {
			t.Error("the last good one was dropped")
		}
		if s, ok := b.Status(c); !ok || s.Err == nil || s.Again.IsZero() || s.Revoked || time.Until(s.NextUpdate) <= 0 {
			t.Errorf("got %+v", s)
		}
		b.status(ocsp.Unknown, time.Hour)
		b.pass(41 * time.Hour)
		b.logs("[WARN]", "shown without an OCSP staple", "the last one has ended")
		if b.Staple(c) != nil {
			t.Error("a staple that has ended is shown")
		}

		b.status(ocsp.Good, 100*time.Hour)
		b.pass(lastRetry)
		b.logs("OCSP staple taken up")
		if s, ok := b.Status(c); b.Staple(c) == nil || !ok || s.Err != nil || s.Responder != responderURL {
			t.Errorf("got %+v", s)
		}
	})
}

// TestStaplerRevoked drops the staple of a certificate that is revoked, remembers it,
// and believes no older response.
func TestStaplerRevoked(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		c := a.issue(serial, nil, responderURL)
		b := newBench(t, a, dir, c)
		old := a.says(fresh(serial, ocsp.Good, 1000*time.Hour))
		b.status(ocsp.Good, 10*time.Hour)
		b.pass(lastRetry)
		if b.Staple(c) == nil {
			t.Fatal("there is no staple")
		}
		b.log.take()
		b.status(ocsp.Revoked, 10*time.Hour)
		b.pass(6 * time.Hour)
		b.logs("[ERROR]", "REVOKED", "shop.test", "replace it")
		if s, _ := b.Status(c); b.Staple(c) != nil || !s.Revoked || s.RevokedAt.IsZero() {
			t.Errorf("got %+v", s)
		}
		b.pass(20 * time.Hour)
		b.logs() // loud, but not all the time
		b.pass(6 * time.Hour)
		b.logs("REVOKED")

		b.to.says(func(*ocsp.Request) ([]byte, error) { return old, nil })
		b.pass(2 * time.Hour)
		if s, _ := b.Status(c); b.Staple(c) != nil || !errors.Is(s.Err, errOlder) {
			t.Errorf("an older response: %+v", s)
		}
		b.stop()

		again := newBench(t, a, dir, c)
		synctest.Wait()
		again.logs("REVOKED")
		if again.Staple(c) != nil {
			t.Error("after a restart it is shown as good")
		}
		again.status(ocsp.Good, 10*time.Hour) // it was on hold
		again.pass(revokedRest + lastRetry)
		again.logs("OCSP staple taken up")
		if again.Staple(c) == nil {
			t.Error("there is no staple when it is good again")
		}
		again.stop()
	})
}

// TestStaplerRestart shows what is kept at once, and asks nobody before it is time.
func TestStaplerRestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		c, next := a.issue(serial, nil, responderURL), a.issue(serial+1, nil, responderURL)
		b := newBench(t, a, dir, c)
		b.status(ocsp.Good, 100*time.Hour)
		b.pass(lastRetry)
		was := b.Staple(c)
		b.stop()
		info, err := os.Stat(b.shelf.path(subjectOf(t, c).id))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("got %v, %v", info, err)
		}

		b = newBench(t, a, dir)
		if got := b.Staple(c); !bytes.Equal(got, was) || was == nil { // before anything was followed
			t.Error("what is kept is not shown")
		}
		b.Follow([]*tls.Certificate{c})
		b.pass(time.Hour)
		b.logs("OCSP staple taken up")
		if n := len(b.to.times()); n != 0 {
			t.Errorf("asked %d times", n)
		}

		// Another certificate in its place has nothing yet.
		b.Follow([]*tls.Certificate{next})
		if b.Staple(next) != nil {
			t.Error("the new certificate is shown with a staple already")
		}
		if _, ok := b.Status(c); ok {
			t.Error("the old one is followed")
		}
		b.status(ocsp.Good, 100*time.Hour)
		b.pass(lastRetry)
		b.to.times()
		if got := b.Staple(next); got == nil || bytes.Equal(got, was) {
			t.Error("the new certificate has no staple of its own")
		}
		b.pass(60 * time.Hour)
		if n := len(b.to.times()); n != 1 {
			t.Errorf("asked %d times, want once, about the new one", n)
		}
		b.stop()

		// What is kept is looked at as if it came from anybody.
		if err := os.WriteFile(b.shelf.path(subjectOf(t, c).id), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.shelf.path(subjectOf(t, next).id), was, 0o600); err != nil {
			t.Fatal(err)
		}
		b = newBench(t, a, dir, c, next)
		if b.Staple(c) != nil || b.Staple(next) != nil {
			t.Error("what was tampered with is shown")
		}
		b.stop()
	})
}

// TestStaplerLeavesAlone does nothing for certificates that it can do nothing for.
func TestStaplerLeavesAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		plain, alone := a.issue(1, nil), a.issue(2, nil, responderURL)
		alone.Certificate = alone.Certificate[:1]
		must := a.issue(3, []pkix.Extension{feature(t, mustFeature)})
		b := newBench(t, a, dir, plain)
		b.pass(time.Hour)
		b.logs()
		if _, ok := b.Status(plain); ok || b.Staple(plain) != nil {
			t.Error("a certificate that names no responder has a status")
		}
		b.Follow([]*tls.Certificate{plain, alone, must})
		b.pass(time.Hour)
		b.logs("[WARN]", errNoIssuer.Error(), "clients refuse it", errNoResponder.Error())
		if s, ok := b.Status(must); !ok || !s.Must || !errors.Is(s.Err, errNoResponder) || !s.Again.IsZero() {
			t.Errorf("got %+v", s)
		}
		if n := len(b.to.times()); n != 0 {
			t.Errorf("asked %d times", n)
		}
		b.stop()
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is a folder of nothing: %v", err)
		}
	})
}

// TestStaplerMust warns of a certificate that clients refuse.
func TestStaplerMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		b := newBench(t, a, "", a.issue(serial, []pkix.Extension{feature(t, mustFeature)}, responderURL))
		synctest.Wait()
		b.logs("[WARN]", "must have: clients refuse it", "connection refused")
		b.stop()
	})
}

// TestStaplerAtOnce asks no more responders at a time than it may.
func TestStaplerAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAuthority(t, "authority")
		var all []*tls.Certificate
		for n := range 3 * int64(atOnce) {
			all = append(all, a.issue(n+1, nil, responderURL))
		}
		b := newBench(t, a, "")
		release := make(chan struct{})
		b.to.says(func(q *ocsp.Request) ([]byte, error) {
			<-release
			return a.says(fresh(q.SerialNumber.Int64(), ocsp.Good, time.Hour)), nil
		})
		b.Follow(all)
		synctest.Wait()
		if n := len(b.to.times()); n != atOnce {
			t.Errorf("%d were asked at a time, want %d", n, atOnce)
		}
		close(release)
		synctest.Wait()
		for _, c := range all {
			if b.Staple(c) == nil {
				t.Fatalf("%v has no staple", c.Leaf.SerialNumber)
			}
		}
		b.stop()
	})
}

func TestShelf(t *testing.T) {
	dir := shelf(filepath.Join(t.TempDir(), "ocsp"))
	dir.sweep(time.Now()) // where there is nothing yet
	a := newAuthority(t, "authority")
	s := subjectOf(t, a.issue(serial, nil, responderURL))
	now := time.Now()
	raw, err := verify(a.says(fresh(serial, ocsp.Good, time.Hour)), s, now)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second in place of the first
		if err := dir.store(s, raw); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		all, err := os.ReadDir(string(dir))
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if got := dir.load(s, now); got == nil || left() != 1 {
		t.Errorf("got %v of %d files", got, left())
	}
	if got := dir.load(s, now.Add(2*time.Hour)); got != nil {
		t.Error("what has ended is loaded")
	}
	dir.sweep(now)
	if left() != 1 {
		t.Error("what is young is swept")
	}
	dir.sweep(now.Add(2 * forgotten))
	if left() != 0 {
		t.Error("what is old stays")
	}
	blocked := shelf(filepath.Join(t.TempDir(), "file"))
	if err := os.WriteFile(string(blocked), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := blocked.store(s, raw); err == nil {
		t.Error("no error")
	}
}
