listener "public" {
  address = "127.0.0.1:8080"
}

consul {
  connect {
    enabled = true
  }
}

service "legacy" {
  instance {
    address = "10.1.2.3"
    port    = 8080
  }
}

route "both" {
  path           = "/both"
  service        = "a"
  prepared_query = "b"
  tags           = ["v1"]
  port           = "http"
  split "a" {
    weight = 1
  }
}

route "weights" {
  path = "/weights"
  split "a" {
    tags = ["v1"]
  }
  split "b" {
    weight = -1
  }
  split "c" {
    weight = 0.5
  }
  split "d" {
    weight = 1000001
  }
  split "e" {
    weight = "many"
  }
}

route "none" {
  path = "/none"
  split "a" {
    weight = 0
  }
  split "b" {
    weight = 0
  }
}

route "twice" {
  path = "/twice"
  split "a" {
    weight = 1
    tags   = ["v1", "v2"]
  }
  split "a" {
    weight = 2
    tags   = ["v2", "v1"]
  }
}

route "unnamed" {
  path = "/unnamed"
  split "" {
    weight = 1
  }
}

route "unlabelled" {
  path = "/unlabelled"
  split {
    weight = 1
  }
}

route "misspelt" {
  path = "/misspelt"
  split "a" {
    wieght = 1
    weight = 1
  }
}

route "mesh" {
  path = "/mesh"
  mesh = "true"
  split "a" {
    weight = 1
    port   = "http"
  }
  split "legacy" {
    weight = 1
  }
}

route "static" {
  path        = "/static"
  datacenters = ["dc2"]
  split "a" {
    weight = 1
  }
  split "legacy" {
    weight = 1
  }
}
