package acme

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/hashicorp/go-hclog"
)

// put stores a certificate of a domain as an order does.
func (k *memoryKV) put(t *testing.T, prefix, directory, domain string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), DNSNames: []string{domain}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := certmagic.PEMEncodePrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	keys := certmagic.StorageKeys
	k.keys[prefix+keys.SiteCert(issuerKey(directory), domain)] = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	k.keys[prefix+keys.SitePrivateKey(issuerKey(directory), domain)] = string(private)
}

// set has every question for a key answered so from now on.
func (k *memoryKV) set(away error, forget bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = away
	if forget {
		clear(k.keys)
	}
}

// TestCopies starts gateways while Consul is there, away, and empty.
func TestCopies(t *testing.T) {
	const prefix, domain = "lictor/acme/", "shop.test"
	kv, dir := &memoryKV{keys: map[string]string{}, locks: map[string]*memoryLock{}}, filepath.Join(t.TempDir(), "data")
	spec := Spec{Directory: LetsEncrypt, KVPrefix: prefix}
	start := func(dir string, want Spec) (*View, *job) {
		t.Helper()
		m := NewManager(Options{DataDir: dir, OpenKV: func(string) (KV, error) { return kv, nil }, Logger: hclog.NewNullLogger()})
		v, err := m.View(Want{Spec: want, Domains: []string{domain}})
		if err != nil {
			t.Fatal(err)
		}
		return v, v.jobs[0]
	}
	shows := func(v *View, serial int64) {
		t.Helper()
		got := int64(0)
		if all := v.Certificates(); len(all) > 0 {
			got = all[0].Leaf.SerialNumber.Int64()
		}
		if got != serial {
			t.Errorf("certificate %d is shown, want %d", got, serial)
		}
	}
	down := errors.New("connection refused")

	kv.put(t, prefix, spec.Directory, domain, 1)
	v, j := start(dir, spec)
	shows(v, 1)
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a look at what there is has written: %v", err)
	}
	for serial := int64(1); serial <= 2; serial++ { // the second replaces the first
		kv.put(t, prefix, spec.Directory, domain, serial)
		if _, err := j.loadAndKeep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			files++
		}
		return nil
	})
	if err != nil || files != 1 {
		t.Errorf("%d files, %v", files, err)
	}

	kv.set(down, false)
	v, j = start(dir, spec)
	shows(v, 2)
	if _, err := j.loadAndKeep(t.Context()); !errors.Is(err, down) {
		t.Errorf("Consul is away, and got %v", err)
	}
	shows(v, 2)
	other := spec
	other.Directory = "https://ca.test/dir"
	v, _ = start(dir, other)
	shows(v, 0) // another server's is another certificate
	other = spec
	other.KVPrefix = "lictor/other/"
	v, _ = start(dir, other)
	shows(v, 0)
	v, _ = start("", spec)
	shows(v, 0)

	// Consul has lost all. What is copied is better than nothing until there is another.
	kv.set(nil, true)
	v, j = start(dir, spec)
	shows(v, 2)
	if _, err := j.loadAndKeep(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing is stored, and got %v", err)
	}
	kv.put(t, prefix, spec.Directory, domain, 3)
	if _, err := j.loadAndKeep(t.Context()); err != nil {
		t.Fatal(err)
	}
	shows(v, 3)

	// A copy that is no certificate is none.
	kv.set(down, false)
	v, j = start(dir, spec)
	shows(v, 3)
	file := j.copies.files().Filename(j.copies.name(j.issuer.IssuerKey(), domain))
	if !strings.HasPrefix(file, dir) {
		t.Fatalf("the copy is at %s", file)
	}
	if err := os.WriteFile(file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, _ = start(dir, spec)
	shows(v, 0)
}

// TestTornPair removes a certificate whose key has been replaced by somebody who died
// before he could replace the certificate, and none that somebody was only writing.
func TestTornPair(t *testing.T) {
	const prefix, domain = "lictor/acme/", "shop.test"
	kv := &memoryKV{keys: map[string]string{}, locks: map[string]*memoryLock{}}
	m := NewManager(Options{OpenKV: func(string) (KV, error) { return kv, nil }, Logger: hclog.NewNullLogger()})
	v, err := m.View(Want{Spec: Spec{Directory: LetsEncrypt, KVPrefix: prefix}, Domains: []string{domain}})
	if err != nil {
		t.Fatal(err)
	}
	j := v.jobs[0]
	cert := prefix + certmagic.StorageKeys.SiteCert(issuerKey(LetsEncrypt), domain)
	kv.put(t, prefix, LetsEncrypt, domain, 1)
	whole := kv.keys[cert]
	if err := j.clear(t.Context()); err != nil || kv.keys[cert] != whole {
		t.Errorf("a whole one: %v, and %q is left", err, kv.keys[cert])
	}
	kv.put(t, prefix, LetsEncrypt, domain, 2)
	kv.keys[cert] = whole
	if _, err := j.loadAndKeep(t.Context()); !errors.Is(err, errTorn) {
		t.Errorf("a torn one: %v", err)
	}
	kv.locks[prefix+"locks/issue_cert_"+domain] = &memoryLock{}
	if err := j.clear(t.Context()); err == nil || kv.keys[cert] != whole {
		t.Errorf("while another has the lock: %v, and %q is left", err, kv.keys[cert])
	}
	clear(kv.locks)
	if err := j.clear(t.Context()); err != nil || kv.keys[cert] != "" || len(kv.locks) > 0 {
		t.Errorf("a torn one: %v, %q is left, and %d locks", err, kv.keys[cert], len(kv.locks))
	}
	if _, err := j.loadAndKeep(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("afterwards: %v", err)
	}
}

// TestCopiesStayBelow keeps copies in their folder whatever the prefix.
func TestCopiesStayBelow(t *testing.T) {
	seen := map[string]string{}
	for _, prefix := range []string{"../", "/", "a/", "a/b/", "a%2Fb/", "A/"} {
		c := newCopies("/data", prefix)
		if filepath.Dir(c.dir) != filepath.FromSlash("/data/acme-copies") {
			t.Errorf("%q: %s", prefix, c.dir)
		}
		if was, ok := seen[c.dir]; ok {
			t.Errorf("%q and %q share %s", prefix, was, c.dir)
		}
		seen[c.dir] = prefix
	}
}
