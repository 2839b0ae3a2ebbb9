listener "public" {
  address = "127.0.0.1:8080"
  mesh    = "yes"
}

listener "both" {
  address = "127.0.0.1:8443"
  mesh    = true
  tls {
    certificate {
      cert_file = "../tls/good.pem"
      key_file  = "../tls/good.key"
    }
  }
}

consul {
  connect {
    enabled = "perhaps"
    ca_file = "x"
  }
}

service "legacy" {
  instance {
    address = "10.1.2.3"
    port    = 8080
  }
}

route "word" {
  path    = "/word"
  service = "a"
  mesh    = "always"
}

route "tls" {
  path    = "/tls"
  service = "a"
  mesh    = true
  upstream_tls {
  }
}

route "port" {
  path    = "/port"
  service = "a"
  port    = "admin"
  mesh    = "true"
}

route "static" {
  path    = "/static"
  service = "legacy"
  mesh    = "true"
}

route "protocol" {
  path     = "/protocol"
  service  = "a"
  protocol = "h2"
}
