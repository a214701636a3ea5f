// Two persons for every version: the vendor who signs it and a person of the hospital who approves it. Whose
// an alias is, what is refused at a switch, and how old an answer of a former version is.
import t from 'tap'
import {
  codeOfStatus,
  contractAddress,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  type Manifest,
  type Schema,
} from '../protocol/index.js'
import { dependantsOf, readAlias, versionsOf } from './index.js'
import { contractOf, methodsOf, systemContracts, type TestContract } from './test-contracts.fixture.js'
import { borsh, sha256, signerOf, World, type Signer } from './world.fixture.js'

const admin = signerOf('admin')
const doctor = signerOf('doctor')
const vendor = signerOf('vendor', entityKind.vendor)
const rival = signerOf('rival', entityKind.vendor)
const device = signerOf('device', entityKind.source)

const found = (): World =>
  new World({ signers: [admin, doctor, vendor, rival, device], contracts: systemContracts })

function command(tag: keyof typeof kernelCommandTag, body: Record<string, unknown>): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  return Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
}

const issue = (
  world: World,
  signer: Signer,
  bytes: Uint8Array,
  attachments: Uint8Array[] = [],
): Uint8Array =>
  world.call(signer, 'ward/governance', 'command', bytes, { attachments, fuelLimit: 150_000_000 })

/** Codes of all receipts of a block with these commands. */
function codes(world: World, bundles: Uint8Array[]): string[] {
  return world.block(bundles).receiptsDecoded.map(({ status }) => codeOfStatus(status) ?? '')
}

function run(world: World, signer: Signer, bytes: Uint8Array, attachments: Uint8Array[] = []): string {
  return codes(world, [issue(world, signer, bytes, attachments)]).join(' ')
}

const addressOf = (world: World, { manifest, manifestBytes, code }: TestContract): Uint8Array =>
  contractAddress(sha256, {
    chainId: world.chainId,
    alias: manifest.alias,
    manifestHash: sha256(manifestBytes),
    codeHash: sha256(code),
  })

const deploy = (world: World, contract: TestContract, signer = vendor, as = signer): string => {
  const { manifestBytes, code } = contract
  const body = { vendor: as.entity, manifest: sha256(manifestBytes), code: sha256(code) }
  return run(world, signer, command('deploy', body), [manifestBytes, code])
}
const approve = (world: World, contract: TestContract, signer = doctor): string =>
  run(world, signer, command('approve', { address: addressOf(world, contract) }))
const activate = (world: World, ...contracts: TestContract[]): string =>
  run(world, admin, command('activate', { addresses: contracts.map((one) => addressOf(world, one)) }))

/** `get` gives its number, `put` writes table 1. */
const version = (number: number, fields: Partial<Manifest> = {}, extra = ''): TestContract =>
  contractOf(
    {
      alias: 'acme/rule',
      version: `${number}.0.0`,
      methods: methodsOf({ get: 'view', put: 'call' }),
      ...fields,
    },
    `(func (export "get") (i32.store8 (i32.const 0) (i32.const ${number})) (call $return_set (i32.const 0) (i32.const 1)))
     (func (export "put") (call $state_set (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))
     ${extra}`,
  )

t.test('nothing becomes active that only one of the two has signed', async (t) => {
  const world = found()
  const one = version(1)
  t.equal(deploy(world, one), 'OK')
  t.equal(activate(world, one), 'NOT_APPROVED')
  t.equal(approve(world, one, vendor), 'APPROVAL_REFUSED', 'the vendor approves nothing of its own')
  t.equal(approve(world, one, rival), 'APPROVAL_REFUSED', 'another vendor is no person of the hospital')
  t.equal(approve(world, one, device), 'APPROVAL_REFUSED', 'nor is a device')
  t.equal(approve(world, version(2)), 'CONTRACT_UNKNOWN', 'what is not deployed cannot be approved')
  t.equal(activate(world, one), 'NOT_APPROVED')
  t.notOk(readAlias(world.chain, 'acme/rule'))
  t.equal(approve(world, one), 'OK')
  t.equal(activate(world, one), 'OK OK')
  const [info] = versionsOf(world.chain, 'acme/rule')
  t.same(info.approval?.approver, doctor.entity, 'who approved is on the chain')
  t.ok(Number(info.approval?.height) > info.deployedAt)
})

t.test('only a vendor deploys, under its own signature and its own alias', async (t) => {
  const world = found()
  t.equal(deploy(world, version(1), admin), 'VENDOR_REQUIRED', 'an administrator is no vendor')
  t.equal(deploy(world, version(1), admin, vendor), 'VENDOR_REQUIRED', 'nobody signs for the vendor')
  t.equal(deploy(world, version(1), rival), 'OK', 'before the first activation a name is nobody’s')
  t.equal(deploy(world, version(2)), 'OK')
  approve(world, version(1))
  approve(world, version(2))
  t.equal(activate(world, version(2)), 'OK OK')
  t.equal(activate(world, version(1)), 'ALIAS_TAKEN', 'the rival cannot take the alias over')
  t.equal(deploy(world, version(3), rival), 'ALIAS_TAKEN')
  t.equal(deploy(world, version(3)), 'OK')
  const policy = contractOf(
    { alias: 'ward/alerts', methods: methodsOf({ raise: 'system' }) },
    '(func (export "raise"))',
  )
  t.equal(deploy(world, policy, rival), 'OK', 'what the chain was founded with any vendor may replace')
  t.equal(activate(world, policy), 'NOT_APPROVED', 'with the hospital’s approval')
  approve(world, policy)
  t.equal(activate(world, policy), 'OK OK')
  const founding = versionsOf(world.chain, 'ward/alerts')[0]
  t.equal(
    run(world, admin, command('activate', { addresses: [founding.address] })),
    'OK OK',
    'and the founding version can be gone back to',
  )
})

t.test('an approval withdrawn stops further switches, not the active version', async (t) => {
  const world = found()
  const [one, two] = [version(1), version(2)]
  for (const contract of [one, two]) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, one)
  activate(world, two)
  const withdraw = command('withdrawApproval', { address: addressOf(world, one) })
  t.equal(run(world, doctor, withdraw), 'OK')
  t.equal(run(world, doctor, withdraw), 'NOT_APPROVED')
  t.equal(activate(world, one), 'NOT_APPROVED', 'no roll-back to it')
  t.equal(versionsOf(world.chain, 'acme/rule')[1].active, true)
  t.equal(approve(world, one), 'OK')
  const inOneBlock = codes(world, [
    issue(world, doctor, withdraw),
    issue(world, admin, command('activate', { addresses: [addressOf(world, one)] })),
  ])
  t.same(inOneBlock, ['OK', 'NOT_APPROVED'], 'an approval withdrawn earlier in the block counts')
})

t.test('deploy, approve and activate in one block, each by its own person', async (t) => {
  const world = found()
  // In one lane: the founding table has a vendor's calls behind those of persons.
  t.equal(run(world, admin, command('setLanes', { records: [], calls: [] })), 'OK')
  const one = version(1)
  const body = { vendor: vendor.entity, manifest: sha256(one.manifestBytes), code: sha256(one.code) }
  const address = addressOf(world, one)
  const bundles = [
    issue(world, vendor, command('deploy', body), [one.manifestBytes, one.code]),
    issue(world, doctor, command('approve', { address })),
    issue(world, admin, command('activate', { addresses: [address] })),
  ]
  t.same(codes(world, bundles), ['OK', 'OK', 'OK', 'OK'])
  t.equal(versionsOf(world.chain, 'acme/rule')[0].active, true)
})

t.test('a contract between a person and governance signs for nobody', async (t) => {
  const world = found()
  const one = version(1)
  // Hands its argument to governance: what a hostile contract does when a person calls it.
  const deputy = contractOf(
    { alias: 'acme/deputy', calls: ['ward/governance'], methods: methodsOf({ go: 'call' }, 50_000_000) },
    `(data (i32.const 0) "ward/governancecommand")
     (func (export "go")
       (call $input_read (i32.const 1024))
       (drop (call $contract_call (i32.const 0) (i32.const 15) (i32.const 15) (i32.const 7)
         (i32.const 1024) (call $input_len) (i64.const 0) (i32.const 0))))`,
  )
  for (const contract of [one, deputy]) deploy(world, contract)
  approve(world, deputy)
  t.equal(activate(world, deputy), 'OK OK')
  const lure = command('approve', { address: addressOf(world, one) })
  t.same(codes(world, [world.call(doctor, 'acme/deputy', 'go', lure)]), ['APPROVAL_REFUSED'])
  t.equal(versionsOf(world.chain, 'acme/rule')[0].approval, undefined)
})

t.test('a question whether a switch would be accepted switches nothing', async (t) => {
  const world = found()
  const one = version(1)
  deploy(world, one)
  const ask = command('checkActivation', { addresses: [addressOf(world, one)] })
  t.equal(run(world, admin, ask), 'NOT_APPROVED')
  approve(world, one)
  t.equal(run(world, admin, ask), 'OK')
  t.notOk(readAlias(world.chain, 'acme/rule'))
})

t.test('a version without a method that a timer waits for is refused', async (t) => {
  const ring = '(func (export "ring"))'
  const set = `(data (i32.const 512) "ring") (func (export "later") (call $timer_set (i64.const 1800000000000)
    (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))`
  const methods = methodsOf({ get: 'view', put: 'call', later: 'call', ring: 'timer' })
  const world = found()
  const one = version(1, { methods }, ring + set)
  const [two, three] = [version(2), version(3, { methods }, ring + set)]
  for (const contract of [one, two, three]) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, one)
  t.equal(activate(world, three), 'OK OK', 'no timer waits')
  t.same(codes(world, [world.call(admin, 'acme/rule', 'later')]), ['OK'])
  t.equal(activate(world, two), 'TIMERS_PENDING')
  t.equal(activate(world, one), 'OK OK', 'a version with the method takes the timers over')
})

t.test('a reader of a former layout is told how old its answer is', async (t) => {
  const asks = contractOf(
    {
      alias: 'acme/asks',
      calls: ['acme/rule'],
      methods: methodsOf({ go: 'call', both: 'call' }, 50_000_000),
    },
    `(data (i32.const 0) "getacme/rule")
     (func $ask (param $at i32) (param $length i32)
       (drop (call $contract_call (local.get $at) (local.get $length) (i32.const 0) (i32.const 3)
         (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 1))))
     (func (export "go") (call $input_read (i32.const 64)) (call $ask (i32.const 64) (i32.const 32))
       (i64.store (i32.const 128) (call $answer_frozen_since)) (call $return_set (i32.const 128) (i32.const 8)))
     (func (export "both") (call $input_read (i32.const 64)) (call $ask (i32.const 64) (i32.const 32))
       (call $ask (i32.const 3) (i32.const 9))
       (i64.store (i32.const 128) (call $answer_frozen_since)) (call $return_set (i32.const 128) (i32.const 8)))`,
  )
  const world = found()
  const migrate = '(func (export "migrate"))'
  const one = version(1, { methods: methodsOf({ get: 'call', put: 'call' }) })
  const two = version(
    2,
    { migrateVersion: 2, tables: [], methods: methodsOf({ get: 'call', put: 'call', migrate: 'system' }) },
    migrate,
  )
  for (const contract of [one, two, asks]) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, one, asks)
  const go = (method: string): { since: number; detail: string | undefined } => {
    const [receipt] = world.block([
      world.call(admin, 'acme/asks', method, addressOf(world, one)),
    ]).receiptsDecoded
    t.equal(codeOfStatus(receipt.status), 'OK')
    return { since: Number(Buffer.from(receipt.returned ?? []).readBigUInt64LE(0)), detail: receipt.detail }
  }
  t.same(go('go'), { since: 0, detail: undefined }, 'live tables')
  activate(world, two)
  const switched = world.height
  t.same(go('go'), { since: switched, detail: `answered as of height ${switched}` })
  t.same(
    go('both'),
    { since: 0, detail: `answered as of height ${switched}` },
    'the receipt tells the oldest',
  )
  const hexOne = Buffer.from(addressOf(world, one)).toString('hex')
  const direct = world.block([world.call(admin, hexOne, 'get')]).receiptsDecoded[0]
  t.equal(direct.detail, `answered as of height ${switched}`)
  t.same(
    dependantsOf(world.chain, 'acme/rule').map(({ alias }) => alias),
    ['acme/asks'],
  )
})

t.test('the first switch to a layout is never forgotten, however often an alias switches', async (t) => {
  const world = found()
  const contracts = [
    version(1),
    version(2, { migrateVersion: 2, tables: [] }),
    version(3, { migrateVersion: 2, tables: [] }),
  ]
  for (const contract of contracts) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, contracts[0])
  activate(world, contracts[1])
  const since = world.height
  for (let round = 0; round < 130; round += 1) {
    activate(world, contracts[2])
    activate(world, contracts[1])
  }
  t.equal(readAlias(world.chain, 'acme/rule')?.history.length, 256)
  t.equal(versionsOf(world.chain, 'acme/rule')[0].frozenSince, since)
})

t.test(
  'another version of a contract that runs already is re-entry too: they share one store',
  async (t) => {
    const inner = `(func $inner (result i32) (call $contract_call (i32.const 64) (i32.const 32)
    (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 2)))`
    const world = found()
    const one = version(1)
    const two = contractOf(
      {
        alias: 'acme/rule',
        version: '2.0.0',
        calls: ['acme/rule'],
        methods: methodsOf({ go: 'call' }, 50_000_000),
      },
      `(data (i32.const 0) "get")
     ${inner}
     (func (export "go") (call $input_read (i32.const 64)) (i32.store (i32.const 128) (call $inner))
       (call $return_set (i32.const 128) (i32.const 4)))`,
    )
    for (const contract of [one, two]) {
      deploy(world, contract)
      approve(world, contract)
    }
    activate(world, two)
    const call = world.call(admin, 'acme/rule', 'go', addressOf(world, one))
    const [receipt] = world.block([call]).receiptsDecoded
    t.equal(Buffer.from(receipt.returned ?? []).readInt32LE(0), -113)
  },
)

t.test('one alias is activated once in a block, and a later vendor does not get it', async (t) => {
  const world = found()
  const [one, two] = [version(1), version(2)]
  for (const contract of [one, two]) {
    deploy(world, contract)
    approve(world, contract)
  }
  const ask = (contract: TestContract): Uint8Array =>
    issue(world, admin, command('activate', { addresses: [addressOf(world, contract)] }))
  t.same(codes(world, [ask(one), ask(two)]), ['OK', 'ACTIVATION_PENDING', 'OK'])
  t.same(readAlias(world.chain, 'acme/rule')?.active, addressOf(world, one))
})

t.test('a version that drops a method loses against a timer that is set in the same block', async (t) => {
  const world = found()
  const methods = methodsOf({ get: 'view', put: 'call', later: 'call', ring: 'timer' })
  const set = `(data (i32.const 512) "ring") (func (export "ring")) (func (export "later") (call $timer_set
    (i64.const 1800000000000) (i32.const 512) (i32.const 4) (i32.const 0) (i32.const 0) (i64.const 0)))`
  const [one, two] = [version(1, { methods }, set), version(2)]
  for (const contract of [one, two]) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, one)
  const drop = issue(world, admin, command('activate', { addresses: [addressOf(world, two)] }))
  t.same(codes(world, [drop, world.call(admin, 'acme/rule', 'later')]), ['OK', 'OK', 'TIMERS_PENDING'])
  t.same(readAlias(world.chain, 'acme/rule')?.active, addressOf(world, one))
})

t.test('a plan whose migrations do not fit into the timer that would run them is refused', async (t) => {
  const world = found()
  const migrating = { ...methodsOf({ migrate: 'system' }, 490_000_000)[0] }
  const one = version(1)
  const two = version(
    2,
    { migrateVersion: 2, tables: [], methods: [...methodsOf({ get: 'view', put: 'call' }), migrating] },
    '(func (export "migrate"))',
  )
  for (const contract of [one, two]) {
    deploy(world, contract)
    approve(world, contract)
  }
  activate(world, one)
  const ask = command('checkActivation', { addresses: [addressOf(world, two)] })
  t.equal(run(world, admin, ask), 'MIGRATION_TOO_LONG')
})

t.test('a migration that fails takes back the switch of every alias in the transaction', async (t) => {
  const world = found()
  const tables = [{ id: 2, name: 'rows', patient: false }]
  const methods = methodsOf({ get: 'view', put: 'call', migrate: 'system' })
  const newer = { migrateVersion: 2, tables, methods }
  const other = { alias: 'acme/second' }
  const writes =
    '(func (export "migrate") (call $state_set (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))'
  const [a, b] = [version(1), version(1, other)]
  const next = version(2, newer, writes)
  const broken = version(2, { ...other, ...newer }, '(func (export "migrate") (unreachable))')
  const mended = version(3, { ...other, ...newer }, writes)
  for (const contract of [a, b, next, broken, mended]) {
    t.equal(deploy(world, contract), 'OK')
    t.equal(approve(world, contract), 'OK')
  }
  const active = (): unknown[] =>
    [a, b].map(({ manifest }) => readAlias(world.chain, manifest.alias)?.active)
  t.equal(activate(world, a, b), 'OK OK')
  t.equal(activate(world, next, broken), 'OK TRAPPED', 'the first one migrated, the second one trapped')
  t.same(active(), [addressOf(world, a), addressOf(world, b)], 'both stay')
  const written = world.last?.writeSet.state.filter(({ store }) => store.includes('/'))
  t.same(written, [], 'and no row of the migration that went well is left')
  t.equal(activate(world, next, mended), 'OK OK', 'the same switch with a version that works')
  t.same(active(), [addressOf(world, next), addressOf(world, mended)])
  t.equal(activate(world, a), 'LAYOUT_REFUSED', 'and there is no way back to tables that nobody writes')
})
