# Three instances; each request goes to the one with the fewest under way.
route "orders" {
  path_prefix = "/orders"
  methods     = ["GET", "POST"]
  service     = "orders"
  balance     = "least_conn"
}

# The service sees /7, not /users/7.
route "users" {
  path_prefix  = "/users"
  service      = "users"
  strip_prefix = "/users"
}

# A whole host, whatever the path.
route "web" {
  hosts       = ["web.localhost"]
  path_prefix = "/"
  service     = "web"
}

# A service that nobody has registered (yet).
route "billing" {
  path_prefix = "/billing"
  service     = "billing"
}

# Only with a token; the service learns whose it is from X-User.
route "account" {
  path_prefix = "/account"
  service     = "users"
  limits      = ["per_user"]

  jwt {
    provider          = "demo"
    forward           = false
    claims_to_headers = { "X-User" = "sub" }
    require           = { scope = ["account:read"] }
  }
}

# One route for each algorithm.
route "tokens" {
  path    = "/limited/tokens"
  service = "web"
  limits  = ["tokens"]
}

route "queue" {
  path    = "/limited/queue"
  service = "web"
  limits  = ["queue"]
}

route "fixed" {
  path    = "/limited/fixed"
  service = "web"
  limits  = ["fixed"]
}

route "sliding" {
  path    = "/limited/sliding"
  service = "web"
  limits  = ["sliding"]
}
