// Cost of each host function beside its price: one guest calls it many times in one signed call; the same
// block with a guest that does nothing is taken off. State in memory: what the sealed store adds is said in
// `README.md`.
import { recordKind } from '../protocol/index.js'
import { derivedPrice } from './calibration-baseline.fixture.js'
import { Probes } from './probe.fixture.js'
import { methodsOf } from './test-contracts.fixture.js'

/** The price in force, the one that follows from the measured cost, and how far they are apart. */
export interface Derivation {
  price: number
  derived: number
  priceToDerived: number
}

export interface BenchLine extends Partial<Derivation> {
  name: string
  value: number
  unit: string
  p50?: number
  baseline?: string
  ratio?: number
  input?: string
}

export const rounded = (value: number): number => Math.round(value * 100) / 100

export const derivation = (price: number, cost: number): Derivation => {
  const derived = derivedPrice(cost)
  return { price: rounded(price), derived, priceToDerived: rounded(price / derived) }
}

interface HostCall {
  /** Calls in one frame. */
  count: number
  /** `$n` counts down: it makes keys different. */
  call: string
}

const bytes = (count: number): string => `(i32.const ${count})`
const calls: Readonly<Record<string, HostCall>> = {
  input_len: { count: 2_000, call: '(drop (call $input_len))' },
  context_read: { count: 2_000, call: '(call $context_read (i32.const 1024))' },
  fuel_left: { count: 2_000, call: '(drop (call $fuel_left))' },
  return_set: { count: 2_000, call: `(call $return_set (i32.const 1024) ${bytes(256)})` },
  state_get_absent: {
    count: 1_000,
    call: `(drop (call $state_get (i32.const 0) (i32.const 0) ${bytes(32)}))`,
  },
  state_set: {
    count: 500,
    call: `(call $state_set (i32.const 0) (i32.const 0) ${bytes(32)} (i32.const 1024) ${bytes(200)})`,
  },
  state_get_written: {
    count: 1_000,
    call: `(call $state_set (i32.const 0) (i32.const 512) ${bytes(32)} (i32.const 1024) ${bytes(200)})
    (drop (call $state_get (i32.const 0) (i32.const 512) ${bytes(32)}))`,
  },
  state_remove: { count: 500, call: `(call $state_remove (i32.const 0) (i32.const 0) ${bytes(32)})` },
  ordered_put: {
    count: 300,
    call: `(call $ordered_put (i32.const 1) (i32.const 512) ${bytes(16)} (i64.extend_i32_u (local.get $n)) (i32.const 1024) ${bytes(64)})`,
  },
  state_scan_empty: {
    count: 500,
    call: `(drop (call $state_scan (i32.const 2) (i32.const 512) ${bytes(16)} (i64.const 0) (i64.const 99) (i32.const 10)))`,
  },
  record_query_empty: {
    count: 500,
    call: `(drop (call $record_query (i32.const ${recordKind.observation}) (i32.const 512) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 99) (i32.const 10)))`,
  },
  record_latest_empty: {
    count: 500,
    call: `(drop (call $record_latest (i32.const ${recordKind.observation}) (i32.const 512) (i32.const 600) (i32.const 13) (i64.const 0) (i64.const 99)))`,
  },
  event_emit: {
    count: 50,
    call: `(call $event_emit (i32.const 600) (i32.const 1) (i32.const 1024) ${bytes(64)})`,
  },
  explain: { count: 60, call: `(call $explain (i32.const 1024) ${bytes(64)})` },
  log_write: { count: 200, call: `(call $log_write (i32.const 1024) ${bytes(64)})` },
  timer_set: {
    count: 100,
    call: '(call $timer_set (i64.const 99999999999999) (i32.const 660) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 1000))',
  },
  contract_call: {
    count: 60,
    call: '(drop (call $contract_call (i32.const 640) (i32.const 10) (i32.const 620) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)))',
  },
  // Names that lead nowhere, each another one: the bytes at 700 are `n/` and letters of the counter.
  contract_call_unknown: {
    count: 500,
    call: `(i32.store (i32.const 702) (i32.add (i32.const 0x61616161) (i32.and (i32.mul (local.get $n) (i32.const 0x1041)) (i32.const 0x0f0f0f0f))))
    (drop (call $contract_call (i32.const 700) (i32.const 6) (i32.const 620) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2)))`,
  },
  contract_call_unknown_address: {
    count: 500,
    call: `(drop (call $contract_call (i32.const 0) (i32.const 32) (i32.const 620) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2)))`,
  },
  sha256: { count: 500, call: `(call $sha256 (i32.const 1024) ${bytes(64)})` },
  sha256_4096: { count: 100, call: `(call $sha256 (i32.const 1024) ${bytes(4_096)})` },
}

/** The key at 0 is new in every turn. */
const loopOf = ({ count, call }: HostCall): string =>
  `(data (i32.const 600) "a\\0ab\\0ac\\0ad\\0ae\\0af\\0ag") (data (i32.const 620) "go") (data (i32.const 640) "acme/empty")
  (data (i32.const 660) "tick") (data (i32.const 700) "n/aaaa") (func (export "tick"))
  (func (export "go") (local $n i32) (local.set $n (i32.const ${count}))
    (call $input_read (i32.const 4))
    (loop $more (i32.store (i32.const 0) (local.get $n)) ${call}
      (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))`

const nothing = { count: 1, call: '' }
const rounds = 25

/** One line for each host function that a contract may call freely. */
export function hostCalls(): Promise<BenchLine[]> {
  const manifest = {
    methods: methodsOf({ go: 'call', tick: 'timer' }, 100_000_000),
    reads: [{ kind: recordKind.observation, codes: [] }],
    calls: ['acme/empty'],
  }
  const probes = new Probes({
    'acme/empty': { body: '(func (export "go"))' },
    'acme/nothing': { body: loopOf(nothing), manifest },
    ...Object.fromEntries(
      Object.entries(calls).map(([name, call]) => [aliasOf(name), { body: loopOf(call), manifest }]),
    ),
  })
  return Promise.resolve(Object.entries(calls).map(([name, { count }]) => lineOf(probes, name, count)))
}

const aliasOf = (name: string): string => `acme/${name.replaceAll('_', '-')}`

function lineOf(probes: Probes, name: string, count: number): BenchLine {
  const { world, caller } = probes
  let turn = 0
  const run = (alias: string): { ms: number; fuel: number } => {
    // Other keys in each block, so that a write is a new leaf of the tree and not the same one again. The
    // block stays a proposal: the tests' store is no store to measure.
    const key = new Uint8Array(8).fill((turn += 1))
    const bundle = world.call(caller, alias, 'go', key, { fuelLimit: 100_000_000 })
    const start = performance.now()
    const outcome = world.try([bundle])
    const ms = performance.now() - start
    if (!outcome.ok) throw new Error(`${name}: ${outcome.code}`)
    const [receipt] = outcome.receiptsDecoded
    if (receipt.status !== 0) throw new Error(`${name}: ${receipt.status} ${receipt.detail ?? ''}`)
    return { ms, fuel: receipt.fuelUsed }
  }
  let [work, idle] = [Infinity, Infinity]
  let fuel = 0
  for (let round = 0; round < rounds; round += 1) {
    const without = run('acme/nothing')
    const given = run(aliasOf(name))
    work = Math.min(work, given.ms)
    idle = Math.min(idle, without.ms)
    fuel = (given.fuel - without.fuel) / count
  }
  const nanoseconds = ((work - idle) * 1e6) / count
  return {
    name: `calibration/${name}`,
    value: rounded(fuel / nanoseconds),
    unit: 'fuel per ns',
    ...derivation(fuel, nanoseconds),
    baseline: `cost ${Math.round(nanoseconds)} ns a call`,
    input: `price ${Math.round(fuel)} fuel a call, ${count} calls in one frame`,
  }
}
