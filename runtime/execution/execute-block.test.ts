// Blocks from end to end on small modules: appends, policy, rules, alerts, failures that stay their own.
import t from 'tap'
import { codeOfStatus, entityKind, recordKind } from '../protocol/index.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  systemContracts,
  type TestContract,
} from './test-contracts.fixture.js'
import { admissionOf, hex, observationOf, patientOf, signerOf, World } from './world.fixture.js'

const pulse = '8867-4'
const lisa = patientOf('lisa')

/** Raises an alert for the patient of its input. */
const raisingRule = contractOf(
  {
    alias: 'acme/raise',
    subscriptions: [{ kind: recordKind.observation, codes: [pulse], method: 'onPulse', priority: 10 }],
    methods: methodsOf({ onPulse: 'record' }),
  },
  `(func (export "onPulse")
     (call $input_read (i32.const 1024))
     (drop (call $alert_raise (i32.const 1024) (i32.const 16))))`,
)

const failingRule = (alias: string, body: string, fuel = 20_000_000): TestContract =>
  contractOf(
    {
      alias,
      subscriptions: [{ kind: recordKind.observation, codes: [], method: 'onAny', priority: 5 }],
      methods: methodsOf({ onAny: 'record' }, fuel),
    },
    `(func $deep (call $deep)) (func (export "onAny") ${body})`,
  )

function found(...rules: TestContract[]): { world: World; monitor: ReturnType<typeof signerOf> } {
  const monitor = signerOf('monitor', entityKind.source)
  const world = new World({
    signers: [monitor],
    contracts: [...systemContracts, ...rules.map(genesisContract)],
  })
  world.block([world.append(monitor, [admissionOf(lisa)])])
  return { world, monitor }
}

t.test('a reading raises an alert through ward/alerts', async (t) => {
  const { world, monitor } = found(raisingRule)
  const block = world.block([world.append(monitor, [observationOf(lisa, pulse, 130)])])
  const [append, derived] = block.receiptsDecoded
  t.equal(codeOfStatus(append.status), 'OK')
  t.equal(append.detail, '11'.repeat(16), 'the grant is named')
  t.equal(codeOfStatus(derived.status), 'OK')
  t.same(derived.cause, append.transactionId)
  t.equal(derived.target?.alias, 'acme/raise')
  t.equal(block.records.length, 2)
  t.equal(block.records[1].header.kind, recordKind.alert)
  t.equal(block.records[1].number, 3, 'admission, reading, alert')
  t.ok(block.records[1].derived)
})

t.test('a rule that fails reverts only itself: the reading stands, other rules run', async (t) => {
  const failures: [string, string, string][] = [
    ['acme/trap', 'TRAPPED', '(unreachable)'],
    ['acme/burn', 'OUT_OF_FUEL', '(loop $on (br $on))'],
    ['acme/deep', 'STACK_EXHAUSTED', '(call $deep)'],
    [
      'acme/abort',
      'CONTRACT_ABORTED',
      '(call $abort (i32.const 77) (i32.const 0) (i32.const 0) (i32.const 3))',
    ],
    ['acme/wild', 'MEMORY_OUT_OF_BOUNDS', '(call $log_write (i32.const -8) (i32.const 16))'],
    [
      'acme/read',
      'NOT_IN_MANIFEST',
      '(drop (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const -1) (i32.const 1)))',
    ],
  ]
  for (const [alias, code, body] of failures) {
    const { world, monitor } = found(
      failingRule(
        alias,
        `(call $state_set (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4)) ${body}`,
      ),
      raisingRule,
    )
    const block = world.block([world.append(monitor, [observationOf(lisa, pulse, 130)])])
    const codes = block.receiptsDecoded.map(
      (receipt) => `${receipt.target?.alias ?? ''} ${codeOfStatus(receipt.status)}`,
    )
    t.same(codes, [' OK', `${alias} ${code}`, 'acme/raise OK'], alias)
    t.equal(block.records.length, 2, 'reading and alert stand')
    t.notOk(
      block.writeSet.state.some((write) => write.store === alias),
      'nothing of the failed rule stays',
    )
  }
})

t.test('a refusal names what is missing, and nothing is recorded', async (t) => {
  const { world, monitor } = found(raisingRule)
  world.block([world.call(monitor, 'ward/policy', 'forbid', monitor.entity)])
  const block = world.block([world.append(monitor, [observationOf(lisa, pulse, 130)])])
  t.same(
    block.receiptsDecoded.map((receipt) => [codeOfStatus(receipt.status), receipt.detail]),
    [['APPEND_NOT_GRANTED', 'append kind']],
  )
  t.equal(block.records.length, 0)
  world.block([world.call(monitor, 'ward/policy', 'allow', monitor.entity)])
  const again = world.block([world.append(monitor, [observationOf(lisa, pulse, 130)])])
  t.equal(codeOfStatus(again.receiptsDecoded[0].status), 'OK')
})

t.test('the same blocks on an empty cache give the same roots', async (t) => {
  const { world, monitor } = found(raisingRule)
  const bundle = world.append(monitor, [observationOf(lisa, pulse, 130)])
  const warm = world.try([bundle])
  world.cache = (await import('./index.js')).createModuleCache()
  const cold = world.try([bundle])
  t.ok(warm.ok && cold.ok)
  if (warm.ok && cold.ok) {
    t.same(warm.result, cold.result)
    t.equal(hex(warm.result.stateRoot), hex(cold.result.stateRoot))
  }
})
