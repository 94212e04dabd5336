// Loaded into the CDK's processes: whoever asks for the network is refused, and written down.
const { appendFileSync } = require('node:fs')
const dns = require('node:dns')
const net = require('node:net')

const refuse = (what) => {
  appendFileSync(process.env.NETWORK_USED, `${what}\n`)
  throw new Error(`the network is used: ${what}`)
}
const connect = net.Socket.prototype.connect
net.Socket.prototype.connect = function (...args) {
  const [options] = Array.isArray(args[0]) ? args[0] : args
  if (typeof options === 'string' || options?.path) return connect.apply(this, args) // a socket of this machine
  refuse(JSON.stringify(options))
}
for (const of of [dns, dns.promises]) {
  for (const name of ['lookup', 'resolve', 'resolve4', 'resolve6']) of[name] = (host) => refuse(`name ${host}`)
}
