listener "public" {
  address = "127.0.0.1:8080"
}

access_log {
  rotate {
  }
}

access_log {
  path = "a.log"
  rotate {
    size  = "1KiB"
    every = "1s"
    keep  = -1
  }
  syslog {
    facility = "local9"
    tag      = "a b"
  }
}

access_log {
  syslog {
    address = "/dev/log"
  }
}

access_log {
  syslog {
    address = "unix://dev/log"
  }
}

access_log {
  rotate {
    every = "24h"
  }
  syslog {
    address = "tcp://:601"
  }
}

access_log {
  syslog {
    address = "udp://localhost"
    tag     = ""
  }
}
