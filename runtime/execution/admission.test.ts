// What makes a transaction, or a whole block, invalid: every code, both sides of each limit.
import t from 'tap'
import fc from 'fast-check'
import {
  entityKind,
  foundingLaneTable,
  lane,
  laneIn,
  payloadBytesMax,
  priority,
  recordKind,
  sequenceJumpMax,
  sequenceWindow,
  transactionsPerBlockMax,
  validUntilAheadMsMax,
  type Transaction,
} from '../protocol/index.js'
import { MemoryState, Overlay } from '../state/index.js'
import { checkTransaction, laneFuelMax, LaneMeter, laneBytesMax } from './index.js'
import { signedFuelMax } from './admission.js'
import { checkSequence, SequenceBook } from './replay-window.js'
import { plainGovernance, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, borsh, observationOf, patientOf, ports, signerOf, World } from './world.fixture.js'
import { kernelCommandSchemas, type Schema } from '../protocol/index.js'

const lisa = patientOf('lisa')
const monitor = signerOf('monitor', entityKind.source)
const nurse = signerOf('nurse')
const stranger = signerOf('stranger')
const world = new World({ signers: [monitor, nurse], contracts: systemContracts })
world.block([world.append(monitor, [admissionOf(lisa)])])

const reading = (signer: typeof monitor, changes: Partial<Transaction> = {}): Uint8Array =>
  world.append(signer, [observationOf(lisa, '8867-4', 80)], changes)

function verdict(bytes: Uint8Array, time = world.time + 1_000, bundleBytes = bytes.length): string {
  const bundle = world.bundle(bytes)
  const at = { chainId: world.chainId, height: world.height + 1, time, parentTime: world.time }
  const checked = checkTransaction(world.chain, bundle, at, ports, { verifySignature: true, bundleBytes })
  return checked.ok ? 'OK' : checked.code
}

t.test('each refusal of a transaction has its code', async (t) => {
  const soon = world.time + 1_000
  t.equal(verdict(reading(monitor)), 'OK')
  t.equal(verdict(reading(monitor, { chainId: new Uint8Array(32) })), 'WRONG_CHAIN')
  t.equal(verdict(reading(stranger)), 'KEY_UNKNOWN')
  t.equal(verdict(reading(monitor, { sender: nurse.entity })), 'SENDER_MISMATCH')
  t.equal(verdict(reading(monitor, { validUntil: soon - 1 })), 'EXPIRED')
  t.equal(verdict(reading(monitor, { validUntil: soon })), 'OK')
  t.equal(verdict(reading(monitor, { validUntil: soon + validUntilAheadMsMax })), 'OK')
  t.equal(verdict(reading(monitor, { validUntil: soon + validUntilAheadMsMax + 1 })), 'VALID_TOO_LONG')
  t.equal(verdict(reading(monitor, { validUntil: undefined })), 'OK', 'a device need not know the time')
  t.equal(verdict(reading(nurse, { validUntil: undefined })), 'VALID_UNTIL_MISSING')
  const fuelLimit = laneFuelMax(lane.operational)
  t.equal(verdict(world.call(nurse, 'acme/any', 'go', new Uint8Array(0), { fuelLimit })), 'OK')
  t.equal(
    verdict(world.call(nurse, 'acme/any', 'go', new Uint8Array(0), { fuelLimit: fuelLimit + 1 })),
    'FUEL_LIMIT_TOO_HIGH',
  )
  const governing = (fuel: number): Uint8Array =>
    world.call(nurse, 'ward/governance', 'go', new Uint8Array(0), { fuelLimit: fuel })
  const large = signedFuelMax * 0.75
  t.equal(verdict(governing(large)), 'OK', 'one of the system lane leaves a quarter to emergencies')
  t.equal(verdict(governing(large + 1)), 'FUEL_LIMIT_TOO_HIGH')
  t.equal(verdict(governing(1), soon, payloadBytesMax * 0.75), 'OK')
  t.equal(verdict(governing(1), soon, payloadBytesMax * 0.75 + 1), 'TRANSACTION_TOO_LARGE')
  const share = laneBytesMax(lane.clinical)
  t.equal(verdict(reading(monitor), soon, share), 'OK')
  t.equal(verdict(reading(monitor), soon, share + 1), 'TRANSACTION_TOO_LARGE', 'it would wait for ever')
  t.equal(verdict(reading(monitor, { sequence: 1 })), 'SEQUENCE_REUSED')
  t.equal(verdict(reading(monitor, { sequence: 1, stream: 3 })), 'OK', 'streams are apart')
  t.equal(verdict(reading(monitor, { sequence: 1 + sequenceJumpMax })), 'OK')
  t.equal(verdict(reading(monitor, { sequence: 2 + sequenceJumpMax })), 'SEQUENCE_JUMP')
})

t.test('a forged or flipped signature is refused, and only that one', async (t) => {
  const bundle = world.bundle(reading(monitor))
  const at = {
    chainId: world.chainId,
    height: world.height + 1,
    time: world.time + 1,
    parentTime: world.time,
  }
  const check = (signature: Uint8Array): string => {
    const forged = { ...bundle, signed: { ...bundle.signed, signature } }
    const checked = checkTransaction(world.chain, forged, at, ports, {
      verifySignature: true,
      bundleBytes: 1_000,
    })
    return checked.ok ? 'OK' : checked.code
  }
  t.equal(check(bundle.signed.signature), 'OK')
  for (const bit of [0, 100, 255, 256, 511]) {
    const flipped = bundle.signed.signature.slice()
    flipped[bit >> 3] ^= 1 << (bit & 7)
    t.equal(check(flipped), 'SIGNATURE_INVALID', `bit ${bit}`)
  }
})

t.test('a revoked key is refused from the next block on', async (t) => {
  const own = new World({ signers: [monitor, nurse], contracts: systemContracts })
  const revoke = (keyId: Uint8Array): Uint8Array =>
    Buffer.concat([Buffer.from([5]), borsh(kernelCommandSchemas.get(5) as Schema, { keyId })])
  own.block([own.call(nurse, 'ward/governance', 'command', revoke(monitor.keyId))])
  const outcome = own.try([own.append(monitor, [admissionOf(lisa)])])
  t.same(outcome.ok ? 'OK' : outcome.code, 'KEY_REVOKED')
  t.ok(plainGovernance.code.length > 0)
})

t.test('each refusal of a block has its code', async (t) => {
  const code = (outcome: ReturnType<World['try']>): string => (outcome.ok ? 'OK' : outcome.code)
  const good = reading(monitor)
  t.equal(code(world.try([good])), 'OK')
  t.equal(code(world.try([good], { chainId: new Uint8Array(32) })), 'CHAIN_WRONG')
  t.equal(code(world.try([good], { version: 2 })), 'VERSION_UNKNOWN')
  t.equal(code(world.try([good], { appVersion: 9 })), 'VERSION_UNKNOWN')
  t.equal(code(world.try([good], { epoch: 1 })), 'VERSION_UNKNOWN')
  t.equal(code(world.try([good], { height: world.height })), 'HEIGHT_WRONG')
  t.equal(code(world.try([good], { height: world.height + 2 })), 'HEIGHT_WRONG')
  t.equal(code(world.try([good], { time: world.time })), 'TIME_NOT_LATER')
  t.equal(code(world.try([good], { time: world.time + 1 })), 'OK')
  t.equal(code(world.try([good], { validatorsHash: new Uint8Array(32) })), 'VALIDATORS_WRONG')
  t.equal(code(world.try([good, good])), 'SEQUENCE_REUSED', 'twice in one block')
  const { header } = world.propose([good])
  t.equal(code(world.try([], { transactionRoots: header.transactionRoots })), 'ROOTS_WRONG')
  t.equal(code(world.try([reading(stranger)])), 'KEY_UNKNOWN', 'one bad transaction spoils the block')
})

t.test('a payload that is not one, or in a wrong lane', async (t) => {
  const { executeBlock } = await import('./index.js')
  const { decodePayload, encodePayload } = await import('../protocol/index.js')
  const run = (input: ReturnType<World['propose']>): string => {
    const outcome = executeBlock(input, world.chain, world.cache, ports)
    return outcome.ok ? 'OK' : outcome.code
  }
  const proposed = world.propose([reading(monitor)])
  t.equal(run({ ...proposed, payload: new Uint8Array([1, 2]) }), 'PAYLOAD_MALFORMED')
  const payload = decodePayload(proposed.payload)
  if (!payload.ok) throw new Error(payload.code)
  const { lanes } = payload.value
  t.equal(run({ ...proposed, payload: encodePayload({ lanes: [lanes[2], [], [], [], []] }) }), 'LANE_WRONG')
  const torn = lanes[2][0].slice(0, -1)
  t.equal(
    run({ ...proposed, payload: encodePayload({ lanes: [[], [], [torn], [], []] }) }),
    'BUNDLE_MALFORMED',
  )
})

t.test('lanes have shares: a full lane never takes what is kept for those above', async (t) => {
  const meter = new LaneMeter()
  const bulk = laneFuelMax(lane.bulk)
  t.ok(meter.admit(lane.bulk, 10, bulk))
  t.notOk(meter.admit(lane.bulk, 10, 1), 'bulk is full')
  t.ok(meter.admit(lane.operational, 10, laneFuelMax(lane.operational) - bulk))
  t.notOk(meter.admit(lane.operational, 10, 1))
  t.ok(meter.admit(lane.clinical, 10, laneFuelMax(lane.clinical) - laneFuelMax(lane.operational)))
  t.notOk(meter.admit(lane.clinical, 10, 1))
  t.ok(meter.admit(lane.emergency, 10, laneFuelMax(lane.emergency) - laneFuelMax(lane.clinical)))
  t.notOk(meter.admit(lane.system, 10, 1), 'the block is full')
  const bytes = new LaneMeter()
  t.ok(bytes.admit(lane.clinical, laneBytesMax(lane.clinical), 0))
  t.notOk(bytes.admit(lane.clinical, 1, 0))
  t.ok(bytes.admit(lane.emergency, 1, 0))
})

t.test('the system lane leaves room for an emergency: in fuel, bytes and count', async (t) => {
  const fuelQuarter = signedFuelMax / 4
  const bytesQuarter = payloadBytesMax / 4
  const fuel = new LaneMeter()
  t.ok(fuel.admit(lane.system, 10, fuelQuarter - 1))
  t.notOk(fuel.admit(lane.system, 10, 2), 'over the quarter of the fuel')
  t.ok(fuel.admit(lane.system, 10, 1), 'to the unit')
  t.ok(fuel.admit(lane.emergency, 10, signedFuelMax - fuelQuarter), 'the rest is an emergency’s')
  const bytes = new LaneMeter()
  t.ok(bytes.admit(lane.system, bytesQuarter - 1, 1))
  t.notOk(bytes.admit(lane.system, 2, 1))
  t.ok(bytes.admit(lane.system, 1, 1))
  t.ok(bytes.admit(lane.emergency, payloadBytesMax - bytesQuarter, 1))
  const count = new LaneMeter()
  for (let index = 0; index < transactionsPerBlockMax / 4; index += 1) count.admit(lane.system, 1, 1)
  t.notOk(count.admit(lane.system, 1, 1), 'over the quarter of the count')
  t.ok(count.admit(lane.emergency, 1, 1))
})

t.test(
  'one large transaction of the system lane fits as its first, and an emergency beside it',
  async (t) => {
    const meter = new LaneMeter()
    t.notOk(meter.admit(lane.system, payloadBytesMax * 0.75 + 1, 1))
    t.notOk(meter.admit(lane.system, 1, signedFuelMax * 0.75 + 1))
    t.ok(meter.admit(lane.system, payloadBytesMax * 0.75, signedFuelMax * 0.75))
    t.notOk(meter.admit(lane.system, 1, 1), 'nothing more of its lane')
    t.ok(meter.admit(lane.emergency, payloadBytesMax / 4, signedFuelMax / 4))
    const second = new LaneMeter()
    t.ok(second.admit(lane.system, 1, 1))
    t.notOk(second.admit(lane.system, 1, signedFuelMax / 4), 'large, and not the first')
  },
)

t.test('a leader’s block that breaks the system lane’s bound is refused', async (t) => {
  const call = (fuelLimit: number): Uint8Array =>
    world.call(nurse, 'ward/policy', 'go', new Uint8Array(0), { fuelLimit })
  const half = signedFuelMax / 8
  const codeBlue = world.append(monitor, [observationOf(lisa, 'code-blue', 1)])
  const over = world.try([call(half), call(half + 1), codeBlue])
  t.equal(over.ok ? 'OK' : over.code, 'LANE_FULL')
  const late = world.try([call(1), call(signedFuelMax / 4), codeBlue])
  t.equal(late.ok ? 'OK' : late.code, 'LANE_FULL', 'a large one that is not the first')
  t.ok(world.try([call(half), call(half), codeBlue]).ok)
  t.ok(world.try([call(signedFuelMax * 0.75), codeBlue]).ok)
})

t.test('only persons and nodes have the system lane', async (t) => {
  const targets = ['ward/governance', 'ward/policy', 'ward/appliance']
  const laneFor = (kind: number): number[] =>
    targets.map((target) => {
      const { signed } = world.bundle(world.call(nurse, target, 'go', new Uint8Array(0)))
      return laneIn(foundingLaneTable, signed.transaction, { kind, priority: priority.urgent })
    })
  for (const kind of [entityKind.person, entityKind.node]) t.same(laneFor(kind), [0, 0, 0])
  for (const kind of [entityKind.source, entityKind.gateway, entityKind.vendor, entityKind.service])
    t.same(laneFor(kind), [3, 3, 3])
})

t.test('a block whose operational calls reserve too much is refused', async (t) => {
  const fuelLimit = laneFuelMax(lane.operational)
  const calls = [1, 2].map(() => world.call(nurse, 'acme/any', 'go', new Uint8Array(0), { fuelLimit }))
  const both = world.try(calls)
  t.equal(both.ok ? 'OK' : both.code, 'LANE_FULL')
  t.ok(world.try([calls[0]]).ok)
  t.equal(recordKind.observation, 2)
})

t.test('the replay window agrees with a set of used sequences', async (t) => {
  const keyId = new Uint8Array(16)
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -1_200, max: 1_500 }), { maxLength: 60 }), (steps) => {
      const overlay = new Overlay(new MemoryState())
      const used = new Set<number>()
      let book = new SequenceBook(overlay)
      let highest = -1
      for (const step of steps) {
        const sequence = Math.max(0, highest + step)
        const expected =
          highest >= 0 && sequence <= highest - sequenceWindow
            ? 'SEQUENCE_TOO_OLD'
            : used.has(sequence)
              ? 'SEQUENCE_REUSED'
              : 'OK'
        if (book.check(keyId, 1, sequence) !== expected) return false
        if (book.use(keyId, 1, sequence) !== expected) return false
        if (step % 3 === 0) {
          // A block ends: its windows are written, and the next one begins with the rows.
          book.flush(overlay)
          book = new SequenceBook(overlay)
          const next = Math.max(0, sequence + 1)
          if (checkSequence(overlay, keyId, 1, next) !== book.check(keyId, 1, next)) return false
        }
        if (expected === 'OK') {
          used.add(sequence)
          highest = Math.max(highest, sequence)
        }
      }
      return true
    }),
  )
  t.pass()
})

t.test('no single message locks a key out', async (t) => {
  const overlay = new Overlay(new MemoryState())
  const keyId = new Uint8Array(16)
  t.equal(checkSequence(overlay, keyId, 0, sequenceJumpMax - 1), 'OK')
  t.equal(checkSequence(overlay, keyId, 0, sequenceJumpMax), 'SEQUENCE_JUMP')
  const book = new SequenceBook(overlay)
  t.equal(book.use(keyId, 0, sequenceJumpMax - 1), 'OK')
  t.equal(book.use(keyId, 0, sequenceJumpMax), 'OK', 'the stream goes on')
  book.flush(overlay)
  t.equal(checkSequence(overlay, keyId, 0, sequenceJumpMax), 'SEQUENCE_REUSED')
})
