// Runs every case on a connection of its own and prints a line for each: its name
// and what came of it. Usage: client.cjs HOST:PORT 1|2, by HTTP/1.1 or by extended
// CONNECT in HTTP/2.
const { createHash } = require('node:crypto')
const http2 = require('node:http2')
const WebSocket = require('ws')

const [address, version] = process.argv.slice(2)
const patience = 20_000

// Opens a socket. In HTTP/2 no extension is asked for, as ws can't negotiate there.
async function open(options) {
  let socket
  if (version === '1') {
    socket = new WebSocket(`ws://${address}/`, options)
  } else {
    const session = http2.connect(`http://${address}`)
    session.on('error', () => {})
    await new Promise(resolve => session.once('remoteSettings', resolve))
    const stream = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/', 'sec-websocket-version': '13' })
    const answer = await new Promise((resolve, reject) => {
      stream.once('response', resolve)
      stream.once('error', reject)
    })
    if (answer[':status'] !== 200) throw new Error(`status ${answer[':status']}`)
    stream.setNoDelay = () => {} // is the connection's
    stream.on('close', () => session.close())
    socket = new WebSocket(null) // as ws makes them of streams
    socket._isServer = false
    socket.setSocket(stream, Buffer.alloc(0), { maxPayload: 1 << 25 })
  }
  socket.closed = new Promise(resolve => socket.on('close', (code, reason) => resolve(`closed ${code} ${reason}`)))
  socket.on('error', () => {})
  if (socket.readyState === WebSocket.CONNECTING) await new Promise(resolve => socket.once('open', resolve))
  return socket
}

const digest = data => createHash('sha256').update(data).digest('hex').slice(0, 16)
const kind = (data, binary) => `${binary ? 'binary' : 'text'} ${data.length} ${digest(data)}`
const message = socket =>
  Promise.race([new Promise(resolve => socket.once('message', (data, binary) => resolve(kind(data, binary)))), socket.closed])
const bytes = size => Buffer.from(Array.from({ length: size }, (_, i) => (i * 7 + 13) % 256))
const text = size => 'käse€😀'.repeat(Math.ceil(size / 9)).slice(0, size)

const cases = []
const add = (name, run, options = { perMessageDeflate: false }) => cases.push({ name, run, options })

for (const size of [0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20, 1 << 24]) {
  const echo = data => async socket => {
    const back = message(socket)
    socket.send(data)
    return back
  }
  add(`binary of ${size}`, echo(bytes(size)))
  add(`text of ${size}`, echo(text(size)))
  if (version === '1') add(`compressed text of ${size}`, echo(text(size)), { perMessageDeflate: { threshold: 0 } })
}
add('a thousand messages at once', async socket => {
  const got = []
  const all = new Promise(resolve => socket.on('message', data => got.push(data) === 1000 && resolve()))
  for (let i = 0; i < 1000; i++) socket.send(`message ${i}`)
  await Promise.race([all, socket.closed])
  return `${got.length} ${digest(Buffer.concat(got))}`
})
add('fragments', async socket => {
  const back = message(socket)
  for (const [part, fin] of [['a', false], ['', false], ['b'.repeat(70000), false], ['c', true]]) socket.send(part, { fin })
  return back
})
add('a ping between fragments', async socket => {
  const back = message(socket)
  const pong = new Promise(resolve => socket.once('pong', data => resolve(`pong ${data}`)))
  socket.send('a', { fin: false })
  socket.ping('between')
  socket.send('b', { fin: true })
  return `${await Promise.race([pong, socket.closed])}, ${await back}`
})
for (const payload of ['', 'x'.repeat(125)]) {
  add(`ping of ${payload.length}`, async socket => {
    const pong = new Promise(resolve => socket.once('pong', data => resolve(`pong ${data}`)))
    socket.ping(payload)
    return Promise.race([pong, socket.closed])
  })
}
add('pong that nobody asked for', async socket => {
  const back = message(socket)
  socket.pong('unasked')
  socket.send('after')
  return back
})
for (const [code, reason] of [[1000, ''], [1000, 'bye'], [1001, 'käse'], [3000, 'x'.repeat(123)], [4999, '']]) {
  add(`close ${code} ${reason.length}`, async socket => {
    socket.close(code, reason)
    return socket.closed
  })
}
add('close without a code', async socket => {
  socket.close()
  return socket.closed
})

// Frames that no client may send (RFC 6455), as octets; the mask is all zeros.
for (const [name, ...octets] of [
  ['reserved bit', 0xc1, 0x80, 0, 0, 0, 0],
  ['reserved opcode 3', 0x83, 0x80, 0, 0, 0, 0],
  ['reserved opcode 11', 0x8b, 0x80, 0, 0, 0, 0],
  ['frame without a mask', 0x81, 0x01, 0x61],
  ['fragmented ping', 0x09, 0x80, 0, 0, 0, 0],
  ['ping of 126', 0x89, 0xfe, 0, 126, 0, 0, 0, 0, ...Array(126).fill(0x61)],
  ['continuation of nothing', 0x80, 0x80, 0, 0, 0, 0],
  ['text within a fragmented text', 0x01, 0x81, 0, 0, 0, 0, 0x61, 0x81, 0x81, 0, 0, 0, 0, 0x62],
  ['text that is not UTF-8', 0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe],
  ['half a character', 0x81, 0x82, 0, 0, 0, 0, 0xe2, 0x82],
  ['length with the highest bit', 0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ['close of one octet', 0x88, 0x81, 0, 0, 0, 0, 0x03],
  ['close 1005', 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed],
  ['close 999', 0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7],
  ['close with a reason that is not UTF-8', 0x88, 0x84, 0, 0, 0, 0, 0x03, 0xe8, 0xff, 0xfe],
]) {
  add(`violation: ${name}`, async socket => {
    socket._socket.write(Buffer.from(octets))
    return socket.closed
  })
}

async function main() {
  for (const { name, run, options } of cases) {
    const socket = await open(options)
    let timer
    const late = new Promise(resolve => { timer = setTimeout(() => resolve('nothing'), patience) })
    console.log(`${name}: ${await Promise.race([run(socket), late])}`)
    clearTimeout(timer)
    socket.terminate()
  }
}
main().then(() => process.exit(0), error => { console.error(error); process.exit(1) })
