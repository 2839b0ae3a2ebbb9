// Echoes messages. Usage: server.cjs PORT
const { WebSocketServer } = require('ws')

const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2]), perMessageDeflate: { threshold: 0 } })
server.on('connection', socket => {
  socket.on('message', (data, binary) => socket.send(data, { binary }))
  socket.on('error', () => {}) // violations are what this is about
})
