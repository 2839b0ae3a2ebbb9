package main

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// keyID tells the gateway which key of the set a token is signed with.
const keyID = "demo-1"

// makeToken makes a key pair for this run alone: the public half goes to a JSON
// Web Key Set (RFC 7517) beside the policies, and the private one is forgotten
// once it has signed the one token of the tour.
func (d *demo) makeToken() error {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	set, err := json.MarshalIndent(map[string]any{"keys": []any{map[string]string{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": keyID,
		"x": base64.RawURLEncoding.EncodeToString(public),
	}}}, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the key set: %w", err)
	}
	if err := os.WriteFile(filepath.Join(d.dir, "policies", "jwks.json"), set, 0o600); err != nil {
		return fmt.Errorf("writing the key set: %w", err)
	}
	d.token, err = sign(private, map[string]any{
		"iss": "https://id.example.com", "aud": "demo", "sub": "ada", "scope": "account:read",
		"exp": time.Now().Add(24 * time.Hour).Unix(),
	})
	return err
}

// sign makes a JSON Web Token (RFC 7519) in the compact form of RFC 7515 section
// 3.1, signed by Ed25519 (RFC 8037).
func sign(key ed25519.PrivateKey, claims map[string]any) (string, error) {
	header, err := json.Marshal(map[string]string{"alg": "EdDSA", "kid": keyID})
	if err != nil {
		return "", fmt.Errorf("encoding a token's header: %w", err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("encoding a token's claims: %w", err)
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(key, []byte(signed))), nil
}
