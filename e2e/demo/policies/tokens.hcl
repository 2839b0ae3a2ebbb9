# Who vouches for users. The demo makes a key when it starts, writes its public
# half to jwks.json and signs one token with it.
jwt "demo" {
  issuer     = "https://id.example.com"
  audiences  = ["demo"]
  algorithms = ["EdDSA"]

  json_web_key_set {
    local {
      filename = "jwks.json"
    }
  }
}
