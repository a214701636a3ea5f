// Derived transactions: unit, order, ids, cascades, carry-over; budgets and quarantine.
import t from 'tap'
import {
  blockFuelMax,
  codeOfStatus,
  compareBytes,
  decodeBorsh,
  entityKind,
  recordKind,
  triggerInput,
} from '../protocol/index.js'
import { derivedId } from './triggers.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  systemContracts,
  type TestContract,
} from './test-contracts.fixture.js'
import {
  admissionOf,
  hex,
  observationOf,
  patientOf,
  sha256,
  signerOf,
  World,
  type Signer,
} from './world.fixture.js'
import { budgetFreePerBlock, budgetBurst } from './rule-budget.js'
import { generationMax, hostCaps, readHealth } from './index.js'

const pulse = '8867-4'
const [lisa, otto, paul] = ['lisa', 'otto', 'paul'].map(patientOf)

/** A rule that gives back its input. */
const echo = (
  alias: string,
  priority: number,
  codes: string[] = [pulse],
  method = 'onPulse',
): TestContract =>
  contractOf(
    {
      alias,
      subscriptions: [{ kind: recordKind.observation, codes, method, priority }],
      methods: methodsOf({ [method]: 'record' }),
    },
    `(func (export "${method}") (call $input_read (i32.const 0)) (call $return_set (i32.const 0) (call $input_len)))`,
  )

function found(rules: TestContract[], sources = 1): { world: World; monitors: Signer[] } {
  const monitors = Array.from({ length: sources }, (_, index) =>
    signerOf(`monitor ${index}`, entityKind.source),
  )
  const world = new World({
    signers: monitors,
    contracts: [...systemContracts, ...rules.map(genesisContract)],
  })
  world.block([world.append(monitors[0], [lisa, otto, paul].map(admissionOf))])
  return { world, monitors }
}

t.test('one derived transaction per (transaction, patient, rule method), in order', async (t) => {
  const { world, monitors } = found([
    echo('acme/late', 20),
    echo('acme/early', 1),
    echo('acme/peer', 1),
    echo('acme/other', 0, ['x']),
  ])
  const block = world.block([
    world.append(monitors[0], [
      observationOf(otto, pulse, 70),
      observationOf(lisa, pulse, 80),
      observationOf(otto, pulse, 71),
      observationOf(lisa, 'unheard', 1),
    ]),
  ])
  const [parent, ...derived] = block.receiptsDecoded
  t.equal(derived.length, 6)
  const order = derived.map(({ target, returned }) => {
    const input = decodeBorsh(triggerInput, returned as Uint8Array)
    if (!input.ok) throw new Error(input.code)
    const { patient, records, transaction } = input.value as {
      patient: Uint8Array
      records: { number: number }[]
      transaction: Uint8Array
    }
    t.same(hex(transaction), hex(parent.transactionId))
    return { alias: target?.alias, address: target?.address as Uint8Array, patient, count: records.length }
  })
  for (const { patient, count } of order) t.equal(count, compareBytes(patient, otto) === 0 ? 2 : 1)
  t.same(
    order.slice(4).map(({ alias }) => alias),
    ['acme/late', 'acme/late'],
    'priority first',
  )
  for (let index = 1; index < order.length; index += 1) {
    const [before, after] = [order[index - 1], order[index]]
    if ((before.alias === 'acme/late') !== (after.alias === 'acme/late')) continue
    const byAddress = compareBytes(before.address, after.address)
    t.ok(
      byAddress < 0 || (byAddress === 0 && compareBytes(before.patient, after.patient) < 0),
      'then address, patient',
    )
  }
  for (const [index, receipt] of derived.entries()) {
    const { address, patient } = order[index]
    const id = derivedId(sha256, { parent: parent.transactionId, address, method: 'onPulse', patient })
    t.equal(hex(receipt.transactionId), hex(id))
  }
})

t.test('records of rules trigger again, four steps deep', async (t) => {
  // Emits one observation with the code of its input's patient: it triggers itself.
  const loop = contractOf(
    {
      alias: 'acme/loop',
      emits: [{ kind: recordKind.observation, codes: ['again'] }],
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record' }),
    },
    `(data (i32.const 2001) "\\05\\00\\00\\00again")
     (func (export "onAny")
       (call $input_read (i32.const 0))
       (i32.store8 (i32.const 1984) (i32.const 2))
       (memory.copy (i32.const 1985) (i32.const 0) (i32.const 16))
       (call $record_emit (i32.const 1984) (i32.const 39)))`,
  )
  const { world, monitors } = found([loop])
  const block = world.block([world.append(monitors[0], [observationOf(lisa, pulse, 80)])])
  const codes = block.receiptsDecoded.map(({ status }) => codeOfStatus(status))
  t.same(codes, ['OK', ...Array<string>(generationMax).fill('OK'), 'GENERATION_EXCEEDED'])
  t.equal(block.records.length, 1 + generationMax, 'all records stand')
  const salts = new Set(block.records.map(({ body }) => hex(body.salt)))
  t.equal(salts.size, block.records.length, 'every derived body has a salt of its own')
})

t.test('what does not fit carries over in order, and makes the next block due', async (t) => {
  // Declares a bound so large that only a few fit into one block.
  const bound = 500_000_000
  const heavy = contractOf(
    {
      alias: 'acme/heavy',
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record' }, bound),
    },
    '(func (export "onAny") (local $n i32) (loop $on (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000)))))',
  )
  const { world, monitors } = found([heavy, echo('acme/light', 2, [])], 12)
  const bundles = monitors.map((monitor) => world.append(monitor, [observationOf(lisa, pulse, 80)]))
  const first = world.block(bundles)
  const ran = (block: typeof first): string[] =>
    block.receiptsDecoded
      .filter(({ cause }) => cause !== undefined)
      .map(({ cause, target }) => `${hex(cause as Uint8Array).slice(0, 8)} ${target?.alias}`)
  t.ok(first.result.fuelUsed <= blockFuelMax)
  t.equal(first.result.nextDueTime, world.time, 'the next block is due at once')
  const order = first.transactionIds.flatMap((id) =>
    ['acme/heavy', 'acme/light'].map((alias) => `${hex(id).slice(0, 8)} ${alias}`),
  )
  const all = [...ran(first)]
  t.ok(all.length < order.length, `${all.length} of ${order.length} in the first block`)
  let blocks = 1
  while (world.last?.result.nextDueTime !== 0 && blocks < 10) {
    all.push(...ran(world.block([])))
    blocks += 1
  }
  t.same(all, order, `everything ran once, in order, in ${blocks} blocks`)
  t.equal(world.last?.result.nextDueTime, 0)
})

t.test('one source that floods a rule spends its own budget only', async (t) => {
  const cost = 100_000_000
  const dear = contractOf(
    {
      alias: 'acme/dear',
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record' }, 2 * cost),
    },
    `(func (export "onAny") (local $n i32) (loop $on (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${Math.floor(cost / 7)})))))`,
  )
  const { world, monitors } = found([dear], 2)
  const [flood, quiet] = monitors
  let refused = 0
  let ran = 0
  for (let round = 0; round < 6; round += 1) {
    const bundles = Array.from({ length: 6 }, () => world.append(flood, [observationOf(lisa, pulse, 80)]))
    for (const { status, cause } of world.block(bundles, { time: world.time + 1 }).receiptsDecoded) {
      if (cause === undefined) continue
      if (codeOfStatus(status) === 'BUDGET_EXHAUSTED') refused += 1
      else ran += 1
    }
  }
  t.ok(refused > 0, `${ran} ran, ${refused} were refused`)
  t.ok(ran * cost <= budgetBurst + 6 * (budgetFreePerBlock + 2 * cost))
  const other = world.block([world.append(quiet, [observationOf(otto, pulse, 80)])], {
    time: world.time + 1,
  })
  t.equal(codeOfStatus(other.receiptsDecoded[1].status), 'OK', 'the other source is served')
  const later = world.block([world.append(flood, [observationOf(lisa, pulse, 80)])], {
    time: world.time + 20_000,
  })
  t.equal(codeOfStatus(later.receiptsDecoded[1].status), 'OK', 'the budget grows back with time')
})

t.test(
  'a rule that fails for several sources and patients is quarantined; one device cannot do that',
  async (t) => {
    // Traps on a pulse above 200 (i64 value right behind the u16 schema of the body is awkward to find: use
    // the code).
    const picky = contractOf(
      {
        alias: 'acme/picky',
        subscriptions: [
          { kind: recordKind.observation, codes: ['bad'], method: 'onBad', priority: 1 },
          { kind: recordKind.observation, codes: ['good'], method: 'onGood', priority: 1 },
        ],
        methods: methodsOf({ onBad: 'record', onGood: 'record' }),
      },
      '(func (export "onBad") (unreachable)) (func (export "onGood"))',
    )
    const { world, monitors } = found([picky], 3)
    const patients = [lisa, otto, paul]
    for (const patient of patients) {
      const block = world.block([world.append(monitors[0], [observationOf(patient, 'bad', 1)])])
      t.equal(codeOfStatus(block.receiptsDecoded[1].status), 'TRAPPED')
    }
    world.block([world.append(monitors[1], [observationOf(otto, 'bad', 1)])])
    t.equal(readHealth(world.chain, 'acme/picky')?.quarantinedAt, 0n, 'two sources are not several')
    world.block([world.append(monitors[1], [observationOf(otto, 'good', 1)])])
    t.equal(readHealth(world.chain, 'acme/picky')?.failures.length, 3, 'a success forgets the failure')
    world.block([world.append(monitors[1], [observationOf(otto, 'bad', 1)])])
    const last = world.block([world.append(monitors[2], [observationOf(paul, 'bad', 1)])])
    t.same(
      last.receiptsDecoded[1].events.map(({ source, topic }) => [source, topic]),
      [['$kernel', 'rule-quarantined']],
    )
    const after = world.block([world.append(monitors[0], [observationOf(lisa, 'good', 1)])])
    t.same(
      after.receiptsDecoded.map(({ status }) => codeOfStatus(status)),
      ['OK', 'RULE_QUARANTINED'],
    )
    const lift = Buffer.concat([Buffer.from([7, 10, 0, 0, 0]), Buffer.from('acme/picky')])
    world.block([world.call(monitors[0], 'ward/governance', 'command', lift)])
    const lifted = world.block([world.append(monitors[0], [observationOf(lisa, 'good', 1)])])
    t.same(
      lifted.receiptsDecoded.map(({ status }) => codeOfStatus(status)),
      ['OK', 'OK'],
    )
  },
)

t.test('a rule holds so many timers for one patient, and the next patient has as many', async (t) => {
  const due = 1_800_000_000_000n
  const setter = contractOf(
    {
      alias: 'acme/setter',
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 1 }],
      methods: [
        ...methodsOf({ onAny: 'record' }, 100_000_000),
        ...methodsOf({ ring: 'timer' }, 100_000_000),
      ],
    },
    `(data (i32.const 512) "ring")
     (func $set (param $due i64)
       (call $timer_set (local.get $due) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
     (func (export "onAny") (local $n i32)
       (loop $more (call $set (i64.const ${due}))
         (br_if $more (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 128)))))
     (func (export "ring") (call $set (i64.const ${due + 1n})) (call $set (i64.const ${due + 1n})))`,
  )
  const { world, monitors } = found([setter])
  const append = (patient: Uint8Array, time?: number): (string | undefined)[] => {
    const bundle = world.append(monitors[0], [observationOf(patient, pulse, 80)], { validUntil: undefined })
    const block = world.block([bundle], time === undefined ? {} : { time })
    return block.receiptsDecoded.map(({ status, detail }) =>
      detail?.startsWith('timers') === true ? detail : codeOfStatus(status),
    )
  }
  const over = 'timers of this contract for this patient'
  t.same(append(lisa), ['OK', 'OK'])
  t.same(append(lisa), ['OK', 'OK'], `${hostCaps.timersPerPatient} timers`)
  t.same(append(lisa), ['OK', over])
  t.same(append(otto), ['OK', 'OK'], 'another patient is served')
  const rung = world
    .block([], { time: Number(due) })
    .receiptsDecoded.map(({ status }) => codeOfStatus(status))
  // Each timer that ran made room for one and asked for two: half of those of Lisa stay without.
  t.ok(rung.includes('LIMIT_EXCEEDED'), 'what a timer sets counts for its patient')
  t.equal(rung.filter((code) => code === 'OK').length, 256, 'Otto had room for all of his 128 twice over')
})
