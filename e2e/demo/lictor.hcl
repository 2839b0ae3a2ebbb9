# The demo's gateway. `make demo` copies this file and policies/ to a temporary
# folder; a port that is taken is replaced there by a free one.

node_name = "demo"
log_level = "INFO"

listener "public" {
  address = "127.0.0.1:8080"
}

admin {
  address = "127.0.0.1:9980"
}

consul {
  address = "127.0.0.1:8500"
}

policies {
  paths = ["policies/"]
  watch = true # save a policy and the gateway takes it up
}

drain {
  timeout = "5s"
}

access_log {
  path   = "access.log"
  format = "json"
}
