// Runs transfers over one keep-alive connection of Node's http.
//
// Usage: client.mjs HOST PORT, with a transfer a line on standard input:
// method, path, length|chunked, file to send (or -). It prints a line for each:
// the status, the answer's Transfer-Encoding (or -), its size and its SHA-256; and
// at last the number of connections it took.
import { createHash } from 'node:crypto'
import { createReadStream, readFileSync, statSync } from 'node:fs'
import http from 'node:http'
import { finished } from 'node:stream/promises'

const [host, port] = process.argv.slice(2)
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
const connections = new Set()

async function transfer(method, path, framing, file) {
  const headers = file !== '-' && framing === 'length' ? { 'Content-Length': statSync(file).size } : {}
  if (file !== '-' && framing === 'chunked') headers['Transfer-Encoding'] = 'chunked'
  const request = http.request({ host, port, method, path, headers, agent })
  request.on('socket', socket => connections.add(socket))
  const answered = new Promise((resolve, reject) => {
    request.on('response', resolve)
    request.on('error', reject)
  })
  if (file === '-') request.end()
  else createReadStream(file, { highWaterMark: 256 << 10 }).pipe(request)
  const answer = await answered
  const digest = createHash('sha256')
  let size = 0
  answer.on('data', part => {
    digest.update(part)
    size += part.length
  })
  await finished(answer)
  console.log(answer.statusCode, answer.headers['transfer-encoding'] ?? '-', size, digest.digest('hex'))
}

for (const line of readFileSync(0, 'utf8').split('\n')) {
  if (line !== '') await transfer(...line.split(' '))
}
console.log('connections', connections.size)
agent.destroy()
