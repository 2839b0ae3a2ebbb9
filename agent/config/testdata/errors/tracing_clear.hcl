listener "public" {
  address = "127.0.0.1:8080"
}

tracing {
  otlp_endpoint = "http://collector.example:4318"
  token_file    = "token"
  headers_file  = "headers"
  ca_file       = "ca.pem"
}
