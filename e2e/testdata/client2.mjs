// Posts a file many times at once over one connection of HTTP/2.
//
// Usage: client2.mjs URL FILE COUNT [CA SERVERNAME]. It prints a line for each answer:
// the status, its size and its SHA-256.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync } from 'node:fs'
import http2 from 'node:http2'
import { finished } from 'node:stream/promises'

const [address, file, count, ca, servername] = process.argv.slice(2)
const url = new URL(address)
const session = http2.connect(url.origin, ca ? { ca: readFileSync(ca), servername } : {})

async function post() {
  const stream = session.request({ ':method': 'POST', ':path': url.pathname })
  const answered = new Promise((resolve, reject) => {
    stream.on('response', resolve)
    stream.on('error', reject)
  })
  createReadStream(file).pipe(stream)
  const head = await answered
  const digest = createHash('sha256')
  let size = 0
  stream.on('data', part => {
    digest.update(part)
    size += part.length
  })
  await finished(stream)
  return `${head[':status']} ${size} ${digest.digest('hex')}`
}

for (const line of await Promise.all(Array.from({ length: Number(count) }, post))) console.log(line)
session.close()
