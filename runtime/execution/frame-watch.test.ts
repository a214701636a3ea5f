// What the watch hears: the module and method that really run, and the transaction that they run for, so that
// a machine that fails in one names the right one.
import t from 'tap'
import {
  contractAddress,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  recordKind,
  type Schema,
} from '../protocol/index.js'
import { createModuleCache, warmModules, type FrameStart } from './index.js'
import { dataAt, go } from './probe.fixture.js'
import {
  contractOf,
  genesisContract,
  methodsOf,
  systemContracts,
  type TestContract,
} from './test-contracts.fixture.js'
import {
  admissionOf,
  borsh,
  hex,
  observationOf,
  patientOf,
  ports,
  sha256,
  signerOf,
  World,
} from './world.fixture.js'

const admin = signerOf('admin')
const vendor = signerOf('vendor', entityKind.vendor)
const monitor = signerOf('monitor', entityKind.source)
const lisa = patientOf('lisa')
const pulse = '8867-4'
const none = '00'.repeat(32)

const callInner =
  '(drop (call $contract_call (i32.const 256) (i32.const 10) (i32.const 320) (i32.const 2) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2)))'
const inner = contractOf({ alias: 'acme/inner', methods: methodsOf({ go: 'call' }), tables: [] }, go(''))
const outer = contractOf(
  { alias: 'acme/outer', methods: methodsOf({ go: 'call' }), calls: ['acme/inner'] },
  go(callInner, dataAt(256, 'acme/inner') + dataAt(320, 'go')),
)
/** A rule on every pulse; it asks to be called again at once. */
const rule = contractOf(
  {
    alias: 'acme/rule',
    reads: [{ kind: recordKind.observation, codes: [pulse] }],
    subscriptions: [{ kind: recordKind.observation, codes: [pulse], method: 'onPulse', priority: 1 }],
    methods: methodsOf({ onPulse: 'record', ring: 'timer' }),
  },
  `${dataAt(512, 'ring')}
   (func (export "onPulse") (call $timer_set (i64.const 1) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))
   (func (export "ring"))`,
)

const contracts = [...systemContracts, ...[inner, outer, rule].map(genesisContract)]

interface Told {
  /** Name, method and depth, or 'nothing' once nothing runs any more. */
  frame: string
  transaction: string
  cause: string
}

function found(): { world: World; told: Told[] } {
  const world = new World({ signers: [admin, vendor, monitor], contracts })
  world.block([world.append(monitor, [admissionOf(lisa)])])
  world.cache = createModuleCache()
  const told: Told[] = []
  world.watch = (frame) => told.push(toldOf(frame))
  return { world, told }
}

const toldOf = (frame: FrameStart | undefined): Told =>
  frame === undefined
    ? { frame: 'nothing', transaction: '', cause: '' }
    : {
        frame: `${frame.alias}.${frame.method} ${frame.depth}`,
        transaction: hex(frame.transactionId),
        cause: hex(frame.cause),
      }

const framesOf = (told: Told[]): string[] => told.map(({ frame }) => frame)

t.test('a policy question names the policy and the transaction that it is asked for', async (t) => {
  const { world, told } = found()
  const { receiptsDecoded } = world.block([
    world.append(monitor, [observationOf(lisa, 'a', 1)]),
    world.append(monitor, [observationOf(lisa, 'b', 1)]),
  ])
  const [first, second] = receiptsDecoded.map(({ transactionId }) => hex(transactionId))
  t.same(told, [
    { frame: 'ward/policy.mayAppend 0', transaction: first, cause: first },
    { frame: 'nothing', transaction: '', cause: '' },
    { frame: 'ward/policy.mayAppend 0', transaction: second, cause: second },
    { frame: 'nothing', transaction: '', cause: '' },
  ])
})

t.test('the innermost frame, and its caller again when it has ended', async (t) => {
  const { world, told } = found()
  const [{ transactionId }] = world.block([world.call(admin, 'acme/outer', 'go')]).receiptsDecoded
  t.same(framesOf(told), ['acme/outer.go 0', 'acme/inner.go 1', 'acme/outer.go 0', 'nothing'])
  t.same(new Set(told.slice(0, 3).map(({ transaction }) => transaction)), new Set([hex(transactionId)]))
})

t.test('a rule has its own id and names the reading; a timer is caused by nobody', async (t) => {
  const { world, told } = found()
  const { receiptsDecoded } = world.block([world.append(monitor, [observationOf(lisa, pulse, 80)])])
  const [reading, judged] = receiptsDecoded.map(({ transactionId }) => hex(transactionId))
  t.same(told[2], { frame: 'acme/rule.onPulse 0', transaction: judged, cause: reading })
  told.length = 0
  const [rung] = world.block([world.call(admin, 'acme/inner', 'go')]).receiptsDecoded
  t.same(told[0], { frame: 'acme/rule.ring 0', transaction: hex(rung.transactionId), cause: none })
})

function command(tag: keyof typeof kernelCommandTag, body: unknown): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  return Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
}

t.test('a module that is compiled and tried, its migration, and those of a start', async (t) => {
  const { world, told } = found()
  const fresh: TestContract = contractOf(
    {
      ...{ alias: 'acme/inner', version: '2.0.0', migrateVersion: 2, tables: [] },
      methods: methodsOf({ go: 'call', migrate: 'system' }),
    },
    go('', '(func (export "migrate"))'),
  )
  const [manifest, code] = [fresh.manifestBytes, fresh.code].map(sha256)
  const address = contractAddress(sha256, {
    chainId: world.chainId,
    alias: 'acme/inner',
    manifestHash: manifest,
    codeHash: code,
  })
  const govern = (signer: typeof admin, args: Uint8Array, attachments: Uint8Array[] = []) =>
    world.block([
      world.call(signer, 'ward/governance', 'command', args, { attachments, fuelLimit: 900_000_000 }),
    ]).receiptsDecoded
  const deployment = command('deploy', { vendor: vendor.entity, manifest, code })
  const [deployed] = govern(vendor, deployment, [fresh.manifestBytes, fresh.code])
  t.equal(deployed.detail ?? '', '')
  t.same(framesOf(told), [
    'ward/governance.command 0',
    'acme/inner._initialize 0',
    'ward/governance.command 0',
    'nothing',
  ])
  t.equal(told[1].transaction, hex(deployed.transactionId))
  govern(admin, command('approve', { address }))
  told.length = 0
  const [asked, switched] = govern(admin, command('activate', { addresses: [address] }))
  t.equal(switched.status, 0)
  t.same(told.slice(-2), [
    {
      frame: 'acme/inner.migrate 0',
      transaction: hex(switched.transactionId),
      cause: hex(asked.transactionId),
    },
    { frame: 'nothing', transaction: '', cause: '' },
  ])
  told.length = 0
  warmModules(world.chain, createModuleCache(), { ...ports, watch: world.watch })
  t.ok(framesOf(told).includes('acme/rule._initialize 0'))
  t.equal(framesOf(told).at(-1), 'nothing')
})

t.test('a machine that fails leaves told what ran: in a call, and while it compiles', async (t) => {
  const { world, told } = found()
  const broken = new RangeError('Maximum call stack size exceeded')
  world.watch = (frame) => {
    told.push(toldOf(frame))
    // Stands for the engine failing inside the callee.
    if (frame?.depth === 1) throw broken
  }
  t.throws(() => world.try([world.call(admin, 'acme/outer', 'go')]), { code: 'NATIVE_FAILURE' })
  t.equal(framesOf(told).at(-1), 'acme/inner.go 1')
  world.watch = (frame) => told.push(toldOf(frame))
  const cache = createModuleCache()
  const module: typeof cache.module = (...asked) => cache.module(...asked)
  world.cache = {
    ...cache,
    module: (hash, ...rest) =>
      Buffer.from(hash).equals(sha256(inner.code))
        ? {
            ...module(hash, ...rest),
            framePrice: () => {
              throw broken
            },
          }
        : module(hash, ...rest),
  }
  t.throws(() => world.try([world.call(admin, 'acme/outer', 'go')]))
  t.equal(framesOf(told).at(-1), 'acme/inner.go 1', 'before anything of it was entered')
})
