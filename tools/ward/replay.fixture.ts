// A past of a single node to run again: a contract that sets itself a timer, and rules whose runs cost more
// fuel than a block has, so that some are carried over. They take little time for it: each calls an empty
// contract whose instance is dear.
import type { Proposal, ReceiptView } from '../../host/api/node-port.js'
import { sha256 } from '../../host/keys/crypto.js'
import { nodeFiles } from '../../host/node/node-config.js'
import { storePassword, type SingleNode } from '../../host/node/single-node.fixture.js'
import { openChainStore, openKeyslot } from '../../host/store/index.js'
import {
  bytesToHex,
  hashWithDomain,
  hexToBytes,
  u32Bytes,
  u64Bytes,
  utf8,
  type Manifest,
  type Schema,
} from '../../runtime/protocol/index.js'
import { governance } from './governance-calls.js'
import { contractOf, noSchema, type TestContract } from '../../runtime/execution/test-contracts.fixture.js'

const note: Schema = { struct: [['note', 'string']] }

/** `go` {due, note} grows its memory by a page and sets a timer that keeps the note and answers with it. */
const clock = contractOf(
  {
    alias: 'acme/clock',
    methods: [
      {
        name: 'go',
        kind: 'call',
        fuel: 5_000_000,
        input: {
          struct: [
            ['due', 'u64'],
            ['note', 'string'],
          ],
        },
        output: noSchema,
      },
      { name: 'tick', kind: 'timer', fuel: 5_000_000, input: note, output: note },
    ],
  },
  `(data (i32.const 0) "tick")
   (func (export "go") (call $input_read (i32.const 1024)) (drop (memory.grow (i32.const 1)))
     (call $timer_set (i64.load (i32.const 1024)) (i32.const 0) (i32.const 4)
       (i32.const 1032) (i32.sub (call $input_len) (i32.const 8)) (i64.const 0)))
   (func (export "tick") (call $input_read (i32.const 1024))
     (call $state_set (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 1024) (call $input_len))
     (call $return_set (i32.const 1024) (call $input_len)))`,
)

const repeat = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(' ')

/** Some 800,000 fuel for an instance, by what it holds; the same instance is used again in no time. */
const dear = contractOf(
  { alias: 'acme/dear', methods: [method('go', 'view', 2_000_000)] },
  `(data (i32.const 0) "${'x'.repeat(60_000)}") (func $f) (export "go" (func $f))
   ${repeat(180, (at) => `(export "m${at}" (func $f))`)}
   ${repeat(240, () => '(global i32 (i32.const 1))')}
   (table 1000 1000 funcref) (elem (i32.const 0) ${repeat(1_000, () => '$f')})`,
)

/** What a reading must be of to be heard by the heavy rules. */
const heavyCode = '9279-1'
const heavyRules = ['acme/heavy-1', 'acme/heavy-2', 'acme/heavy-3']

const heavy = (alias: string): TestContract =>
  contractOf(
    {
      alias,
      calls: ['acme/dear'],
      subscriptions: [{ kind: 2, codes: [heavyCode], method: 'on', priority: 1 }],
      methods: [method('on', 'record', 500_000_000)],
    },
    `(data (i32.const 0) "acme/dear") (data (i32.const 16) "go")
     (func (export "on") (local $n i32) (loop $more
       (drop (call $contract_call (i32.const 0) (i32.const 9) (i32.const 16) (i32.const 2)
         (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 0)))
       (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 62)))))`,
  )

function method(name: string, kind: Manifest['methods'][number]['kind'], fuel: number) {
  return { name, kind, fuel, input: noSchema, output: noSchema }
}

export const replayContracts: TestContract[] = [clock, dear, ...heavyRules.map(heavy)]

export interface History {
  before: ReceiptView
  /** The run of the timer that `before` set. */
  tick: string
  heavy: ReceiptView
  /** What `heavy` caused, in its block or in the next one. */
  runs: string[]
  /** As `before`, under the schedule after the switch. */
  after: ReceiptView
}

/**
 * Runs that nobody signed, on both sides of a switch of fuel schedules; `shipped`: addresses of
 * `replayContracts`, which are active.
 */
export async function makeHistory(
  single: SingleNode,
  shipped: readonly string[],
  signed: (role: keyof SingleNode['persons'], proposal: Proposal) => Promise<ReceiptView>,
): Promise<History> {
  const go = (): Promise<ReceiptView> => {
    const args = { due: '1', note: 'look again' }
    return signed('nurse', { type: 'call', target: 'acme/clock', method: 'go', args })
  }
  const patients = Array.from({ length: 25 }, (_, index) => (100 + index).toString(16).padStart(32, '0'))
  const all = (proposal: (patient: string) => Append): Proposal => ({
    type: 'append',
    records: patients.flatMap((patient) => proposal(patient).records),
  })
  await signed('nurse', all(admissionOf))
  const before = await go()
  const heavy = await signed(
    'nurse',
    all((patient) => pulseOf(patient, heavyCode)),
  )
  const runs = shipped
    .slice(-heavyRules.length)
    .toSorted()
    .flatMap((address) =>
      patients.map((patient) =>
        idOf(
          'wardchain/derived/1',
          ...[heavy.transactionId, address].map(bytesOf),
          ...[utf8('on'), bytesOf(patient)],
        ),
      ),
    )
  const tick = timerRunOf(before)
  await foundLater(single, tick)
  const height = single.node.status().height + 4
  const args = { fuelSchedule: 3, instrumenter: 1, height: String(height) }
  await signed('admin', { type: 'call', target: governance, method: 'setFuelSchedule', args })
  while (single.node.status().height < height) await signed('nurse', pulseOf(patients[0], 'none'))
  return { before, tick, heavy, runs, after: await go() }
}

/** The run of the only timer that this call set for as soon as may be: a second after its block. */
function timerRunOf({ transactionId, blockTime }: ReceiptView): string {
  const timer = idOf('wardchain/timer/1', bytesOf(transactionId), u32Bytes(0))
  return idOf('wardchain/derived/1', bytesOf(timer), u64Bytes(blockTime + 1_000))
}

/** A transaction that may not be there yet: a timer's run, or work that was carried over. */
export async function foundLater(single: SingleNode, id: string): Promise<ReceiptView> {
  for (let asked = 0; asked < 1_200; asked += 1) {
    const found = await single.node.transaction(id)
    if (found.ok) return found.value.receipt
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`transaction ${id} did not come`)
}

const idOf = (domain: string, ...parts: Uint8Array[]): string =>
  bytesToHex(hashWithDomain(sha256, domain, ...parts))
const bytesOf = (hex: string): Uint8Array => hexToBytes(hex) ?? new Uint8Array(0)

/** The store's own pruning, as a node does it in its slices. */
export async function pruneBelow(single: SingleNode, height: number): Promise<void> {
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const store = openChainStore(nodeFiles(single.folder).chain, dataKey)
  while (store.prune(height, 64) > 0);
  await store.close()
  dataKey.close()
}

interface Append {
  type: 'append'
  records: Extract<Proposal, { type: 'append' }>['records']
}

export const admissionOf = (patient: string): Append => {
  const words = {
    family: 'Test',
    given: 'Tess',
    sex: 'F',
    ward: '',
    room: '',
    bed: '',
    visitNumber: '',
    reason: '',
  }
  const body = { ...words, birthDate: 19_700_101, pregnancy: 1, identifiers: [] }
  return { type: 'append', records: [{ kind: 'admission', patient, code: 'ADT^A01', body }] }
}

export const pulseOf = (patient: string, code = '8867-4'): Append => {
  const words = { unit: '/min', text: '', status: 'F', sourceText: '', device: '' }
  const body = { ...words, value: '70', scale: 0, validation: 2 }
  return { type: 'append', records: [{ kind: 'observation', patient, code, body }] }
}
