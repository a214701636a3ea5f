// Policy questions: what the policy contract may see, what a failure means, and that a memo is never
// noticed.
import t from 'tap'
import { codeOfStatus, entityKind } from '../protocol/index.js'
import { createModuleCache } from './index.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  openPolicy,
  plainGovernance,
  type TestContract,
} from './test-contracts.fixture.js'
import { admissionOf, observationOf, patientOf, signerOf, World, type Signer } from './world.fixture.js'

const lisa = patientOf('lisa')
const monitor = signerOf('monitor', entityKind.source)
const nurse = signerOf('nurse')

/** A policy whose answer is written by the given instructions; they end with the answer at 0, 29 bytes. */
const policy = (instructions: string): TestContract =>
  contractOf(
    {
      alias: 'ward/policy',
      methods: methodsOf({ mayAppend: 'view', touch: 'call' }),
      reads: [{ kind: 1, codes: [] }],
      calls: ['acme/help'],
    },
    `(func (export "touch") (call $state_set (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)))
     (func (export "mayAppend") ${instructions})`,
  )

const found = (...contracts: TestContract[]): World =>
  new World({ signers: [monitor, nurse], contracts: [...contracts, plainGovernance].map(genesisContract) })

const admit = (world: World, signer: Signer = monitor): string => {
  const [receipt] = world.block([world.append(signer, [admissionOf(lisa)])]).receiptsDecoded
  return codeOfStatus(receipt.status) ?? ''
}
const yes = '(i32.store8 (i32.const 0) (i32.const 1)) (call $return_set (i32.const 0) (i32.const 29))'

t.test('a policy that fails in any way appends nothing', async (t) => {
  const failing: Record<string, string> = {
    'it traps': '(unreachable)',
    'it burns': '(loop $on (br $on))',
    'it says nothing': '',
    'it says half': '(call $return_set (i32.const 0) (i32.const 20))',
    'it writes': `(call $state_set (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) ${yes}`,
    'it reads records': `(drop (call $record_get (i32.const 0))) ${yes}`,
    'it calls': `(drop (call $contract_call (i32.const 0) (i32.const 9) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2))) ${yes}`,
    'it emits': `(call $event_emit (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)) ${yes}`,
    'it sets a timer': `(call $timer_set (i64.const 9) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 0)) ${yes}`,
  }
  for (const [name, instructions] of Object.entries(failing))
    t.equal(admit(found(policy(instructions))), 'POLICY_FAILED', name)
  t.equal(admit(found(policy(yes))), 'OK')
  t.equal(admit(found()), 'POLICY_FAILED', 'no policy at all')
})

t.test('a policy sees no clock, no height, no transaction', async (t) => {
  // Allows only when every byte of height, time, transaction id and origin is zero.
  const blind = policy(
    `(local $at i32)
     (call $context_read (i32.const 1024))
     (loop $on
       (if (i32.load8_u (i32.add (i32.const 1024) (local.get $at))) (then (unreachable)))
       (local.set $at (i32.add (local.get $at) (i32.const 1)))
       (br_if $on (i32.lt_u (local.get $at) (i32.const 112))))
     ${yes}`,
  )
  t.equal(admit(found(blind)), 'OK')
})

t.test('an answer ends at its validUntil', async (t) => {
  const until = (time: number): TestContract =>
    policy(`(i64.store (i32.const 17) (i64.const ${time})) ${yes}`)
  const { time } = found(policy(yes))
  t.equal(admit(found(until(time + 1_000))), 'OK', 'the last millisecond counts')
  t.equal(admit(found(until(time + 999))), 'APPEND_NOT_GRANTED')
})

t.test(
  'the flat price is the same with a warm memo, a cold one and after a change of the store',
  async (t) => {
    const world = found(openPolicy)
    admit(world)
    const reading = (): Uint8Array => world.append(monitor, [observationOf(lisa, 'a', 1)])
    const fuel = [world.block([reading()]), world.block([reading(), reading()])].flatMap(
      ({ receiptsDecoded }) => receiptsDecoded.map(({ fuelUsed }) => fuelUsed),
    )
    world.cache = createModuleCache()
    fuel.push(world.block([reading()]).receiptsDecoded[0].fuelUsed)
    const touched = world.block([world.call(nurse, 'ward/policy', 'forbid', new Uint8Array(32)), reading()])
    fuel.push(touched.receiptsDecoded[1].fuelUsed)
    t.equal(new Set(fuel).size, 1, fuel.join(' '))
  },
)

t.test('a memo never outlives the store it was computed from', async (t) => {
  const world = found(openPolicy)
  admit(world)
  const reading = (): Uint8Array => world.append(monitor, [observationOf(lisa, 'a', 1)])
  const forbid = (): Uint8Array => world.call(nurse, 'ward/policy', 'forbid', monitor.entity)
  const allow = (): Uint8Array => world.call(nurse, 'ward/policy', 'allow', monitor.entity)
  const codes = (bundles: Uint8Array[]): string =>
    world
      .block(bundles)
      .receiptsDecoded.map(({ status }) => codeOfStatus(status))
      .join(' ')
  t.equal(codes([reading()]), 'OK')
  // A candidate block that is not taken must leave no answer behind.
  const candidate = world.try([forbid(), reading()])
  t.ok(candidate.ok && codeOfStatus(candidate.receiptsDecoded[1].status) === 'APPEND_NOT_GRANTED')
  t.equal(codes([reading()]), 'OK')
  t.equal(codes([forbid(), reading()]), 'OK APPEND_NOT_GRANTED')
  t.equal(codes([reading()]), 'APPEND_NOT_GRANTED')
  t.equal(codes([allow(), reading()]), 'OK OK')
  t.equal(codes([forbid(), allow(), reading()]), 'OK OK OK')
})
