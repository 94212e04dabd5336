import { Client, fetchTransport } from '@ebb-events/client'

const [api = 'http://127.0.0.1:8080/api', token = ''] = process.argv.slice(2)
const client = new Client({ api, token: () => token, transport: fetchTransport })
client.open()

const { settled } = client.send(`board/task/${crypto.randomUUID()}`, { _command: 'create', title: 'From a script' })
const { _outcome, title } = await settled
console.log(_outcome, title) // applied From a script
client.close()
