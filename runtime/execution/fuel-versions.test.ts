// Fuel schedules are state: governance switches them at a height, and old blocks replay under their own.
import t from 'tap'
import { codeOfStatus, contractAddress, entityKind, type Manifest } from '../protocol/index.js'
import { fuelScheduleV1, fuelScheduleV2, fuelScheduleV3, prepareModule } from '../module/index.js'
import { admin, command, deployment, Journal, statuses, switchAt, vendor } from './fuel-versions.fixture.js'
import {
  contractPolicy,
  createModuleCache,
  executeBlock,
  newestVersions,
  type ExecutedBlock,
} from './index.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  plainGovernance,
  systemContracts,
  type TestContract,
} from './test-contracts.fixture.js'
import { hostPricesV1, hostPricesV2 } from './host-prices.js'
import { admissionOf, hex, patientOf, ports, sha256, signerOf, World } from './world.fixture.js'

const worker = contractOf(
  { alias: 'acme/worker', methods: methodsOf({ go: 'call' }) },
  '(data (i32.const 0) "0123456789") (func (export "go"))',
)

const found = (contracts: TestContract[] = [worker], fuelSchedule = 1): World =>
  new World({
    signers: [admin, vendor],
    contracts: [...systemContracts, ...contracts.map(genesisContract)],
    fuelSchedule,
  })

const planned = (world: World, fuelSchedule: number, instrumenter: number, height: number): string =>
  statuses(
    world.block([
      command(world, 'setFuelSchedule', { fuelSchedule, instrumenter, height: BigInt(height) }),
    ]),
  )[0]

t.test('a switch of schedule at a height, and every block before and after it replays', async (t) => {
  const world = found()
  const journal = new Journal(world)
  const go = (): Uint8Array => world.call(admin, 'acme/worker', 'go')
  const fuelOf = (): number => journal.step([go()]).receiptsDecoded[0].fuelUsed
  const old = fuelOf()
  t.equal(old, 100_000 + 4_000 + 2 + 0)
  const at = world.height + 3
  journal.step([switchAt(world, at)])
  t.equal(fuelOf(), old, 'until then as before')
  t.equal(world.height + 1, at)
  const prepared = prepareModule(worker.code, contractPolicy, fuelScheduleV2)
  t.ok(prepared.ok)
  const newer = prepared.ok ? prepared.value.instancePrice : 0
  t.not(newer, old)
  t.equal(fuelOf(), newer, 'from that height on by the new prices, on a hot cache')
  t.equal(fuelOf(), newer)
  t.same(journal.differing(world.cache), [], 'the cache is hot with both')
  t.same(journal.differing(createModuleCache()), [], 'a cold one gives the same')
})

t.test('what is no step forward is refused', async (t) => {
  const world = found()
  t.match(planned(world, 1, 1, 99), /^SCHEDULE_REFUSED in force: schedule 1/)
  t.match(planned(world, 3, 1, 99), /more than one step forward/)
  t.match(planned(world, 2, 3, 99), /more than one step forward/)
  t.match(planned(world, 2, 1, world.height + 1), /is past/)
  t.equal(planned(world, 2, 1, world.height + 2), 'OK')
  t.match(planned(world, 1, 1, 99), /in force: schedule 2/)
  t.match(planned(world, 2, 1, 99), /in force: schedule 2/)
  t.same(newestVersions, { fuelSchedule: 3, instrumenter: 1 })
})

t.test('a plan that has not taken effect is replaced by a later one', async (t) => {
  const world = found()
  t.equal(planned(world, 2, 1, world.height + 3), 'OK')
  t.equal(planned(world, 2, 1, world.height + 4), 'OK')
  const fuel = [0, 1, 2].map(
    () => world.block([world.call(admin, 'acme/worker', 'go')]).receiptsDecoded[0].fuelUsed,
  )
  t.equal(fuel[0], fuel[1])
  t.not(fuel[2], fuel[1])
})

/** Costs a good deal to begin with. */
const eager = (turns: number, alias = 'acme/eager'): TestContract =>
  contractOf(
    { alias, methods: methodsOf({ go: 'call' }) },
    `(func (export "go")) (func (export "_initialize") (local $n i32) (local.set $n (i32.const ${turns}))
       (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`,
  )

function deploy(
  world: World,
  contract: TestContract,
  fuelLimit?: number,
): { fuelUsed: number; status: string } {
  const block = world.block([deployment(world, contract, fuelLimit)])
  return { fuelUsed: block.receiptsDecoded[0].fuelUsed, status: statuses(block)[0] }
}

t.test('the deploying transaction pays for _initialize', async (t) => {
  const world = found([], 2)
  const cheap = deploy(world, eager(1))
  const dear = deploy(world, eager(1_000_000, 'acme/eager'))
  t.same([cheap.status, dear.status], ['OK', 'OK'])
  // Six a turn: constant, two locals, subtraction and a branch of two.
  t.ok(dear.fuelUsed - cheap.fuelUsed > 5_000_000, `${dear.fuelUsed - cheap.fuelUsed}`)
  const short = deploy(world, eager(999_999, 'acme/other'), dear.fuelUsed - 100_000)
  t.same(short, { status: 'OUT_OF_FUEL', fuelUsed: dear.fuelUsed - 100_000 })
  const trapping = contractOf(
    { alias: 'acme/trap', methods: methodsOf({ go: 'call' }) },
    `(func (export "go")) (func (export "_initialize") (local $n i32) (local.set $n (i32.const 1000000))
       (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (unreachable))`,
  )
  const failed = deploy(world, trapping)
  t.match(failed.status, /INITIALIZE_FAILED/)
  t.ok(failed.fuelUsed > cheap.fuelUsed + 5_000_000, 'also when it fails')
  const before = found([], 1)
  const [one, other] = [deploy(before, eager(1)), deploy(before, eager(1_000_000))]
  t.ok(other.fuelUsed - one.fuelUsed < 10_000, 'schedule 1 asked for nothing')
})

t.test(
  'a version that is not active pays for loading, before it is loaded and once a transaction',
  async (t) => {
    const callee: Partial<Manifest> = { methods: methodsOf({ go: 'call', view: 'view' }) }
    const code = '(func (export "go")) (func (export "view"))'
    const twice = contractOf(
      { alias: 'acme/twice', calls: ['acme/old'], methods: methodsOf({ once: 'call', twice: 'call' }) },
      `(data (i32.const 900) "view") (func $ask
       (drop (call $contract_call (i32.const 0) (i32.const 32) (i32.const 900) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0))))
     (func (export "once") (call $input_read (i32.const 0)) (call $ask))
     (func (export "twice") (call $input_read (i32.const 0)) (call $ask) (call $ask))`,
    )
    const world = found([twice], 2)
    const large = contractOf(
      { alias: 'acme/old', ...callee },
      `${code} ${'(func (drop (i32.const 1)))'.repeat(900)}`,
    )
    const small = contractOf({ alias: 'acme/old', ...callee, version: '2.0.0' }, code)
    const addresses = [large, small].map((contract) => {
      const block = world.block([deployment(world, contract)])
      t.same(statuses(block), ['OK'])
      const write = block.writeSet.state.find(({ store }) => store === '$code')
      return (write?.key as Uint8Array).slice(-32)
    })
    const loadOf = (contract: TestContract): number => {
      const prepared = prepareModule(contract.code, contractPolicy, fuelScheduleV2)
      if (!prepared.ok) throw new Error(prepared.detail)
      return fuelScheduleV2.load + fuelScheduleV2.loadByte * contract.code.length + prepared.value.loadPrice
    }
    const call = (address: Uint8Array, fuelLimit = 90_000_000): ExecutedBlock['receiptsDecoded'][number] =>
      world.block([world.call(admin, hex(address), 'go', new Uint8Array(0), { fuelLimit })])
        .receiptsDecoded[0]
    const [dear, cheap] = addresses.map((address) => call(address).fuelUsed)
    t.equal(dear - cheap, loadOf(large) - loadOf(small))
    t.equal(call(addresses[0]).fuelUsed, dear, 'the same when it is at hand')
    // Too little fuel: nothing is read, whatever is asked for.
    world.cache = createModuleCache()
    const read: string[] = []
    const attachmentOf = world.chain.attachmentOf.bind(world.chain)
    world.chain.attachmentOf = (hash) => {
      read.push(hex(hash))
      return attachmentOf(hash)
    }
    const little = fuelScheduleV2.load + fuelScheduleV2.loadByte * large.code.length - 1
    const poor = call(addresses[0], little)
    t.same([codeOfStatus(poor.status), poor.fuelUsed], ['OUT_OF_FUEL', little])
    t.notOk(read.includes(hex(sha256(large.code))))
    t.equal(codeOfStatus(call(addresses[0], little + 1).status), 'OUT_OF_FUEL', 'read, and not compiled')
    t.ok(read.includes(hex(sha256(large.code))))
    const [once, two] = ['once', 'twice'].map(
      (method) =>
        world.block([world.call(admin, 'acme/twice', method, addresses[0])]).receiptsDecoded[0].fuelUsed,
    )
    t.ok(once > loadOf(large))
    t.ok(two - once < 300_000, 'loading is paid once in a transaction')
  },
)

t.test('a call to nobody pays for the look-up', async (t) => {
  const lost = contractOf(
    { alias: 'acme/lost', methods: methodsOf({ go: 'call' }) },
    `(data (i32.const 0) "acme/nobodygo") (func (export "go")
       (drop (call $contract_call (i32.const 0) (i32.const 11) (i32.const 11) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2))))`,
  )
  const fuel = [1, 2].map((schedule) => {
    const world = found([lost], schedule)
    const prepared = prepareModule(
      lost.code,
      contractPolicy,
      schedule === 1 ? fuelScheduleV1 : fuelScheduleV2,
    )
    const { fuelUsed } = world.block([world.call(admin, 'acme/lost', 'go')]).receiptsDecoded[0]
    return fuelUsed - (prepared.ok ? prepared.value.instancePrice : 0)
  })
  t.equal(fuel[1] - fuel[0], hostPricesV2.contract_call.perItem - hostPricesV1.contract_call.perItem)
  t.ok(hostPricesV2.contract_call.perItem >= hostPricesV2.state_get.base)
})

t.test('the pages of all open frames are 256 at most, whatever the one on top does', async (t) => {
  const aliasOf = (index: number): string => `acme/p${index}`
  /** Each grows to its size, calls the next one, and the last grows as far as it can. */
  const chainOf = (sizes: number[], last: number): TestContract[] =>
    sizes.map((size, index) =>
      contractOf(
        {
          alias: aliasOf(index),
          calls: [aliasOf(index + 1)],
          methods: methodsOf({ go: 'call' }, 90_000_000),
        },
        `(data (i32.const 0) "${aliasOf(index + 1)}go") (func (export "go")
           (drop (memory.grow (i32.const ${index === sizes.length - 1 ? last : size - 1})))
           ${
             index === sizes.length - 1
               ? ''
               : `(drop (call $contract_call (i32.const 0) (i32.const 7) (i32.const 7) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)))`
           })`,
      ),
    )
  const run = (contracts: TestContract[], schedule: number): string => {
    const world = found(contracts, schedule)
    return statuses(world.block([world.call(admin, aliasOf(0), 'go')]))[0]
  }
  const within = chainOf([64, 64, 64, 1], 63)
  const beyond = chainOf([64, 64, 63, 2, 1], 63)
  t.equal(run(within, 2), 'OK')
  t.match(run(beyond, 2), /^LIMIT_EXCEEDED/, 'the one on top might grow to 64: 193 and 64')
  t.equal(run(beyond, 1), 'OK', 'schedule 1 looked at the beginning only')
  t.equal(run(chainOf([2, 2, 2, 2, 2, 2, 2, 1], 63), 2), 'OK', 'eight frames of ordinary size')
})

t.test('an answer of the policy does not outlive the prices that it was computed under', async (t) => {
  // Its bound lies between the prices of an instance under the two schedules: it answers under one only.
  const policy = (bound: number): TestContract =>
    contractOf(
      { alias: 'ward/policy', methods: methodsOf({ mayAppend: 'view' }, bound) },
      `(func (export "mayAppend") (i32.store8 (i32.const 0) (i32.const 1))
         (call $return_set (i32.const 0) (i32.const 29)))`,
    )
  const priceUnder = (schedule: typeof fuelScheduleV1): number => {
    const prepared = prepareModule(policy(0).code, contractPolicy, schedule)
    if (!prepared.ok) throw new Error(prepared.detail)
    return prepared.value.instancePrice
  }
  const [before, after] = [fuelScheduleV1, fuelScheduleV2].map(priceUnder)
  t.ok(Math.abs(before - after) > 10_000, `${before}, ${after}`)
  const bound = Math.round((before + after) / 2)
  const monitor = signerOf('monitor', entityKind.source)
  const world = new World({
    signers: [admin, monitor],
    contracts: [policy(bound), plainGovernance].map(genesisContract),
    fuelSchedule: 1,
  })
  const append = (): Uint8Array => world.append(monitor, [admissionOf(patientOf('lisa'))])
  const ends: string[] = []
  for (const bundles of [[append()], [switchAt(world, world.height + 3)], [append()], [append()]]) {
    const input = world.propose(bundles)
    const cold = executeBlock(input, world.chain, createModuleCache(), ports)
    const hot = world.block(bundles)
    ends.push(statuses(hot)[0])
    if (!cold.ok) throw new Error(cold.code)
    t.equal(hex(cold.result.stateRoot), hex(hot.result.stateRoot))
    t.equal(hex(cold.result.receiptsRoot), hex(hot.result.receiptsRoot))
    t.same(cold.writeSet, hot.writeSet)
  }
  const failed = [ends[0], ends[3]].map((end) => end.startsWith('POLICY_FAILED'))
  t.not(failed[0], failed[1], ends.join(', '))
})

t.test(
  "the plan is the state's to judge: software that does not know it stops at its height",
  async (t) => {
    const { fuelSchedule } = newestVersions
    const world = found([worker], fuelSchedule)
    t.equal(planned(world, fuelSchedule + 1, 1, world.height + 3), 'OK')
    world.block([])
    t.throws(() => world.block([]), { code: 'ENGINE_DISAGREES' }, 'not even an empty block')
  },
)

t.test('the versions in force withdraw a plan', async (t) => {
  const world = found([worker], 2)
  t.match(planned(world, 2, 1, 99), /^SCHEDULE_REFUSED in force: schedule 2/)
  t.equal(planned(world, 3, 1, world.height + 4), 'OK')
  t.equal(planned(world, 2, 1, 0), 'OK')
  t.match(planned(world, 2, 1, 99), /^SCHEDULE_REFUSED in force: schedule 2/, 'nothing is planned any more')
  for (let block = 0; block < 3; block += 1) t.equal(world.block([]).ok, true)
})

t.test('schedule 3: a page that is grown costs what a page costs to begin with', async (t) => {
  const growing = contractOf(
    { alias: 'acme/grow', methods: methodsOf({ go: 'call' }) },
    '(func (export "go") (drop (memory.grow (i32.const 7))) (drop (memory.grow (i32.const 100))))',
  )
  const fuel = [2, 3].map((schedule) => {
    const world = found([growing], schedule)
    return world.block([world.call(admin, 'acme/grow', 'go')]).receiptsDecoded[0].fuelUsed
  })
  t.equal(fuel[1] - fuel[0], 7 * (fuelScheduleV3.memoryGrowPage - fuelScheduleV2.memoryGrowPage))
  t.ok(fuelScheduleV3.memoryGrowPage >= fuelScheduleV3.instancePage)
})

t.test('what was deployed starts under a schedule that prices its start higher', async (t) => {
  // Sixty pages and a loop: just within the bound under schedule 2, above it under schedule 3.
  const growing = (turns: number): TestContract =>
    contractOf(
      { alias: 'acme/grown', methods: methodsOf({ go: 'call' }) },
      `(func (export "go")) (func (export "_initialize") (local $n i32) (drop (memory.grow (i32.const 60)))
         (local.set $n (i32.const ${turns}))
         (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`,
    )
  const contract = growing(1_600_000)
  t.match(deploy(found([], 3), contract).status, /INITIALIZE_FAILED/, 'too much to be deployed anew')
  const world = found([], 2)
  t.equal(deploy(world, contract).status, 'OK')
  const address = contractAddress(sha256, {
    chainId: world.chainId,
    alias: 'acme/grown',
    manifestHash: sha256(contract.manifestBytes),
    codeHash: sha256(contract.code),
  })
  const go = (): string => statuses(world.block([world.call(admin, hex(address), 'go')]))[0]
  t.equal(go(), 'OK')
  t.equal(planned(world, 3, 1, world.height + 2), 'OK')
  t.equal(go(), 'OK')
  world.cache = createModuleCache()
  t.equal(go(), 'OK', 'also where it has to be compiled again')
})
