// Credit: golden arithmetic, refusals of blocks whoever leads, grants, overdrafts and lanes by table.
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import fc from 'fast-check'
import {
  bytesToHex,
  codeOfStatus,
  encodePayload,
  entityKind,
  foundingLaneTable,
  kernelCommandSchemas,
  kernelCommandTag,
  lane,
  laneCount,
  priority,
  transactionRoots,
  type LaneTable,
  type Schema,
} from '../protocol/index.js'
import {
  availableCredit,
  CreditBook,
  creditMax,
  encodeCreditRow,
  overdraftOf,
  readCredit,
  retryAfterMs,
  termsOf,
  type CreditRow,
} from './credit.js'
import { executeBlock, type BlockOutcome } from './index.js'
import { systemContracts } from './test-contracts.fixture.js'
import {
  admissionOf,
  borsh,
  observationOf,
  patientOf,
  ports,
  sha256,
  signerOf,
  World,
  type Signer,
} from './world.fixture.js'

const vectorFile = 'runtime/execution/vectors/credit.json'
const lisa = patientOf('lisa')
const fuelOfCall = 450_000_000

const terms = { burst: 1_000_000, perSecond: 1_000 }
const rows: (CreditRow | undefined)[] = [
  undefined,
  { left: 1_000_000, time: 5_000 },
  { left: 0, time: 5_000 },
  { left: -250_000, time: 5_000 },
  { left: 999_999, time: 0 },
  { left: 2_000_000, time: 5_000 },
]
const times = [
  { parentTime: 5_000, time: 5_001 },
  { parentTime: 5_000, time: 6_000 },
  { parentTime: 5_000, time: 60_000 },
  { parentTime: 1_260_000, time: 1_260_999 },
]

t.test('golden vectors: what comes back, and rows byte by byte', async (t) => {
  const made = {
    available: rows.map((row) => times.map((at) => availableCredit(terms, row, at))),
    retryAfterMs: [0, 1, 999_999, 1_000_000, 1_000_001].map(
      (cost) => retryAfterMs(terms, 500, cost) ?? null,
    ),
    rows: [
      encodeCreditRow({ left: -1, time: 1_700_000_000_000 }),
      encodeCreditRow({
        ...{ left: creditMax, time: 1 },
        granted: { burst: creditMax, perSecond: creditMax, priority: priority.urgent },
      }),
    ].map(bytesToHex),
    terms: Object.values(entityKind).map((kind) => ({ kind, ...termsOf(kind) })),
  }
  if (process.env['WRITE_VECTORS'] === '1')
    writeFileSync(vectorFile, `${JSON.stringify(made, undefined, 2)}\n`)
  t.same(made, JSON.parse(readFileSync(vectorFile, 'utf8')))
})

t.test(
  'credit stays an integer between overdraft and burst, and never comes back faster than its rate',
  async (t) => {
    const step = fc.record({
      gapMs: fc.integer({ min: 1, max: 5_000 }),
      cost: fc.integer({ min: 0, max: 400_000 }),
    })
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 100_000 }),
        fc.array(step, { maxLength: 40 }),
        (perSecond, steps) => {
          const own = { burst: 1_000_000, perSecond }
          let row: CreditRow | undefined
          let [time, spent] = [1_000_000, 0]
          const begin = time
          for (const { gapMs, cost } of steps) {
            const at = { parentTime: time, time: time + gapMs }
            time = at.time
            const available = availableCredit(own, row, at)
            if (!Number.isSafeInteger(available) || available > own.burst + perSecond) return false
            if (available - cost < -overdraftOf(own)) continue
            spent += cost
            const left = Math.min(own.burst, available - cost)
            if (cost > 0 && left < own.burst) row = { left, time }
          }
          const most = own.burst + overdraftOf(own) + Math.ceil(((time - begin) * perSecond) / 1_000)
          return spent <= most
        },
      ),
    )
    t.pass()
  },
)

t.test('the largest grant stays exact', async (t) => {
  const most = { burst: creditMax, perSecond: creditMax }
  const empty: CreditRow = { left: -overdraftOf(most), time: 0 }
  const late = { parentTime: 2 ** 52, time: 2 ** 52 + 1 }
  t.equal(availableCredit(most, empty, late), creditMax + Math.floor(creditMax / 1_000))
  const slow = { burst: creditMax, perSecond: 1 }
  t.equal(availableCredit(slow, empty, late), Math.floor(2 ** 52 / 1_000) - overdraftOf(slow))
  t.equal(retryAfterMs({ burst: 10, perSecond: 0 }, 3, 4), undefined, 'nothing ever comes back')
})

interface Scene {
  world: World
  nurse: Signer
  monitor: Signer
  service: Signer
}

function scene(): Scene {
  const nurse = signerOf('nurse')
  const monitor = signerOf('monitor', entityKind.source)
  const service = signerOf('service', entityKind.service)
  const world = new World({ signers: [nurse, monitor, service], contracts: systemContracts })
  world.block([world.append(nurse, [admissionOf(lisa)])])
  return { world, nurse, monitor, service }
}

const call = ({ world }: Scene, signer: Signer, fuelLimit = fuelOfCall): Uint8Array =>
  world.call(signer, 'ward/governance', 'command', new Uint8Array([99]), { fuelLimit })
const code = (outcome: BlockOutcome): string => (outcome.ok ? 'OK' : outcome.code)
const command = (tag: number, body: unknown): Uint8Array =>
  Buffer.concat([Buffer.from([tag]), borsh(kernelCommandSchemas.get(tag) as Schema, body)])

t.test('a block that spends more than its senders have is refused by every follower', async (t) => {
  const own = scene()
  const { world, monitor, nurse } = own
  const args = command(kernelCommandTag.grantCredit, {
    ...{ entity: monitor.entity, priority: priority.standard },
    ...{ burst: 950_000_000n, perSecond: 20_000_000n },
  })
  world.block([world.call(nurse, 'ward/governance', 'command', args)])
  const two = [call(own, monitor), call(own, monitor)]
  t.equal(code(world.try(two)), 'OK', 'within the burst')
  const third = call(own, monitor, 90_000_000)
  const refused = world.try([...two, third])
  t.equal(code(refused), 'CREDIT_EXHAUSTED')
  t.match(refused.ok ? '' : refused.detail, /: retry in \d+ ms$/, 'and says when')
  t.equal(code(world.try([call(own, nurse), call(own, monitor)])), 'OK', 'its neighbour is not touched')
})

t.test('unused fuel is given back after the block; bytes and checks are not', async (t) => {
  const own = scene()
  const { world, monitor, nurse } = own
  world.block([call(own, monitor), call(own, monitor)])
  t.equal(readCredit(world.chain, monitor.entity), undefined, 'what it used came back within the interval')
  t.equal(readCredit(world.chain, nurse.entity), undefined, 'a sender of ordinary pace has no row')
  const bundles = Array.from({ length: 400 }, () =>
    world.append(monitor, [observationOf(lisa, '8867-4', 80)]),
  )
  world.block(bundles)
  const row = readCredit(world.chain, monitor.entity)
  t.ok(row !== undefined && row.left < termsOf(entityKind.source).burst)
  t.equal(row?.time, world.time)
})

t.test('a grant changes the allowance from the next block on, and says who is urgent', async (t) => {
  const own = scene()
  const { world, nurse, monitor } = own
  const grant = (burst: number, perSecond: number, urgency: number): Uint8Array =>
    command(kernelCommandTag.grantCredit, {
      ...{ entity: monitor.entity, priority: urgency },
      ...{ burst: BigInt(burst), perSecond: BigInt(perSecond) },
    })
  const ask = (args: Uint8Array): string => {
    const { receiptsDecoded } = world.block([world.call(nurse, 'ward/governance', 'command', args)])
    return `${codeOfStatus(receiptsDecoded[0].status)} ${receiptsDecoded[0].detail ?? ''}`.trim()
  }
  t.equal(ask(grant(1_000_000, 0, priority.standard)), 'OK')
  const reading = (): Uint8Array => world.append(monitor, [observationOf(lisa, '8867-4', 80)])
  t.equal(code(world.try([reading()])), 'OK')
  const four = [reading(), reading(), reading(), reading()]
  const refused = world.try(four)
  t.equal(code(refused), 'CREDIT_EXHAUSTED')
  t.match(refused.ok ? '' : refused.detail, /no credit comes back/)
  t.equal(ask(grant(100_000, 10, priority.standard)), 'OK')
  t.equal(code(world.try([reading()])), 'CREDIT_TOO_SMALL')
  t.equal(ask(grant(4_000_000_000, 1_000_000, priority.urgent)), 'OK')
  t.equal(laneOfLast(world, reading()), lane.emergency, 'vital signs of an urgent monitor')
  t.equal(ask(grant(4_000_000_000, 1_000_000, priority.restricted)), 'OK')
  const blue = world.append(monitor, [observationOf(lisa, 'code-blue', 1)])
  t.equal(laneOfLast(world, blue), lane.clinical, 'a stuck sensor has no emergencies')
  t.match(ask(grant(creditMax + 1, 1, 1)), /^ARGUMENT_INVALID/)
  t.match(ask(grant(1, creditMax + 1, 1)), /^ARGUMENT_INVALID/)
  t.match(ask(grant(1, 1, 3)), /^ARGUMENT_INVALID/)
  const stranger = { entity: sha256(lisa), burst: 1n, perSecond: 1n, priority: 1 }
  t.match(ask(command(kernelCommandTag.grantCredit, stranger)), /^ENTITY_UNKNOWN/)
})

function laneOfLast(world: World, bundle: Uint8Array): number {
  const { payload, header } = world.propose([bundle])
  t.ok(executeBlock({ header, payload }, world.chain, world.cache, ports).ok)
  return header.transactionRoots.findIndex((root) => bytesToHex(root) !== bytesToHex(emptyRoot))
}
const [emptyRoot] = transactionRoots(
  sha256,
  Array.from({ length: laneCount }, () => []),
)

t.test('an emergency overdraws to a bound, and its receipt says so', async (t) => {
  const own = scene()
  const { world, nurse, monitor } = own
  const args = command(kernelCommandTag.grantCredit, {
    ...{ entity: monitor.entity, priority: priority.standard, burst: 2_000_000n, perSecond: 0n },
  })
  world.block([world.call(nurse, 'ward/governance', 'command', args)])
  const blue = (): Uint8Array => world.append(monitor, [observationOf(lisa, 'code-blue', 1)])
  const events: string[] = []
  let outcome = world.try([])
  for (let count = 0; outcome.ok && count < 20; count += 1) {
    const bundle = blue()
    outcome = world.try([bundle])
    if (!outcome.ok) break
    const { receiptsDecoded } = world.block([bundle])
    events.push(receiptsDecoded[0].events.map(({ topic }) => topic).join())
  }
  t.equal(code(outcome), 'CREDIT_EXHAUSTED', 'a stuck sensor ends at its bound')
  const overdrawn = events.filter((topics) => topics.includes('credit-overdrawn')).length
  t.ok(overdrawn > 0 && overdrawn < events.length, 'first its own credit, then the overdraft')
  t.equal(events.indexOf('credit-overdrawn'), events.length - overdrawn)
  const left = readCredit(world.chain, monitor.entity)?.left ?? 0
  t.ok(left < 0 && left >= -overdraftOf({ burst: 2_000_000, perSecond: 0 }))
  const reading = world.append(monitor, [observationOf(lisa, '8867-4', 80)])
  t.equal(code(world.try([reading])), 'CREDIT_EXHAUSTED', 'nothing else of it goes on')
})

t.test('a leader cannot put a transaction into another lane than the table says', async (t) => {
  const { world, monitor, service } = scene()
  const bulk = world.append(service, [observationOf(lisa, '8867-4', 80)])
  const blue = world.append(monitor, [observationOf(lisa, 'code-blue', 1)])
  const inLane = (bundle: Uint8Array, of: number): string => {
    const lanes: Uint8Array[][] = Array.from({ length: laneCount }, () => [])
    lanes[of].push(bundle)
    const roots = transactionRoots(
      sha256,
      lanes.map((group) => group.map((bytes) => world.bundle(bytes).signed.bytes)),
    )
    const { header } = world.propose([], { transactionRoots: roots })
    return code(
      executeBlock({ header, payload: encodePayload({ lanes }) }, world.chain, world.cache, ports),
    )
  }
  const all = [0, 1, 2, 3, 4]
  t.same(
    all.map((of) => inLane(bulk, of)),
    ['LANE_WRONG', 'LANE_WRONG', 'LANE_WRONG', 'LANE_WRONG', 'OK'],
  )
  t.same(
    all.map((of) => inLane(blue, of)),
    ['LANE_WRONG', 'OK', 'LANE_WRONG', 'LANE_WRONG', 'LANE_WRONG'],
  )
})

t.test('governance changes the table of lanes; a table that is none is refused', async (t) => {
  const { world, nurse, monitor } = scene()
  const set = (table: LaneTable): string => {
    const args = command(kernelCommandTag.setLanes, table)
    const { receiptsDecoded } = world.block([world.call(nurse, 'ward/governance', 'command', args)])
    return codeOfStatus(receiptsDecoded[0].status) ?? ''
  }
  const row = { kind: 2, code: '8867-4', senders: 0xffff, priority: 0, lane: lane.emergency as number }
  const { calls } = foundingLaneTable
  t.equal(laneOfLast(world, world.append(monitor, [observationOf(lisa, '8867-4', 80)])), lane.clinical)
  t.equal(set({ records: [row], calls }), 'OK')
  t.equal(laneOfLast(world, world.append(monitor, [observationOf(lisa, '8867-4', 80)])), lane.emergency)
  t.equal(laneOfLast(world, world.append(monitor, [observationOf(lisa, '8310-5', 80)])), lane.operational)
  t.equal(set({ records: [{ ...row, lane: 5 }], calls }), 'ARGUMENT_INVALID')
  t.equal(set({ records: [{ ...row, priority: 3 }], calls }), 'ARGUMENT_INVALID')
  t.equal(set({ records: [{ ...row, code: 'x'.repeat(65) }], calls }), 'ARGUMENT_INVALID')
  t.equal(set({ records: Array.from({ length: 129 }, () => row), calls: [] }), 'ARGUMENT_INVALID')
  t.equal(set({ records: Array.from({ length: 128 }, () => row), calls }), 'OK', 'on the edge')
})

t.test('a book never gives back more than was reserved', async (t) => {
  const { world, nurse } = scene()
  const book = new CreditBook(world.chain, { parentTime: world.time, time: world.time + 1 })
  t.equal(book.reserve(nurse.entity, nurse.kind, lane.clinical, 10), 'ok')
  t.throws(() => book.giveBack(nurse.entity, 11), /only reserved credit/)
})
