//go:build e2e

package ui

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/lictor/lictor/e2e/harness"
)

// page is a tab of a browser that ends with the test. The test fails when the page
// complains of anything or asks anybody but the gateway.
type page struct {
	t    *testing.T
	ctx  context.Context
	base string

	mu sync.Mutex
	// complaints are what the console shows, expected what it may show.
	complaints, expected []string
	elsewhere            []string
}

// do is one action on a page.
type do = chromedp.Action[chromedp.Void]

// open shows a gateway's dashboard, or its sign-in form.
func open(t *testing.T, admin string) *page {
	t.Helper()
	path := os.Getenv("CHROMIUM_BIN")
	if path == "" {
		t.Fatal("CHROMIUM_BIN names no browser: run make ui")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WSURLReadTimeout(4*harness.Patience), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 10*harness.Patience)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx, base: "http://" + admin}
	if err := chromedp.Listen(ctx, p.note); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.judge)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(p.base+"/ui/"), chromedp.WaitVisible(chromedp.CSS("main")))
	return p
}

// note takes down what must not be.
func (p *page) note(event any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		p.complaints = append(p.complaints, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		text := e.ExceptionDetails.Text
		if x := e.ExceptionDetails.Exception; x != nil {
			text += " " + x.Description
		}
		p.complaints = append(p.complaints, text)
	case *log.EventEntryAdded:
		p.complaints = append(p.complaints, e.Entry.Text+" "+e.Entry.URL)
	case *network.EventRequestWillBeSent:
		if u := e.Request.URL; !strings.HasPrefix(u, p.base+"/") && !strings.HasPrefix(u, "data:") && u != "about:blank" {
			p.elsewhere = append(p.elsewhere, u)
		}
	}
}

// judge fails the test by what was taken down.
func (p *page) judge() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complaints {
		known := false
		for _, e := range p.expected {
			known = known || strings.Contains(c, e)
		}
		if !known {
			p.t.Errorf("the console shows: %s", c)
		}
	}
	for _, u := range p.elsewhere {
		p.t.Errorf("the page asked %s", u)
	}
}

// do runs actions.
func (p *page) do(actions ...do) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, actions...); err != nil {
		p.t.Fatal(err)
	}
}

// view shows one of the dashboard's views.
func (p *page) view(name string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(`nav a[href="#` + name + `"]`)))
	p.shows("the view "+name, `document.querySelector('nav a[aria-current]')?.hash === '#`+name+`' && document.querySelector('main h2') !== null`)
}

// shows waits until an expression holds.
func (p *page) shows(what, expression string) {
	p.t.Helper()
	harness.Within(p.t, harness.Patience, what, func() error {
		ok, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && !ok {
			text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string]("document.querySelector('main')?.innerText ?? ''"))
			err = fmt.Errorf("the page shows:\n%.2000s", text)
		}
		return err
	})
}

// says waits until a part of the page holds a text.
func (p *page) says(selector, text string) {
	p.t.Helper()
	p.shows(selector+" says "+text, fmt.Sprintf("[...document.querySelectorAll(%q)].some((n) => n.innerText.includes(%q))", selector, text))
}

// of evaluates an expression.
func of[T any](p *page, expression string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expression))
	if err != nil && !errors.Is(err, chromedp.ErrJSUndefined) {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// theme has the system prefer light or dark.
func (p *page) theme(name string) {
	p.t.Helper()
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
}

// picture keeps how the page looks, if UI_SHOTS names a folder.
func (p *page) picture(name string) {
	p.t.Helper()
	dir := os.Getenv("UI_SHOTS")
	if dir == "" {
		return
	}
	b, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), b, 0o600)
	}
	if err != nil {
		p.t.Error(err)
	}
}

// settle waits for the next step that is drawn.
func (p *page) settle() {
	p.t.Helper()
	was := of[string](p, "document.documentElement.dataset.step ?? ''")
	p.shows("another second is drawn", fmt.Sprintf("(document.documentElement.dataset.step ?? '') !== %q", was))
}

// location is where the page is, without the address.
func (p *page) location() string {
	p.t.Helper()
	at, err := chromedp.Run(p.ctx, chromedp.Location())
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(at)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Path
}
