listener "public" {
  address = "127.0.0.1:8080"
}

access_log {
  path         = "access.log"
  query        = "reduct"
  redact_query = ["", "otp2"]
  fields = {
    status  = jwt.sub
    "a b"   = jwt.sub
    tenant  = jwt
    user_id = user
    auth    = request.header["Authorization"]
    cookie  = response.header["set-cookie"]
    ref     = request.headers["X-Ref"]
    bad     = request.header["X Ref"]
    cert    = client.crt
    text    = "jwt.sub"
    more    = "jwt sub"
    number  = 7
  }
  sample {
    one_in      = -1
    keep_status = 1000
    keep_slower = "1"
    routes = {
      health = "never"
      "a/b"  = 1
    }
    rate = 0.1
  }
}

access_log {
  path   = "access.log"
  format = "combined"
  fields = {
    tenant = jwt.tenant
  }
}
