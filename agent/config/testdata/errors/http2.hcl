listener "public" {
  address = "127.0.0.1:8080"
  http2 {
    max_concurrent_streams = 0
    max_wasted_frames      = "many"
    max_streams            = 5
  }
}
