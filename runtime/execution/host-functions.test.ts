// Host functions one by one: bounds, caps, prices, meaning.
import sodium from 'sodium-native'
import t from 'tap'
import { statusOf } from '../protocol/index.js'
import { hostSignatures } from './host-abi.js'
import { hostPricesV2 } from './host-prices.js'
import { dataAt, go, i32Of, Probes, returnI32, type Probe } from './probe.fixture.js'
import { hex, sha256 } from './world.fixture.js'

t.test('every import has a price and a signature', async (t) => {
  t.same(Object.keys(hostPricesV2).sort(), Object.keys(hostSignatures).sort())
  t.ok(Object.keys(hostSignatures).length <= 30)
  for (const [name, price] of Object.entries(hostPricesV2)) t.ok(price.base > 0, `${name} is never free`)
})

/** Calls with a pointer that ends outside the memory, and with a length above the cap. */
const far = '(i32.const -16)'
const near = '(i32.const 0)'
const size = (bytes: number): string => `(i32.const ${bytes})`
const outOfBounds: Record<string, string> = {
  input_read: `(call $input_read ${size(65_536 - 3)})`,
  return_set: `(call $return_set ${far} ${size(32)})`,
  abort: `(call $abort (i32.const 1) ${far} ${size(32)} (i32.const 1))`,
  context_read: `(call $context_read ${size(65_536 - 183)})`,
  state_get: `(drop (call $state_get ${near} ${far} ${size(32)}))`,
  state_set_key: `(call $state_set ${near} ${far} ${size(32)} ${near} ${size(1)})`,
  state_set_value: `(call $state_set ${near} ${near} ${size(1)} ${size(65_530)} ${size(32)})`,
  state_remove: `(call $state_remove ${near} ${far} ${size(32)})`,
  ordered_put: `(call $ordered_put ${near} ${near} ${size(1)} (i64.const 1) ${far} ${size(32)})`,
  ordered_remove: `(drop (call $ordered_remove ${near} ${far} ${size(32)} (i64.const 1) (i32.const 0)))`,
  state_scan: `(drop (call $state_scan ${near} ${far} ${size(32)} (i64.const 0) (i64.const 9) (i32.const 1)))`,
  record_get: `(drop (call $record_get ${size(65_536 - 31)}))`,
  record_latest: `(drop (call $record_latest (i32.const 2) ${size(65_536 - 15)} ${near} ${near} (i64.const 0) (i64.const 9)))`,
  record_query: `(drop (call $record_query (i32.const 2) ${size(65_536 - 15)} ${near} ${near} (i64.const 0) (i64.const 9) (i32.const 1)))`,
  record_emit: `(call $record_emit ${far} ${size(32)})`,
  alert_raise: `(drop (call $alert_raise ${far} ${size(32)}))`,
  event_emit: `(call $event_emit ${near} ${size(1)} ${far} ${size(32)})`,
  explain: `(call $explain ${far} ${size(32)})`,
  log_write: `(call $log_write ${far} ${size(32)})`,
  contract_call: `(drop (call $contract_call ${near} ${size(3)} ${near} ${size(1)} ${far} ${size(32)} (i64.const 0) (i32.const 2)))`,
  timer_set: `(call $timer_set (i64.const 1) ${far} ${size(32)} ${near} ${near} (i64.const 0))`,
  timer_cancel: `(drop (call $timer_cancel ${size(65_536 - 31)}))`,
  sha256: `(call $sha256 (i32.const -1) (i32.const -1))`,
  ed25519_verify: `(drop (call $ed25519_verify ${near} ${near} ${size(8)} ${size(65_536 - 63)}))`,
  kernel_command: `(drop (call $kernel_command ${far} ${size(32)}))`,
  wrap: `(call $log_write (i32.const 0xffffffff) (i32.const 2))`,
}
const overCap: Record<string, string> = {
  return_set: `(call $return_set ${near} ${size(65_537)})`,
  abort: `(call $abort (i32.const 1) ${near} ${size(1_025)} (i32.const 1))`,
  state_get: `(drop (call $state_get ${near} ${near} ${size(257)}))`,
  state_set: `(call $state_set ${near} ${near} ${size(1)} ${near} ${size(65_537)})`,
  ordered_put: `(call $ordered_put ${near} ${near} ${size(257)} (i64.const 1) ${near} ${size(1)})`,
  record_emit: `(call $record_emit ${near} ${size(65_537)})`,
  alert_raise: `(drop (call $alert_raise ${near} ${size(16_385)}))`,
  event_topic: `(call $event_emit ${near} ${size(65)} ${near} ${size(1)})`,
  event_emit: `(call $event_emit ${near} ${size(1)} ${near} ${size(4_097)})`,
  explain: `(call $explain ${near} ${size(1_025)})`,
  explain_count: `(local $n i32) (loop $more (call $explain ${near} ${size(1)})
    (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 65))))`,
  log_write: `(call $log_write ${near} ${size(1_025)})`,
  log_total: `(local $n i32) (loop $more (call $log_write ${near} ${size(1_024)})
    (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 17))))`,
  events_count: `(local $n i32) (loop $more (call $event_emit ${size(8)} ${size(1)} ${near} ${near})
    (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 100))))`,
  events_bytes: `(local $n i32) (loop $more (call $event_emit ${size(8)} ${size(1)} ${near} ${size(4_096)})
    (br_if $more (i32.lt_s (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 5))))`,
  contract_call: `(drop (call $contract_call ${near} ${size(65)} ${near} ${size(1)} ${near} ${near} (i64.const 0) (i32.const 2)))`,
  timer_set: `(call $timer_set (i64.const 1) ${near} ${size(1)} ${near} ${size(4_097)} (i64.const 0))`,
  sha256: `(call $sha256 ${near} ${size(65_537)})`,
  ed25519_verify: `(drop (call $ed25519_verify ${near} ${near} ${size(65_537)} ${near}))`,
}

/** Two pages, so that lengths above a cap of 64 KiB still lie inside the memory. */
const grown = '(drop (memory.grow (i32.const 1)))'

t.test('pointers are checked before anything else', async (t) => {
  const probes = new Probes(
    Object.fromEntries(
      Object.entries(outOfBounds).map(([name, call]) => [
        `acme/${name.replaceAll('_', '-')}`,
        { body: go(call) },
      ]),
    ),
  )
  for (const name of Object.keys(outOfBounds)) {
    const outcome = probes.go(`acme/${name.replaceAll('_', '-')}`, new Uint8Array(4))
    t.equal(outcome.code, 'MEMORY_OUT_OF_BOUNDS', name)
  }
})

t.test('lengths and counts are capped', async (t) => {
  const probes = new Probes(
    Object.fromEntries(
      Object.entries(overCap).map(([name, call]) => [
        `acme/${name.replaceAll('_', '-')}`,
        {
          body: go(
            call.startsWith('(local')
              ? call.replace(/\) /, `) ${grown} (i32.store8 (i32.const 8) (i32.const 65)) `)
              : `${grown} ${call}`,
          ),
        },
      ]),
    ),
  )
  for (const name of Object.keys(overCap)) {
    t.equal(probes.go(`acme/${name.replaceAll('_', '-')}`).code, 'LIMIT_EXCEEDED', name)
  }
})

t.test('the own store: get, set, remove, ordered tables', async (t) => {
  const put = (order: number, byte: number): string =>
    `(i32.store8 (i32.const 100) (i32.const ${byte}))
     (call $ordered_put (i32.const 3) (i32.const 0) (i32.const 4) (i64.const ${order}) (i32.const 100) (i32.const 1))`
  const probes: Record<string, Probe> = {
    'acme/absent': { body: go(returnI32('(call $state_get (i32.const 1) (i32.const 0) (i32.const 4))')) },
    'acme/set': {
      body: go(
        `(call $state_set (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 5))
         ${returnI32('(call $state_get (i32.const 1) (i32.const 0) (i32.const 4))')}
         (call $result_read (i32.const 64)) (call $return_set (i32.const 64) (call $result_len))`,
        dataAt(16, 'hello'),
      ),
    },
    'acme/remove': {
      body: go(
        `(call $state_set (i32.const 1) (i32.const 0) (i32.const 4) (i32.const 16) (i32.const 5))
         (call $state_remove (i32.const 1) (i32.const 0) (i32.const 4))
         ${returnI32('(call $state_get (i32.const 1) (i32.const 0) (i32.const 4))')}`,
      ),
    },
    'acme/scan': {
      body: go(
        `${put(7, 70)} ${put(5, 50)} ${put(7, 71)} ${put(9, 90)}
         (drop (call $ordered_remove (i32.const 3) (i32.const 0) (i32.const 4) (i64.const 9) (i32.const 0)))
         (drop (call $state_scan (i32.const 3) (i32.const 0) (i32.const 4) (i64.const 0) (i64.const -1) (i32.const 100)))
         (call $result_read (i32.const 200)) (call $return_set (i32.const 200) (call $result_len))`,
      ),
    },
    'acme/table': { body: go('(call $state_remove (i32.const 256) (i32.const 0) (i32.const 4))') },
  }
  const chain = new Probes(probes)
  t.equal(i32Of(chain.go('acme/absent').returned), -1)
  t.equal(Buffer.from(chain.go('acme/set').returned).toString(), 'hello')
  t.equal(i32Of(chain.go('acme/remove').returned), -1)
  const scanned = Buffer.from(chain.go('acme/scan').returned)
  t.equal(scanned.readUInt32LE(0), 3)
  const rows = [0, 1, 2].map((index) => {
    const at = 4 + index * 17
    return [Number(scanned.readBigUInt64LE(at)), scanned.readUInt32LE(at + 8), scanned[at + 16]]
  })
  t.same(rows, [
    [5, 0, 50],
    [7, 0, 70],
    [7, 1, 71],
  ])
  t.equal(chain.go('acme/table').code, 'ARGUMENT_INVALID')
})

t.test('context, fuel, hash, input, abort, events, explanations', async (t) => {
  const chain = new Probes({
    'acme/context': {
      body: go('(call $context_read (i32.const 0)) (call $return_set (i32.const 0) (i32.const 184))'),
    },
    'acme/fuel': {
      body: go(
        `(i64.store (i32.const 0) (call $fuel_left)) (i64.store (i32.const 8) (call $fuel_left))
         (call $return_set (i32.const 0) (i32.const 16))`,
      ),
    },
    'acme/hash': {
      body: go(
        `(call $input_read (i32.const 0)) (call $sha256 (i32.const 0) (call $input_len))
         (call $result_read (i32.const 0)) (call $return_set (i32.const 0) (call $result_len))`,
      ),
    },
    'acme/abort': {
      body: go(
        '(call $abort (i32.const 4711) (i32.const 0) (i32.const 5) (i32.const 12))',
        dataAt(0, 'weigh'),
      ),
    },
    'acme/abort-zero': {
      body: go('(call $abort (i32.const 0) (i32.const 0) (i32.const 5) (i32.const 12))'),
    },
    'acme/abort-high': {
      body: go('(call $abort (i32.const 65536) (i32.const 0) (i32.const 5) (i32.const 12))'),
    },
    'acme/event': {
      body: go(
        '(call $event_emit (i32.const 0) (i32.const 5) (i32.const 8) (i32.const 2))',
        dataAt(0, 'weigh\\00\\00\\00\\01\\02'),
      ),
    },
    'acme/event-text': {
      body: go(
        '(call $event_emit (i32.const 0) (i32.const 2) (i32.const 8) (i32.const 2))',
        dataAt(0, 'a\\00'),
      ),
    },
    'acme/last': {
      body: go(
        '(call $return_set (i32.const 0) (i32.const 1)) (call $return_set (i32.const 1) (i32.const 2))',
        dataAt(0, 'xyz'),
      ),
    },
  })
  const { world, caller } = chain
  const context = Buffer.from(chain.go('acme/context').returned)
  t.equal(context.readBigUInt64LE(0), 1n, 'height')
  t.equal(Number(context.readBigUInt64LE(8)), world.time, 'block time')
  t.equal(hex(context.subarray(16, 48)), hex(world.last?.transactionIds[0] as Uint8Array))
  t.equal(hex(context.subarray(48, 80)), hex(caller.entity), 'caller')
  t.equal(hex(context.subarray(80, 112)), hex(caller.entity), 'origin')
  t.same([...context.subarray(176)], [0, 0, 0, 0, 0, 0, 0, 0])
  const fuel = Buffer.from(chain.go('acme/fuel').returned)
  t.ok(fuel.readBigInt64LE(0) > fuel.readBigInt64LE(8))
  const input = Buffer.from('reading')
  t.equal(hex(chain.go('acme/hash', input).returned), hex(sha256(input)))
  const aborted = chain.go('acme/abort')
  t.same([aborted.code, aborted.detail], ['CONTRACT_ABORTED', '4711'])
  t.match(aborted.diagnostics[0].text, 'weigh (line 12)')
  t.equal(chain.go('acme/abort-zero').code, 'ARGUMENT_INVALID')
  t.equal(chain.go('acme/abort-high').code, 'ARGUMENT_INVALID')
  const [event] = chain.go('acme/event').receipt.events
  t.same([event.source, event.topic, hex(event.content)], ['acme/event', 'weigh', '0102'])
  t.equal(chain.go('acme/event-text').code, 'ARGUMENT_INVALID')
  t.equal(Buffer.from(chain.go('acme/last').returned).toString(), 'yz')
})

t.test('what a manifest does not name stops the frame', async (t) => {
  const chain = new Probes({
    'acme/command': { body: go('(drop (call $kernel_command (i32.const 0) (i32.const 1)))') },
    'acme/emit': {
      // kind 2, a patient, no code, time 0, no supersedes, empty body
      body: go('(i32.store8 (i32.const 0) (i32.const 2)) (call $record_emit (i32.const 0) (i32.const 34))'),
    },
    'acme/emit-torn': {
      body: go('(call $record_emit (i32.const 0) (i32.const 33))'),
      manifest: { emits: [{ kind: 2, codes: [] }] },
    },
    'acme/emit-nobody': {
      body: go('(i32.store8 (i32.const 0) (i32.const 2)) (call $record_emit (i32.const 0) (i32.const 34))'),
      manifest: { emits: [{ kind: 2, codes: [] }] },
    },
    'acme/query': {
      body: go(
        '(drop (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const 9) (i32.const 1)))',
      ),
      manifest: { reads: [{ kind: 3, codes: [] }] },
    },
    'acme/unknown-record': { body: go(returnI32('(call $record_get (i32.const 0))')) },
  })
  t.equal(chain.go('acme/command').code, 'COMMAND_NOT_ALLOWED')
  t.equal(chain.go('acme/emit').code, 'NOT_IN_MANIFEST')
  t.equal(chain.go('acme/emit-torn').code, 'ARGUMENT_INVALID')
  t.equal(chain.go('acme/emit-nobody').code, 'PATIENT_UNKNOWN')
  t.equal(chain.go('acme/query').code, 'NOT_IN_MANIFEST')
  t.equal(i32Of(chain.go('acme/unknown-record').returned), -1)
  t.equal(statusOf('NOT_IN_MANIFEST'), 115)
})

t.test('the largest answer that a receipt holds, on a node that never wrote a large receipt', async (t) => {
  const chain = new Probes({
    'acme/large': { body: go(`(call $return_set ${near} ${size(4_096)})`) },
  })
  const outcome = chain.go('acme/large')
  t.equal(outcome.code, 'OK')
  t.equal(outcome.returned.length, 4_096)
})

t.test('a signature is verified, at its price, and a changed one is not', async (t) => {
  // Input: public key 32, signature 64, message.
  const verifies =
    '(call $ed25519_verify (i32.const 1024) (i32.const 1120) (i32.sub (call $input_len) (i32.const 96)) (i32.const 1056))'
  const chain = new Probes({
    'acme/verify': { body: go(`(call $input_read (i32.const 1024)) ${returnI32(verifies)}`) },
  })
  const message = Buffer.from('the dose was given')
  const signature = Buffer.alloc(64)
  const { publicKey, secretKey } = chain.caller
  sodium.crypto_sign_detached(signature, message, secretKey)
  const args = Buffer.concat([publicKey, signature, message])
  const valid = chain.go('acme/verify', args)
  t.same([valid.code, i32Of(valid.returned)], ['OK', 1])
  t.ok(valid.fuelUsed > 300_000, 'paid')
  for (const at of [0, 40, 100]) {
    const changed = Buffer.from(args)
    changed[at] ^= 1
    const outcome = chain.go('acme/verify', changed)
    t.same([outcome.code, i32Of(outcome.returned)], ['OK', 0], `byte ${at}`)
    t.equal(outcome.fuelUsed, valid.fuelUsed, 'the same price')
  }
})
