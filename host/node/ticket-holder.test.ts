// Who holds a ticket and was never admitted may ask for admission and gets nothing of the chain, whatever
// epoch its hello names.
import t from 'tap'
import { createServiceClient, type ServiceClient } from '../../consensus/net/service-client.js'
import { bytesToHex, entityIdOf } from '../../runtime/protocol/index.js'
import { encodeRequest } from '../executor/snapshot-format.js'
import { ticketKey, type Ticket } from '../founding/ticket.js'
import { sha256, signDetached, verifySignature } from '../keys/crypto.js'
import { createHospital } from './network.fixture.js'
import { createNodeServices, decodeStatus, serviceTag } from './node-services.js'
import { ticketFor } from './ticket.fixture.js'

const patienceMs = 180_000

function connect(ticket: Ticket, epoch: number): Promise<ServiceClient> {
  const key = ticketKey(ticket)
  const book = new Map(
    ticket.peers.map(({ transportKey, host, port }) => [bytesToHex(transportKey), { host, port }]),
  )
  const nodeKey = key.publicKey
  return createServiceClient({
    keyPair: { publicKey: Buffer.from(key.publicKey), secretKey: key.secretKey },
    ...{
      host: '127.0.0.1',
      port: 0,
      bootstrap: [...book.values()],
      book,
      dial: [...book.keys()],
      allowed: [],
    },
    hello: () => ({
      ...{ chainId: ticket.chainId, epoch, nodeId: entityIdOf(sha256, nodeKey), nodeKey },
      ...{ role: 'observer', tipHeight: 0, tipHash: new Uint8Array(32) },
    }),
    sign: (bytes) => signDetached(key, bytes),
    verify: verifySignature,
    refuse: () => null,
  })
}

const forbidden = [
  new Uint8Array([serviceTag.genesis]),
  encodeRequest({ kind: 'offer' }),
  new Uint8Array([serviceTag.read]),
]

t.setTimeout(600_000)

t.test('the holder of a ticket reads nothing, in no epoch', async (t) => {
  const hospital = await createHospital({ validators: 1 })
  t.teardown(() => hospital.close())
  const [only] = hospital.validators
  const ticket = await ticketFor(hospital, only, await hospital.signIn(only, 'admin'), 'observer')
  for (const epoch of [0, 1, 2 ** 32 - 1]) {
    const client = await connect(ticket, epoch)
    t.ok(await client.waitForPeer(patienceMs), `epoch ${epoch}: connected`)
    const [{ peer }] = client.peers()
    // A peer's requests are answered in order: with the last answer the others would have come.
    const asked = forbidden.map((request) => client.request(peer, request, patienceMs))
    const admission = await client.request(peer, new Uint8Array([serviceTag.admission, 0]), patienceMs)
    t.match(
      admission && decodeStatus(admission),
      { code: /.+/ },
      `epoch ${epoch}: it may ask for admission`,
    )
    await client.close()
    t.same(await Promise.all(asked), [null, null, null], `epoch ${epoch}: and hears nothing else`)
  }
})

t.test('services ask at each request whether the chain lists this peer', async (t) => {
  let isListed = false
  const bytes = new Uint8Array([1])
  const services = createNodeServices({
    isApplicant: () => false,
    isListed: () => isListed,
    submit: async () => ({ code: 'OK', detail: '' }),
    genesis: async () => bytes,
    snapshot: async () => bytes,
    chainId: new Uint8Array(32),
    read: () => bytes,
  })
  const from = { peer: '11'.repeat(32), hello: {} as never, isApplicant: false }
  for (const request of forbidden) t.equal(await services.request(from, request), null, 'not listed')
  isListed = true
  for (const request of forbidden) t.ok(await services.request(from, request), 'listed')
})
