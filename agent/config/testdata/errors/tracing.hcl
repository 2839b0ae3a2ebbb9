listener "public" {
  address = "127.0.0.1:8080"
}

tracing {
  otlp_endpoint = "collector.example:4318"
  sample_ratio  = 1.5
  parent_based  = "perhaps"
  service_name  = ""
  resource = {
    "service.name"        = "x"
    "service.instance.id" = "y"
    "a b"                 = "z"
    "team"                = ["edge"]
  }
  timeout     = "5m"
  queue       = 1
  compression = "gizp"
  ratio       = 0.5
  token       = "s3cret"
}
