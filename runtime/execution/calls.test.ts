// Calls between contracts: fuel slices, roll-back, catching, re-entry, depth, frames, read-only; reused
// instances.
import t from 'tap'
import { statusOf, type ErrorCode } from '../protocol/index.js'
import { methodsOf } from './test-contracts.fixture.js'
import { createModuleCache } from './index.js'
import { dataAt, go, i32Of, Probes, returnI32, type Probe } from './probe.fixture.js'
import { hex } from './world.fixture.js'

const flagReadOnly = 1
const flagCatch = 2

/** A call whose target and method are data at 256 and 320. */
const callTo = (
  target: string,
  options: { method?: string; fuel?: number; flags?: number } = {},
): Probe => {
  const { method = 'go', fuel = 0, flags = flagCatch } = options
  return {
    body: go(
      returnI32(callExpression(target, method, fuel, flags)),
      dataAt(256, target) + dataAt(320, method),
    ),
    manifest: { calls: [target] },
  }
}
const callExpression = (target: string, method = 'go', fuel = 0, flags = flagCatch): string =>
  `(call $contract_call (i32.const 256) (i32.const ${target.length}) (i32.const 320) (i32.const ${method.length})
     (i32.const 0) (i32.const 0) (i64.const ${fuel}) (i32.const ${flags}))`

const negated = (code: ErrorCode): number => -statusOf(code)
const writes = '(call $state_set (i32.const 0) (i32.const 0) (i32.const 4) (i32.const 0) (i32.const 4))'

t.test('failures that a caller may catch', async (t) => {
  const chain = new Probes({
    'acme/trap': { body: go('(unreachable)') },
    'acme/burn': { body: go('(loop $on (br $on))') },
    'acme/abort': { body: go('(call $abort (i32.const 5) (i32.const 0) (i32.const 0) (i32.const 1))') },
    'acme/write': { body: go(writes) },
    'acme/deep': { body: go('(call $deep)', '(func $deep (call $deep))') },
    'acme/call-trap': callTo('acme/trap'),
    'acme/call-burn': callTo('acme/burn', { fuel: 1_000_000 }),
    'acme/call-abort': callTo('acme/abort'),
    'acme/call-deep': callTo('acme/deep'),
    'acme/call-none': callTo('acme/none'),
    'acme/call-method': callTo('acme/trap', { method: 'other' }),
    'acme/call-read-only': callTo('acme/write', { flags: flagCatch | flagReadOnly }),
    'acme/call-self': callTo('acme/call-self'),
    'acme/call-uncaught': callTo('acme/abort', { flags: 0 }),
  })
  const expected: [string, ErrorCode][] = [
    ['trap', 'TRAPPED'],
    ['burn', 'OUT_OF_FUEL'],
    ['abort', 'CONTRACT_ABORTED'],
    ['deep', 'STACK_EXHAUSTED'],
    ['none', 'CONTRACT_UNKNOWN'],
    ['method', 'METHOD_UNKNOWN'],
    ['read-only', 'READ_ONLY'],
    ['self', 'REENTRANCY_DENIED'],
  ]
  for (const [name, code] of expected) {
    const outcome = chain.go(`acme/call-${name}`)
    t.same([outcome.code, i32Of(outcome.returned)], ['OK', negated(code)], name)
  }
  const burn = chain.go('acme/call-burn')
  t.ok(burn.fuelUsed > 1_000_000 && burn.fuelUsed < 1_200_000, `the slice and no more: ${burn.fuelUsed}`)
  const uncaught = chain.go('acme/call-uncaught')
  t.same([uncaught.code, uncaught.detail], ['CONTRACT_ABORTED', '5'], 'a failure goes up with its detail')
})

t.test('a caught failure takes back what the callee did, and nothing else', async (t) => {
  const event = '(call $event_emit (i32.const 400) (i32.const 1) (i32.const 0) (i32.const 0))'
  const chain = new Probes({
    'acme/inner': { body: go(`${writes} ${event} (unreachable)`, dataAt(400, 'i')) },
    'acme/good': { body: go(`${writes} ${event}`, dataAt(400, 'g')) },
    'acme/both': {
      body: go(
        `${event} (drop ${callExpression('acme/inner')})
         (drop (call $contract_call (i32.const 270) (i32.const 9) (i32.const 320) (i32.const 2)
           (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2)))`,
        `${dataAt(256, 'acme/inner')} ${dataAt(270, 'acme/good')} ${dataAt(320, 'go')} ${dataAt(400, 'o')}`,
      ),
      manifest: { calls: ['acme/inner', 'acme/good'] },
    },
  })
  const outcome = chain.go('acme/both')
  t.equal(outcome.code, 'OK')
  t.same(
    outcome.receipt.events.map(({ source, topic }) => `${source} ${topic}`),
    ['acme/both o', 'acme/good g'],
  )
  const stores = chain.world.last?.writeSet.state
    .map(({ store }) => store)
    .filter((store) => store.startsWith('acme'))
  t.same(stores, ['acme/good'])
})

t.test('re-entry over others is refused, and read only goes all the way down', async (t) => {
  const chain = new Probes({
    'acme/one': callTo('acme/two', { flags: 0 }),
    'acme/two': callTo('acme/one'),
    'acme/write': { body: go(writes) },
    'acme/between': callTo('acme/write', { flags: flagCatch }),
    'acme/result': {
      body: go(
        `(drop ${callExpression('acme/between', 'go', 0, flagReadOnly)}) (call $result_read (i32.const 64))
         (call $return_set (i32.const 64) (i32.const 4))`,
        dataAt(256, 'acme/between') + dataAt(320, 'go'),
      ),
      manifest: { calls: ['acme/between'] },
    },
  })
  const round = chain.go('acme/one')
  t.equal(round.code, 'OK', 'two caught the refusal of one')
  const inner = chain.go('acme/result')
  t.equal(i32Of(inner.returned), negated('READ_ONLY'), 'the writer below a static call')
  t.equal(i32Of(chain.go('acme/between').returned), 0, 'and writes when nobody above is static')
})

t.test('only what the manifest names may be called', async (t) => {
  const chain = new Probes({
    'acme/callee': { body: go('') },
    'acme/caller': { ...callTo('acme/callee'), manifest: {} },
  })
  t.equal(chain.go('acme/caller').code, 'NOT_IN_MANIFEST')
})

t.test('a target is an alias of any length, or an address', async (t) => {
  const aliases = ['acme/callee', `acme/${'n'.repeat(27)}`, `acme/${'n'.repeat(59)}`]
  t.same(
    aliases.map(({ length }) => length),
    [11, 32, 64],
    'as long as an address, and as its hex form',
  )
  const callees = Object.fromEntries(
    aliases.map((alias) => [alias, { body: go(returnI32('(i32.const 7)')) }]),
  )
  const callers = Object.fromEntries(
    aliases.map((alias, index) => [`acme/caller-${index}`, callTo(alias, { flags: 0 })]),
  )
  const chain = new Probes({ ...callees, ...callers })
  for (const [index, alias] of aliases.entries()) {
    t.equal(chain.go(`acme/caller-${index}`).code, 'OK', alias)
    t.equal(i32Of(chain.go(alias).returned), 7)
    const address = chain.world.last?.receiptsDecoded[0].target?.address as Uint8Array
    t.equal(i32Of(chain.go(hex(address)).returned), 7, 'by address')
  }
  t.equal(chain.go('ff'.repeat(32)).code, 'CONTRACT_UNKNOWN')
  t.equal(chain.go('ff').code, 'CONTRACT_UNKNOWN')
})

t.test('eight frames deep, not nine; 64 frames, not 65', async (t) => {
  const chain: Record<string, Probe> = { 'acme/d9': { body: go('') } }
  for (let depth = 1; depth < 9; depth += 1)
    chain[`acme/d${depth}`] = callTo(`acme/d${depth + 1}`, { flags: 0 })
  const loop = (count: number): Probe => ({
    body: go(
      `(local $n i32) (local $status i32)
       (loop $more
         (local.set $status ${callExpression('acme/d9')})
         (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const ${count}))))
       ${returnI32('(local.get $status)')}`,
      dataAt(256, 'acme/d9') + dataAt(320, 'go'),
    ),
    manifest: { calls: ['acme/d9'] },
  })
  const probes = new Probes({ ...chain, 'acme/f63': loop(63), 'acme/f64': loop(64) })
  t.equal(probes.go('acme/d2').code, 'OK', 'd2 to d9 are eight')
  t.equal(probes.go('acme/d1').code, 'DEPTH_EXCEEDED')
  t.equal(i32Of(probes.go('acme/f63').returned), 0)
  t.equal(i32Of(probes.go('acme/f64').returned), negated('FRAMES_EXCEEDED'))
})

t.test('the callee sees the calling contract as caller and the signer as origin', async (t) => {
  const probes = new Probes({
    'acme/who': {
      body: go('(call $context_read (i32.const 0)) (call $return_set (i32.const 0) (i32.const 184))'),
    },
    'acme/asks': {
      body: go(
        `(drop ${callExpression('acme/who')}) (call $result_read (i32.const 1024))
         (call $return_set (i32.const 1024) (i32.const 184))`,
        dataAt(256, 'acme/who') + dataAt(320, 'go'),
      ),
      manifest: { calls: ['acme/who'] },
    },
    'acme/self': {
      body: go('(call $context_read (i32.const 0)) (call $return_set (i32.const 144) (i32.const 32))'),
    },
  })
  const context = Buffer.from(probes.go('acme/asks').returned)
  t.equal(hex(context.subarray(80, 112)), hex(probes.caller.entity))
  t.not(hex(context.subarray(48, 80)), hex(probes.caller.entity))
  t.equal(context[177], 1, 'depth')
})

t.test('nobody can tell a reused instance from a fresh one', async (t) => {
  // Adds one to a global, a memory cell and a zeroed cell, grows on demand; what it sees must never depend
  // on the past.
  const sticky: Probe = {
    body: `(global $count (mut i32) (i32.const 40)) (global $wide (mut i64) (i64.const 1))
      (func (export "_initialize") (global.set $count (i32.const 41)) (i32.store (i32.const 512) (i32.const 7)))
      (func (export "go")
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (global.set $wide (i64.add (global.get $wide) (i64.const 1)))
        (i32.store (i32.const 512) (i32.add (i32.load (i32.const 512)) (i32.const 1)))
        (i32.store (i32.const 60000) (i32.add (i32.load (i32.const 60000)) (i32.const 1)))
        (i32.store (i32.const 0) (global.get $count)) (i64.store (i32.const 4) (global.get $wide))
        (i32.store (i32.const 12) (i32.load (i32.const 512))) (i32.store (i32.const 16) (i32.load (i32.const 60000)))
        (i32.store (i32.const 20) (memory.size))
        (if (call $input_len) (then (drop (memory.grow (i32.const 1)))))
        (call $return_set (i32.const 0) (i32.const 24)))`,
    manifest: { methods: methodsOf({ go: 'call' }) },
  }
  const probes = new Probes({ 'acme/sticky': sticky })
  const first = probes.go('acme/sticky')
  const answers = [first]
  for (const args of [0, 1, 0, 1, 0]) answers.push(probes.go('acme/sticky', new Uint8Array(args)))
  probes.world.cache = createModuleCache()
  answers.push(probes.go('acme/sticky'))
  for (const answer of answers) t.equal(hex(answer.returned), hex(first.returned))
  t.equal(hex(first.returned), '2a000000' + '0200000000000000' + '08000000' + '01000000' + '01000000')
  const plain = answers.filter((_, index) => ![2, 4].includes(index)).map(({ fuelUsed }) => fuelUsed)
  t.equal(new Set(plain).size, 1, 'the same fuel, fresh or reused')
})
