// The same blocks give the same bytes: golden vectors, traces on and off, cold and warm.
import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { bytesToHex, codeOfStatus, entityKind, recordKind } from '../protocol/index.js'
import { createModuleCache, type ExecutedBlock, type TraceEvent } from './index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, observationOf, patientOf, signerOf, World, type Signer } from './world.fixture.js'

/** Under each fuel schedule: chains that began under the first go on replaying. */
const vectorFiles = ['blocks', 'blocks-2', 'blocks-3'].map(
  (name) => `runtime/execution/vectors/${name}.json`,
)
const [lisa, otto] = ['lisa', 'otto'].map(patientOf)

const raising = contractOf(
  {
    alias: 'acme/raise',
    subscriptions: [{ kind: recordKind.observation, codes: ['8867-4'], method: 'onPulse', priority: 10 }],
    methods: methodsOf({ onPulse: 'record' }),
  },
  `(func (export "onPulse") (call $input_read (i32.const 1024))
     (call $state_set (i32.const 1) (i32.const 1024) (i32.const 16) (i32.const 1040) (i32.const 32))
     (call $explain (i32.const 1024) (i32.const 16))
     (drop (call $alert_raise (i32.const 1024) (i32.const 16))))`,
)

interface Scene {
  world: World
  monitor: Signer
}

/** Governs, so that its call goes before the monitor's records. */
const nurse = signerOf('nurse')

function found(fuelSchedule?: number): Scene {
  const monitor = signerOf('monitor', entityKind.source)
  return {
    monitor,
    world: new World({
      signers: [monitor, nurse],
      ...(fuelSchedule === undefined ? {} : { fuelSchedule }),
      contracts: [...systemContracts, genesisContract(raising)],
    }),
  }
}

/** A few blocks that touch most of the kernel. */
const blocks: ((scene: Scene) => Uint8Array[])[] = [
  ({ world, monitor }) => [world.append(monitor, [admissionOf(lisa), admissionOf(otto)])],
  ({ world, monitor }) => [
    world.append(monitor, [observationOf(lisa, '8867-4', 130), observationOf(otto, '8867-4', 120)]),
    world.append(monitor, [observationOf(lisa, '8310-5', 386, { scale: 1, unit: 'Cel' })]),
  ],
  ({ world, monitor }) => [
    world.call(nurse, 'ward/policy', 'forbid', monitor.entity),
    world.append(monitor, [observationOf(lisa, '8867-4', 131)]),
  ],
  () => [],
]

const summaryOf = ({
  result,
  receiptsDecoded,
  records,
}: Omit<ExecutedBlock, 'ok'>): Record<string, unknown> => ({
  stateRoot: bytesToHex(result.stateRoot),
  receiptsRoot: bytesToHex(result.receiptsRoot),
  fuelUsed: result.fuelUsed,
  nextDueTime: result.nextDueTime,
  receipts: receiptsDecoded.map(({ status, fuelUsed }) => `${codeOfStatus(status)} ${fuelUsed}`),
  records: records.map(({ id }) => bytesToHex(id)),
})

t.test('golden vectors: roots, fuel and ids of a small chain', async (t) => {
  for (const [index, vectorFile] of vectorFiles.entries()) {
    const scene = found(index + 1)
    for (const signer of [scene.monitor, nurse]) signer.nextSequence = 1
    const made = [summaryOf(scene.world.genesis)]
    for (const block of blocks) made.push(summaryOf(scene.world.block(block(scene))))
    if (process.env['WRITE_VECTORS'] === '1')
      writeFileSync(vectorFile, `${JSON.stringify(made, undefined, 2)}\n`)
    t.same(made, JSON.parse(readFileSync(vectorFile, 'utf8')), vectorFile)
  }
})

t.test('tracing changes nothing and tells frames, host calls and fuel', async (t) => {
  const scene = found()
  scene.world.block(blocks[0](scene))
  const bundles = blocks[1](scene)
  const events: TraceEvent[] = []
  const plain = scene.world.try(bundles)
  const traced = scene.world.try(bundles, {}, { trace: (event) => events.push(event) })
  if (!plain.ok || !traced.ok) throw new Error('an invalid block')
  t.same(summaryOf(traced), summaryOf(plain))
  const frames = events.filter((event) => event.type === 'frame')
  t.ok(frames.some(({ alias, depth }) => alias === 'ward/alerts' && depth === 1))
  t.equal(frames.length, events.filter(({ type }) => type === 'frame-end').length)
  const hosts = events.filter((event) => event.type === 'host').map(({ name }) => name)
  t.ok(['alert_raise', 'record_emit', 'state_set'].every((name) => hosts.includes(name)))
  // The outermost frame's fuel is the receipt's.
  const [derived] = traced.receiptsDecoded.filter(({ cause }) => cause !== undefined)
  const end = events.find(
    (event) =>
      event.type === 'frame-end' &&
      event.depth === 0 &&
      bytesToHex(event.transactionId) === bytesToHex(derived.transactionId),
  )
  t.equal(end?.type === 'frame-end' && end.fuelUsed, derived.fuelUsed)
})

t.test('executing twice, cold or warm, leaves the parent as it is and gives equal bytes', async (t) => {
  const scene = found()
  scene.world.block(blocks[0](scene))
  const bundles = blocks[1](scene)
  const root = bytesToHex(scene.world.chain.tree.root)
  const outcomes = [0, 1, 2].map((round) => {
    if (round === 2) scene.world.cache = createModuleCache()
    const outcome = scene.world.try(bundles)
    if (!outcome.ok) throw new Error(outcome.code)
    const { writeSet, receipts } = outcome
    return JSON.stringify([
      summaryOf(outcome),
      receipts.map(bytesToHex),
      writeSet.state.map(({ store, key, value }) => [store, bytesToHex(key), value && bytesToHex(value)]),
    ])
  })
  t.equal(new Set(outcomes).size, 1)
  t.equal(bytesToHex(scene.world.chain.tree.root), root)
})
