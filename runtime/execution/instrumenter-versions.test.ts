// Instrumenters are numbered and the state names one: with a second one beside the first, a chain switches at
// a height, old blocks run again under their own, and the cache keeps the modules of both.
import t from 'tap'
import { fuelScheduleV3, instrument, prepareModule, type Instrumenter } from '../module/index.js'
import { admin, command, deployment, Journal, statuses, vendor } from './fuel-versions.fixture.js'
import {
  chainRow,
  contractPolicy,
  createModuleCache,
  decodeRow,
  executeBlock,
  newestVersions,
  onlyKey,
  store,
  type ChainRow,
} from './index.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  systemContracts,
  type TestContract,
} from './test-contracts.fixture.js'
import { hex, ports, World } from './world.fixture.js'

/** A thousand turns of four plain instructions and a branch, behind two plain ones. */
const looping = (alias: string, turns = 1_000): TestContract =>
  contractOf(
    { alias, methods: methodsOf({ go: 'call' }) },
    `(func (export "go") (local $n i32) (local.set $n (i32.const ${turns}))
       (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`,
  )

/** What a later release might ship: a plain instruction is charged threefold. Counts what each rewrites. */
function twoInstrumenters(): { known: Map<number, Instrumenter>; rewritten: [number, number] } {
  const rewritten: [number, number] = [0, 0]
  const first: Instrumenter = (module, facts, options) => {
    rewritten[0] += 1
    return instrument(module, facts, options)
  }
  const second: Instrumenter = (module, facts, { schedule, ...options }) => {
    rewritten[1] += 1
    return instrument(module, facts, { ...options, schedule: { ...schedule, plain: 3 * schedule.plain } })
  }
  return {
    known: new Map([
      [1, first],
      [2, second],
    ]),
    rewritten,
  }
}

const instrumenterOf = ({ chain }: World): number => {
  const row = chain.get(store.chain, onlyKey)
  return row === undefined ? 0 : decodeRow<ChainRow>(chainRow, row).instrumenter
}

t.test('a switch of instrumenter at a height: each block runs under the one of its time', async (t) => {
  const { known, rewritten } = twoInstrumenters()
  const cache = createModuleCache(known)
  const contracts = [...systemContracts, genesisContract(looping('acme/loop'))]
  const world = new World({ signers: [admin, vendor], contracts, cache })
  const { fuelSchedule } = newestVersions
  const journal = new Journal(world)
  const go = (alias = 'acme/loop'): number =>
    journal.step([world.call(admin, alias, 'go')]).receiptsDecoded[0].fuelUsed
  const old = go()
  const [height, body] = [BigInt(world.height + 3), { fuelSchedule, instrumenter: 2 }]
  t.same(statuses(journal.step([command(world, 'setFuelSchedule', { ...body, height })])), ['OK'])
  t.same([go(), instrumenterOf(world)], [old, 2], 'until then as before; the state names the next one')
  t.equal(rewritten[1], 0)
  const atSwitch = world.propose([world.call(admin, 'acme/loop', 'go')])
  t.throws(() => executeBlock(atSwitch, world.chain, createModuleCache(), ports), {
    code: 'ENGINE_DISAGREES',
  })
  t.equal(go(), old + 2 * (2 + 4 * 1_000), 'from that height on by the second')
  // Deployed under it, and run by its address.
  const later = looping('acme/later', 2_000)
  const deployed = journal.step([deployment(world, later)])
  t.same(statuses(deployed), ['OK'])
  const row = deployed.writeSet.state.find(({ store }) => store === '$code')
  const address = hex((row?.key as Uint8Array).slice(-32))
  const prepared = prepareModule(later.code, contractPolicy, fuelScheduleV3, known.get(2))
  const { load, loadByte } = fuelScheduleV3
  const loading = prepared.ok ? load + loadByte * later.code.length + prepared.value.loadPrice : 0
  t.equal(go(address) - loading, old + 6 * 1_000 + 2 * (2 + 4 * 2_000))
  const [first, second] = rewritten
  t.same(journal.differing(cache), [])
  t.same([...rewritten], [first, second + 1], 'the cache kept both; a deployment is checked anew')
  t.same(journal.differing(createModuleCache(known)), [], 'a cold cache rewrites again')
  t.ok(rewritten[0] > first && rewritten[1] > second + 2)
  // Were the numbers not looked at, every block of the first one would come out otherwise.
  const newer = known.get(2) as Instrumenter
  const mixed = createModuleCache(new Map([1, 2].map((version) => [version, newer])))
  t.same(journal.differing(mixed), [3, 2, 1], 'the blocks before the switch')
})

t.test('a founding document names its instrumenter, or the chain begins under the first', async (t) => {
  const { known } = twoInstrumenters()
  const contracts = [...systemContracts, genesisContract(looping('acme/loop'))]
  const run = (instrumenter?: number): number[] => {
    const cache = createModuleCache(known)
    const world = new World({ signers: [admin], contracts, cache, instrumenter })
    const { fuelUsed } = world.block([world.call(admin, 'acme/loop', 'go')]).receiptsDecoded[0]
    return [instrumenterOf(world), fuelUsed]
  }
  const [first, unnamed, second] = [run(1), run(), run(2)]
  t.same(unnamed, first, 'whatever newer ones this software has')
  t.same(second, [2, first[1] + 2 * (2 + 4 * 1_000)])
  t.throws(
    () => new World({ signers: [admin], contracts, instrumenter: 2 }),
    /GENESIS_REFUSED fuel schedule 3 or instrumenter 2 is not known here/,
  )
})
