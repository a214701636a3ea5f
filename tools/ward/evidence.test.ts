// Whoever reads `ward network evidence` need not believe the node that answered: the bytes say it.
import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/index.js'
import { signingBytes, type SignedMessage } from '../../consensus/pbft/index.js'
import type { EquivocationJson } from '../../host/api/network-json.js'
import { generateSigningKey, sha256, signDetached } from '../../host/keys/crypto.js'
import { isGenuine } from './evidence.js'

const key = generateSigningKey()
const filled = (value: number): Uint8Array => new Uint8Array(32).fill(value)
const chainId = filled(3)
const at = { epoch: 1, height: 7, view: 2, sender: filled(9), signature: new Uint8Array(0) }
const vote = (result: number, over = {}): SignedMessage => ({
  ...{ ...at, type: 'prepare', blockHash: filled(1), resultHash: filled(result) },
  ...over,
})
const beat = (block: number, over = {}): SignedMessage => ({
  ...{ ...at, type: 'heartbeat', blockHash: filled(block), resultHash: filled(2), time: 5 },
  ...over,
})

function told(first: SignedMessage, second: SignedMessage): EquivocationJson {
  const [one, other] = [first, second].map((message) => signingBytes(message, chainId, sha256))
  const { type: phase, epoch, height, view } = first
  return {
    ...{ accused: bytesToHex(at.sender), key: bytesToHex(key.publicKey), phase, epoch, height, view },
    ...{ reporter: '', keptAt: 8 },
    ...{ first: bytesToHex(one), firstSignature: bytesToHex(signDetached(key, one)) },
    ...{ second: bytesToHex(other), secondSignature: bytesToHex(signDetached(key, other)) },
  }
}

const holds = (proof: EquivocationJson, chain = chainId): boolean => isGenuine(proof, bytesToHex(chain))

t.test('a proof holds by its bytes', async (t) => {
  t.ok(holds(told(vote(1), vote(2))))
  t.ok(holds(told(vote(1, { type: 'commit' }), vote(2, { type: 'commit' }))))
  t.ok(holds(told(beat(1), beat(2, { view: 9, time: 6 }))), 'one final block at a height, in any view')
})

t.test('two honest messages are no proof, whatever the node says of them', async (t) => {
  for (const elsewhere of [{ height: 8 }, { view: 3 }, { epoch: 2 }, { type: 'commit' }])
    t.notOk(holds(told(vote(1), vote(2, elsewhere))), JSON.stringify(elsewhere))
  t.notOk(holds(told(vote(1), vote(1))))
  t.notOk(holds(told(beat(1), beat(1, { time: 6 }))), 'the next heartbeat of the same block')
})

t.test('nor is a proof told as another one', async (t) => {
  const proof = told(vote(1), vote(2))
  t.notOk(holds(proof, filled(4)), 'of another chain')
  for (const lie of [{ phase: 'commit' }, { epoch: 0 }, { height: 8 }, { view: 0 }])
    t.notOk(holds({ ...proof, ...lie }), JSON.stringify(lie))
  t.notOk(holds({ ...proof, secondSignature: proof.firstSignature }))
  t.notOk(holds({ ...proof, key: bytesToHex(generateSigningKey().publicKey) }))
  t.notOk(holds({ ...proof, second: `${proof.second}00` }))
})
