# Every request, whatever its path: one address may not ask more than this.
limit "token_bucket" "flood" {
  rate  = "1000/s"
  burst = 2000
  key   = [client.ip]
}

gateway {
  limits = ["flood"]
}

# Small enough to be met by hand: five at once, then one a second.
limit "token_bucket" "handful" {
  rate  = "1/s"
  burst = 5
  key   = [client.ip, route.name]
}
