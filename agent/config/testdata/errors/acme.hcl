listener "none" {
  address = "127.0.0.1:1"
  tls {
    acme {
    }
    client_auth = "optional"
  }
}

listener "wrong" {
  address = "127.0.0.1:2"
  tls {
    acme {
      domains       = ["*.example.com", "Shop.example.com", "shop.example.com", "192.0.2.7", "a b", "example.com:443", "a..b"]
      agree_tos     = false
      email         = "Ops <ops@example.com>"
      directory_url = "http://ca.example.com/directory"
      ca_file       = "../tls/good.key"
      challenges    = ["http-1", "dns-01"]
      key_type      = "rsa1024"
      kv_prefix     = "/lictor/acme"
      eab_key_id    = "kid-1"
      wildcard      = true
    }
    client_ca_file = "../tls/good.pem"
    client_auth    = "maybe"
  }
}

listener "nowhere" {
  address = "127.0.0.1:3"
  tls {
    acme {
      domains      = []
      agree_tos    = true
      challenges   = []
      kv_prefix    = "lictor/acme/"
      eab_key_file = "../tls/absent"
    }
  }
}

listener "files" {
  address = "127.0.0.1:4"
  tls {
    acme {
      domains      = ["example.com"]
      agree_tos    = true
      challenges   = ["http-01"]
      eab_key_id   = "kid-1"
      eab_key_file = "../tls/absent"
    }
  }
}
