# The gateway on every client of Nomad that is at the edge: nomad job run lictor.nomad.hcl
# It takes the program from an image (dist/docker), its policies from Consul's KV
# store, and Consul itself from the agent of the client that it runs on.
job "lictor" {
  type = "system"

  constraint {
    attribute = "${meta.edge}"
    value     = "true"
  }

  update {
    max_parallel     = 1 # one gateway after another
    min_healthy_time = "10s"
    auto_revert      = true
  }

  group "gateway" {
    network {
      mode = "host"
      port "http" {
        static = 8080
      }
      port "admin" {
        static       = 9980
        host_network = "loopback"
      }
    }

    task "lictor" {
      driver = "docker"

      config {
        image        = "lictor:latest"
        network_mode = "host"
        args         = ["agent", "-config-file", "${NOMAD_TASK_DIR}/lictor.hcl"]
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "40s" # more than drain.delay and drain.timeout together

      template {
        destination = "local/lictor.hcl"
        change_mode = "restart"
        data        = <<-END
          node_name = "{{ env "node.unique.name" }}"
          listener "public" {
            address = "0.0.0.0:{{ env "NOMAD_PORT_http" }}"
          }
          admin {
            address = "127.0.0.1:{{ env "NOMAD_PORT_admin" }}"
          }
          consul {
            address = "127.0.0.1:8500"
            service {
              name = "lictor"
            }
          }
          policies {
            kv_prefix = "lictor/policies/"
          }
          drain {
            delay   = "5s"
            timeout = "30s"
          }
        END
      }

      resources {
        cpu    = 1000
        memory = 256
      }
    }
  }
}
