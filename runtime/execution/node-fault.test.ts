// What is this node's fault is never a transaction's result: no outcome, no receipt, an exception with a
// code.
import t from 'tap'
import { entityKind, recordKind } from '../protocol/index.js'
import { decodeRow, encodeRow, chainRow, NodeFault, onlyKey, store, type ChainRow } from './index.js'
import { createModuleCache } from './index.js'
import { encodePointKey } from '../state/index.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, observationOf, patientOf, signerOf, World } from './world.fixture.js'

const lisa = patientOf('lisa')
const monitor = signerOf('monitor', entityKind.source)
const reader = contractOf(
  {
    alias: 'acme/reader',
    reads: [{ kind: recordKind.observation, codes: [] }],
    subscriptions: [{ kind: recordKind.observation, codes: [], method: 'on', priority: 1 }],
    methods: methodsOf({ on: 'record' }),
  },
  `(func (export "on") (call $input_read (i32.const 0))
     (drop (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const -1) (i32.const 9))))`,
)

function found(): World {
  const world = new World({ signers: [monitor], contracts: [...systemContracts, genesisContract(reader)] })
  world.block([world.append(monitor, [admissionOf(lisa), observationOf(lisa, 'a', 1)])])
  return world
}

const faultOf = (run: () => unknown): string => {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof NodeFault ? error.code : String(error)
  }
}

t.test('a body that the state counts on is missing', async (t) => {
  const world = found()
  world.chain.bodies.clear()
  t.equal(
    faultOf(() => world.try([world.append(monitor, [observationOf(lisa, 'a', 2)])])),
    'BODY_MISSING',
  )
})

t.test('a deployed module or manifest is missing', async (t) => {
  const world = found()
  world.chain.attachments.clear()
  world.cache = createModuleCache()
  t.equal(
    faultOf(() => world.try([world.append(monitor, [observationOf(lisa, 'a', 2)])])),
    'ATTACHMENT_MISSING',
  )
})

t.test('the state is under a fuel schedule or instrumenter that this node does not know', async (t) => {
  for (const change of [{ fuelSchedule: 99 }, { instrumenter: 99 }]) {
    const world = found()
    const row = decodeRow<ChainRow>(chainRow, world.chain.get(store.chain, onlyKey) as Uint8Array)
    const value = encodeRow(chainRow, { ...row, ...change })
    world.chain.state.apply({
      state: [{ store: store.chain, key: encodePointKey(onlyKey), value }],
      index: [],
    })
    t.equal(
      faultOf(() => world.try([world.append(monitor, [observationOf(lisa, 'a', 2)])])),
      'ENGINE_DISAGREES',
    )
  }
})

t.test('a module that is stored is no longer what was deployed', async (t) => {
  const world = found()
  for (const key of world.chain.attachments.keys()) {
    if (world.chain.attachments.get(key)?.[0] === 0)
      world.chain.attachments.set(key, new Uint8Array([0, 1, 2]))
  }
  world.cache = createModuleCache()
  t.equal(
    faultOf(() => world.try([world.append(monitor, [observationOf(lisa, 'a', 2)])])),
    'ENGINE_DISAGREES',
  )
})
