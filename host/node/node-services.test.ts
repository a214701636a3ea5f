// What a ticket's holder gets passed on by a node: its own redeemTicket, and nothing else.
import t from 'tap'
import { bytesToHex, entityIdOf, type NodeCardFields } from '../../runtime/protocol/index.js'
import { admissionBundle, type Ticket } from '../founding/ticket.js'
import { generateSigningKey, seedOf, sha256, type SigningKey } from '../keys/crypto.js'
import { createNodeServices, decodeStatus, serviceTag } from './node-services.js'
import { draftCall, payloadOf, signBundle } from './transaction-builder.js'

const chainId = new Uint8Array(32).fill(3)

function ticketOf(key: SigningKey): Ticket {
  const expires = Date.now() + 60_000
  const secret = new Uint8Array(seedOf(key))
  return { chainId, chainName: 'Test', epoch: 0, role: 'observer', expires, secret, peers: [] }
}

/** What `ward join` sends. */
function redeem(key: SigningKey): Uint8Array {
  const vote = generateSigningKey()
  const transportKey = new Uint8Array(32).fill(7)
  const place = { host: '127.0.0.1', port: 0 }
  const card: NodeCardFields = { name: 'w', role: 1, voteKey: vote.publicKey, transportKey, ...place }
  return admissionBundle({ ticket: ticketOf(key), key, card, vote, now: Date.now() })
}

function otherCall(key: SigningKey, target: string, method: string): Uint8Array {
  const draft = draftCall(target, method, new Uint8Array(8), [])
  const sender = { chainId, entity: entityIdOf(sha256, key.publicKey), publicKey: key.publicKey }
  const terms = { stream: 0, sequence: 0, validUntil: Date.now() + 60_000, fuelLimit: 1_000 }
  return signBundle(payloadOf(sender, draft, terms), draft, key)
}

t.test('a ticket passes its own admission and nothing else', async (t) => {
  const ticket = generateSigningKey()
  const passed: Uint8Array[] = []
  const services = createNodeServices({
    chainId,
    isApplicant: () => true,
    isListed: () => true,
    submit: async (bundle) => {
      passed.push(bundle)
      return { code: 'OK', detail: '' }
    },
    genesis: async () => new Uint8Array(1),
    snapshot: async () => new Uint8Array(1),
    read: () => new Uint8Array(1),
  })
  const ask = async (bundle: Uint8Array, isApplicant = true, tag: number = serviceTag.admission) => {
    const from = { peer: bytesToHex(ticket.publicKey), hello: {} as never, isApplicant }
    const answer = await services.request(from, new Uint8Array([tag, ...bundle]))
    return answer === null ? null : decodeStatus(answer)?.code
  }
  t.equal(await ask(redeem(ticket)), 'OK')
  t.equal(passed.length, 1)
  for (const [target, method] of [
    ['ward/governance', 'issueTicket'],
    ['ward/appliance', 'redeemTicket'],
    ['ward/policy', 'grant'],
  ])
    t.equal(await ask(otherCall(ticket, target, method)), 'TICKET_REFUSED', `${target} ${method}`)
  t.equal(await ask(redeem(generateSigningKey())), 'TICKET_REFUSED', "another ticket's")
  t.equal(await ask(new Uint8Array(100)), 'BUNDLE_MALFORMED')
  t.equal(await ask(new Uint8Array(4_097)), 'TRANSACTION_TOO_LARGE')
  t.equal(await ask(redeem(ticket), false), null, 'a listed node has the pool')
  t.equal(await ask(new Uint8Array(0), true, serviceTag.genesis), null, 'and nothing of the chain')
  t.equal(passed.length, 1, 'nothing else was passed on')
})
