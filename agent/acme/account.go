package acme

import (
	"context"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
)

// accountPath is where the account is kept.
func (i *issuer) accountPath(file string) string {
	keys := certmagic.StorageKeys
	name := i.spec.Email
	if name == "" {
		name = "default"
	}
	if i.spec.EABKeyID != "" {
		name += "-" + i.spec.EABKeyID
	}
	return path.Join("acme", keys.Safe(i.IssuerKey()), "users", keys.Safe(name), file)
}

const (
	accountFile = "account.json"
	accountKey  = "account.key"
)

// account returns the account with the server, and makes one where there is none.
// Gateways that share a storage share it: one of them makes it.
func (i *issuer) account(ctx context.Context, client *acme.Client) (acme.Account, error) {
	a, err := i.stored(ctx)
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	lock := "register_" + certmagic.StorageKeys.Safe(i.IssuerKey())
	if err := i.storage.Lock(ctx, lock); err != nil {
		return acme.Account{}, fmt.Errorf("locking the account: %w", err)
	}
	defer func() { _ = i.storage.Unlock(context.WithoutCancel(ctx), lock) }() // it ends by itself else
	if a, err = i.stored(ctx); !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	return i.register(ctx, client)
}

// stored reads the account; fs.ErrNotExist where there is none.
func (i *issuer) stored(ctx context.Context) (a acme.Account, err error) {
	text, err := i.storage.Load(ctx, i.accountPath(accountFile))
	if err != nil {
		return a, fmt.Errorf("reading the account: %w", err)
	}
	key, err := i.storage.Load(ctx, i.accountPath(accountKey))
	if err != nil {
		return a, fmt.Errorf("reading the account's key: %w", err)
	}
	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("reading the account: %w", err)
	}
	a.PrivateKey, err = certmagic.PEMDecodePrivateKey(key)
	if err != nil {
		return a, fmt.Errorf("reading the account's key: %w", err)
	}
	return a, nil
}

func (i *issuer) register(ctx context.Context, client *acme.Client) (acme.Account, error) {
	made, err := certmagic.StandardKeyGenerator{KeyType: certmagic.P256}.GenerateKey()
	if err != nil {
		return acme.Account{}, fmt.Errorf("making the account's key: %w", err)
	}
	signer, ok := made.(crypto.Signer)
	if !ok {
		return acme.Account{}, errors.New("making the account's key: it can't sign")
	}
	a := acme.Account{TermsOfServiceAgreed: true, PrivateKey: signer}
	if i.spec.Email != "" {
		a.Contact = []string{"mailto:" + i.spec.Email}
	}
	if i.spec.EABKeyID != "" {
		mac, err := os.ReadFile(i.spec.EABKeyFile)
		if err != nil {
			return a, fmt.Errorf("reading the key that the account is bound by: %w", err)
		}
		eab := acme.EAB{KeyID: i.spec.EABKeyID, MACKey: strings.TrimRight(strings.TrimSpace(string(mac)), "=")}
		if err := a.SetExternalAccountBinding(ctx, client, eab); err != nil {
			return a, fmt.Errorf("binding the account: %w", err)
		}
	}
	if a, err = client.NewAccount(ctx, a); err != nil {
		return a, fmt.Errorf("making an account: %w", err)
	}
	key, err := certmagic.PEMEncodePrivateKey(a.PrivateKey)
	if err != nil {
		return a, fmt.Errorf("keeping the account's key: %w", err)
	}
	text, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return a, fmt.Errorf("keeping the account: %w", err)
	}
	// The key first: an account without its key is none.
	if err := i.storage.Store(ctx, i.accountPath(accountKey), key); err != nil {
		return a, fmt.Errorf("keeping the account's key: %w", err)
	}
	if err := i.storage.Store(ctx, i.accountPath(accountFile), text); err != nil {
		return a, fmt.Errorf("keeping the account: %w", err)
	}
	return a, nil
}

// forget drops an account that the server does not know any more.
func (i *issuer) forget(ctx context.Context) error {
	if err := i.storage.Delete(ctx, i.accountPath(accountFile)); err != nil {
		return fmt.Errorf("dropping an account that the server has forgotten: %w", err)
	}
	return nil
}
