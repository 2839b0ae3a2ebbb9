// Posts a file by Node's fetch. Usage: fetch.mjs URL FILE. It prints the status, the
// answer's size and its SHA-256.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

const [url, file] = process.argv.slice(2)
const answer = await fetch(url, { method: 'POST', body: readFileSync(file) })
const body = Buffer.from(await answer.arrayBuffer())
console.log(answer.status, body.length, createHash('sha256').update(body).digest('hex'))
