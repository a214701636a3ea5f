// Governance: deploy, switch, migrate, identities, validators, erasure. Validated at once, applied at the
// block's end.
import t from 'tap'
import {
  aliasEntityId,
  codeOfStatus,
  contractAddress,
  encodeManifest,
  entityIdOf,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  recordKind,
  type Manifest,
  type Schema,
} from '../protocol/index.js'
import {
  callView,
  dependantsOf,
  listAliases,
  versionsOf,
  readAlias,
  readCode,
  readEntity,
  readKey,
  checkTransaction,
} from './index.js'
import {
  contractOf,
  manifestOf,
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

const found = (): World => new World({ signers: [admin, vendor, monitor], contracts: systemContracts })

function command(tag: keyof typeof kernelCommandTag, body: Record<string, unknown>): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  return Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
}

const issue = (
  world: World,
  bytes: Uint8Array,
  attachments: Uint8Array[] = [],
  method = 'command',
  signer = admin,
): Uint8Array =>
  world.call(signer, 'ward/governance', method, bytes, { attachments, fuelLimit: 1_000_000_000 })

/** Status and detail of one command in a block of its own. */
function run(
  world: World,
  bytes: Uint8Array,
  attachments: Uint8Array[] = [],
  signer = admin,
): [string, string] {
  const [receipt] = world.block([issue(world, bytes, attachments, 'command', signer)]).receiptsDecoded
  const code = codeOfStatus(receipt.status) ?? ''
  return [
    code === 'CONTRACT_ABORTED' ? (codeOfStatus(Number.parseInt(receipt.detail ?? '', 10)) ?? '') : code,
    receipt.detail ?? '',
  ]
}

const addressOf = (world: World, { manifest, manifestBytes, code }: TestContract): Uint8Array =>
  contractAddress(sha256, {
    chainId: world.chainId,
    alias: manifest.alias,
    manifestHash: sha256(manifestBytes),
    codeHash: sha256(code),
  })

const deployOf = ({ manifestBytes, code }: TestContract): Uint8Array =>
  command('deploy', { vendor: vendor.entity, manifest: sha256(manifestBytes), code: sha256(code) })

/** Deployed by the vendor, approved by nobody yet. */
const deployOnly = (world: World, contract: TestContract): [string, string] =>
  run(world, deployOf(contract), [contract.manifestBytes, contract.code], vendor)

const approve = (world: World, contract: TestContract, signer = admin): [string, string] =>
  run(world, command('approve', { address: addressOf(world, contract) }), [], signer)

/** Deployed by the vendor and approved by the administrator. */
function deploy(world: World, contract: TestContract): [string, string] {
  const deployed = deployOnly(world, contract)
  if (deployed[0] === 'OK') approve(world, contract)
  return deployed
}

/** A contract whose `get` gives its version and whose `put` writes one table. */
const version = (number: number, fields: Partial<Manifest> = {}, extra = ''): TestContract =>
  contractOf(
    {
      alias: 'acme/versioned',
      version: `${number}.0.0`,
      methods: methodsOf({ get: 'view', put: 'call', ...(extra === '' ? {} : { migrate: 'system' }) }),
      ...fields,
    },
    `(func (export "get") (i32.store8 (i32.const 0) (i32.const ${number})) (call $return_set (i32.const 0) (i32.const 1)))
     (func (export "put") (call $state_set (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))
     ${extra}`,
  )

function answerOf(world: World, target: string | Uint8Array): string {
  const at = { height: world.height, time: world.time }
  const view = callView(
    world.chain,
    { target, method: 'get', args: new Uint8Array(0) },
    at,
    world.cache,
    ports,
  )
  return view.ok ? String(view.value.returned[0]) : view.code
}

t.test('deploy, activate, switch, roll back: immutable addresses, one atomic switch', async (t) => {
  const world = found()
  const [one, two] = [version(1), version(2)]
  t.same(deploy(world, one)[0], 'OK')
  t.ok(readCode(world.chain, addressOf(world, one)), 'deployed')
  t.equal(answerOf(world, addressOf(world, one)), '1', 'callable by address before it is active')
  t.equal(answerOf(world, 'acme/versioned'), 'CONTRACT_UNKNOWN')
  const activate = command('activate', { addresses: [addressOf(world, one)] })
  const block = world.block([issue(world, activate), world.call(admin, 'acme/versioned', 'put')])
  const codes = block.receiptsDecoded.map(({ status }) => codeOfStatus(status))
  t.same(codes, ['OK', 'CONTRACT_UNKNOWN', 'OK'], 'the switch takes effect at the end of the block')
  t.same(
    block.receiptsDecoded[2].events.map(({ source, topic }) => [source, topic]),
    [['acme/versioned', 'activated']],
  )
  t.equal(answerOf(world, 'acme/versioned'), '1')
  t.ok(readEntity(world.chain, aliasEntityId(sha256, 'acme/versioned')), 'the alias is an entity')
  deploy(world, two)
  run(world, command('activate', { addresses: [addressOf(world, two)] }))
  t.same([answerOf(world, 'acme/versioned'), answerOf(world, addressOf(world, one))], ['2', '1'])
  const hexOne = hex(addressOf(world, one))
  const old = world.block([world.call(admin, hexOne, 'put')])
  t.equal(
    codeOfStatus(old.receiptsDecoded[0].status),
    'READ_ONLY',
    'an old version answers and does not write',
  )
  run(world, command('activate', { addresses: [addressOf(world, one)] }))
  t.equal(answerOf(world, 'acme/versioned'), '1', 'rolled back')
  t.equal(readAlias(world.chain, 'acme/versioned')?.history.length, 3)
})

t.test('what cannot be deployed, and why', async (t) => {
  const world = found()
  const good = version(1)
  t.equal(deploy(world, good)[0], 'OK')
  t.equal(deploy(world, good)[0], 'ADDRESS_EXISTS')
  const next = version(2)
  t.equal(
    run(world, deployOf(next), [next.manifestBytes], vendor)[0],
    'ATTACHMENT_MISMATCH',
    'the code is missing',
  )
  t.same(
    run(world, deployOf({ ...next, code: good.code }), [next.manifestBytes], vendor)[0],
    'OK',
    'stored code needs no attachment',
  )
  const torn = { ...next, manifestBytes: new Uint8Array([1, 2, 3]) }
  t.equal(deploy(world, torn)[0], 'MANIFEST_REFUSED')
  const shy = manifestOf({ alias: 'acme/shy', methods: methodsOf({ absent: 'call' }) })
  const missing = deploy(world, { ...good, manifest: shy, manifestBytes: encodeManifest(shy) })
  t.equal(missing[0], 'MODULE_REFUSED')
  t.match(missing[1], /^METHOD_MISSING at byte \d+: absent/)
  const garbage = deploy(world, { ...good, code: new Uint8Array([0, 1, 2, 3]) })
  t.equal(garbage[0], 'MODULE_REFUSED')
  t.match(garbage[1], /at byte \d+/)
  const start = deploy(world, contractOf({ alias: 'acme/start' }, '(func $s) (start $s)'))
  t.match(start[1], 'START_SECTION')
  const early = deploy(
    world,
    contractOf({ alias: 'acme/early' }, '(func (export "_initialize") (drop (call $input_len)))'),
  )
  t.match(early[1], 'INITIALIZE_FAILED')
  const loop = deploy(
    world,
    contractOf({ alias: 'acme/loop' }, '(func (export "_initialize") (loop $on (br $on)))'),
  )
  t.match(loop[1], 'INITIALIZE_FAILED')
  const unsubscribed = manifestOf({
    alias: 'acme/sub',
    subscriptions: [{ kind: 2, codes: [], method: 'x', priority: 1 }],
  })
  t.match(
    deploy(world, { ...good, manifest: unsubscribed, manifestBytes: encodeManifest(unsubscribed) })[1],
    'subscriptions[0]: x',
  )
  const dear = manifestOf({ alias: 'acme/dear', methods: methodsOf({ get: 'record' }, 500_000_001) })
  t.match(deploy(world, { ...good, manifest: dear, manifestBytes: encodeManifest(dear) })[1], 'fuel of get')
  const stranger = command('deploy', {
    vendor: new Uint8Array(32).fill(9),
    manifest: sha256(good.manifestBytes),
    code: sha256(good.code),
  })
  t.equal(run(world, stranger)[0], 'ENTITY_UNKNOWN')
  const poor = world.block([
    world.call(vendor, 'ward/governance', 'command', deployOf(version(7)), {
      attachments: [version(7).manifestBytes, version(7).code],
      fuelLimit: 1_000_000,
    }),
  ])
  t.equal(
    codeOfStatus(poor.receiptsDecoded[0].status),
    'OUT_OF_FUEL',
    'deploying is paid before it is done',
  )
  t.equal(poor.attachments.length, 0)
})

t.test('pages are attachments of at most 512 KiB of text', async (t) => {
  const world = found()
  const manifest = manifestOf({ alias: 'acme/page', type: 'page', methods: [] })
  const page = (code: Uint8Array): TestContract => ({
    manifest,
    manifestBytes: encodeManifest(manifest),
    code,
  })
  t.equal(deploy(world, page(Buffer.from('<!doctype html>')))[0], 'OK')
  t.equal(deploy(world, page(Uint8Array.of(0xff, 0xfe)))[0], 'MODULE_REFUSED')
  t.equal(deploy(world, page(new Uint8Array(524_288).fill(32)))[0], 'OK')
  const address = addressOf(world, page(Buffer.from('<!doctype html>')))
  t.equal(run(world, command('activate', { addresses: [address] }))[0], 'OK')
  const called = world.block([world.call(admin, 'acme/page', 'get')])
  t.equal(codeOfStatus(called.receiptsDecoded[0].status), 'METHOD_UNKNOWN')
})

t.test('many aliases switch at once, or none', async (t) => {
  const world = found()
  const [a, b] = [version(1), version(1, { alias: 'acme/second' })]
  deploy(world, a)
  deploy(world, b)
  const unknown = new Uint8Array(32).fill(3)
  t.equal(
    run(world, command('activate', { addresses: [addressOf(world, a), unknown] }))[0],
    'CONTRACT_UNKNOWN',
  )
  t.equal(answerOf(world, 'acme/versioned'), 'CONTRACT_UNKNOWN', 'nothing was switched')
  t.equal(
    run(world, command('activate', { addresses: [addressOf(world, a), addressOf(world, a)] }))[0],
    'ARGUMENT_INVALID',
  )
  t.equal(run(world, command('activate', { addresses: [] }))[0], 'ARGUMENT_INVALID')
  t.equal(
    run(world, command('activate', { addresses: [a, b].map((one) => addressOf(world, one)) }))[0],
    'OK',
  )
  t.same([answerOf(world, 'acme/versioned'), answerOf(world, 'acme/second')], ['1', '1'])
})

t.test('a switched rule listens instead of the old one', async (t) => {
  const world = found()
  const rule = (number: number, code: string): TestContract =>
    contractOf(
      {
        alias: 'acme/rule',
        version: String(number),
        subscriptions: [{ kind: recordKind.observation, codes: [code], method: 'on', priority: 1 }],
        methods: methodsOf({ on: 'record' }),
      },
      '(func (export "on"))',
    )
  world.block([world.append(monitor, [admissionOf(lisa)])])
  const [one, two] = [rule(1, 'a'), rule(2, 'b')]
  for (const version of [one, two]) deploy(world, version)
  const heard = (): number[] =>
    ['a', 'b'].map(
      (code) => world.block([world.append(monitor, [observationOf(lisa, code, 1)])]).receipts.length - 1,
    )
  t.same(heard(), [0, 0])
  run(world, command('activate', { addresses: [addressOf(world, one)] }))
  t.same(heard(), [1, 0])
  run(world, command('activate', { addresses: [addressOf(world, two)] }))
  t.same(heard(), [0, 1])
})

t.test('a migration runs once at the switch; its failure takes the switch back', async (t) => {
  const copies =
    '(func (export "migrate") (call $state_set (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))'
  const world = found()
  const one = version(1, { migrateVersion: 1 })
  const tables = (id: number): Manifest['tables'] => [{ id, name: 'rows', patient: false }]
  const two = version(2, { migrateVersion: 2, tables: tables(2) }, copies)
  const broken = version(
    3,
    { migrateVersion: 3, tables: tables(3) },
    '(func (export "migrate") (unreachable))',
  )
  const thief = version(
    4,
    { migrateVersion: 3, tables: tables(3) },
    '(func (export "migrate") (call $state_set (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4)))',
  )
  for (const contract of [one, two, broken, thief]) t.equal(deploy(world, contract)[0], 'OK')
  const activate = (contract: TestContract): string => {
    const receipts = world.block([
      issue(world, command('activate', { addresses: [addressOf(world, contract)] })),
    ]).receiptsDecoded
    return receipts.map(({ status }) => codeOfStatus(status)).join(' ')
  }
  t.equal(activate(one), 'OK OK')
  world.block([world.call(admin, 'acme/versioned', 'put')])
  t.equal(activate(two), 'OK OK')
  t.equal(
    world.last?.writeSet.state.filter(({ store }) => store === 'acme/versioned').length,
    1,
    'migrated',
  )
  t.equal(answerOf(world, 'acme/versioned'), '2')
  t.equal(activate(broken), 'OK TRAPPED')
  t.equal(answerOf(world, 'acme/versioned'), '2', 'the alias stays')
  t.equal(activate(thief), 'OK NOT_IN_MANIFEST', 'a table that an older version reads is never rewritten')
  const frozen = world.block([world.call(admin, 'acme/versioned', 'put')])
  t.equal(codeOfStatus(frozen.receiptsDecoded[0].status), 'NOT_IN_MANIFEST')
  t.equal(run(world, command('activate', { addresses: [addressOf(world, one)] }))[0], 'LAYOUT_REFUSED')
  const versions = versionsOf(world.chain, 'acme/versioned')
  t.same(
    versions.map(({ manifest, active }) => [manifest.version, active]),
    [
      ['1.0.0', false],
      ['2.0.0', true],
      ['3.0.0', false],
      ['4.0.0', false],
    ],
  )
  t.equal(versions[0].frozenSince, versions[1].activatedAt[0], 'the old layout says how old its tables are')
  t.equal(versions[1].frozenSince, undefined)
  const at = { height: world.height, time: world.time }
  const old = callView(
    world.chain,
    { target: addressOf(world, one), method: 'get', args: new Uint8Array(0) },
    at,
    world.cache,
    ports,
  )
  t.ok(old.ok && old.value.returned[0] === 1 && old.value.frozenSince === versions[0].frozenSince)
  t.same(listAliases(world.chain), ['acme/versioned', 'ward/alerts', 'ward/governance', 'ward/policy'])
})

t.test('dependants are listed', async (t) => {
  const world = found()
  const caller = contractOf(
    { alias: 'acme/caller', calls: ['acme/versioned'], methods: methodsOf({ go: 'call' }) },
    '(func (export "go"))',
  )
  deploy(world, caller)
  t.same(dependantsOf(world.chain, 'acme/versioned'), [], 'deployed is not active')
  run(world, command('activate', { addresses: [addressOf(world, caller)] }))
  t.same(
    dependantsOf(world.chain, 'acme/versioned').map((info) => [info.alias, info.active]),
    [['acme/caller', true]],
  )
})

t.test('identities, keys and validators', async (t) => {
  const world = found()
  const pump = signerOf('new pump', entityKind.source)
  const second = signerOf('second key')
  const add = command('addEntity', {
    entity: pump.entity,
    kind: entityKind.source,
    publicKey: pump.publicKey,
  })
  t.equal(run(world, add)[0], 'OK')
  t.equal(run(world, add)[0], 'ENTITY_EXISTS')
  t.equal(readEntity(world.chain, pump.entity)?.kind, entityKind.source)
  const wrong = command('addEntity', {
    entity: pump.entity,
    kind: entityKind.source,
    publicKey: second.publicKey,
  })
  t.equal(run(world, wrong)[0], 'ARGUMENT_INVALID', 'the id follows from the key')
  t.equal(hex(entityIdOf(sha256, pump.publicKey)), hex(pump.entity))
  const key = command('addKey', { entity: pump.entity, publicKey: second.publicKey })
  t.equal(run(world, key)[0], 'OK')
  t.equal(run(world, key)[0], 'ENTITY_EXISTS')
  t.equal(
    run(world, command('addKey', { entity: new Uint8Array(32), publicKey: signerOf('x').publicKey }))[0],
    'ENTITY_UNKNOWN',
  )
  t.equal(run(world, command('revokeKey', { keyId: second.keyId }))[0], 'OK')
  t.equal(readKey(world.chain, second.keyId)?.revoked, true)
  t.equal(run(world, command('revokeKey', { keyId: new Uint8Array(16) }))[0], 'KEY_UNKNOWN')
  t.equal(run(world, new Uint8Array([99]))[0], 'ARGUMENT_INVALID')
  t.equal(run(world, command('liftQuarantine', { alias: 'acme/none' }))[0], 'ARGUMENT_INVALID')
})

t.test('a failed transaction commands nothing', async (t) => {
  const world = found()
  const pump = signerOf('new pump', entityKind.source)
  const add = command('addEntity', {
    entity: pump.entity,
    kind: entityKind.source,
    publicKey: pump.publicKey,
  })
  const quiet = world.block([issue(world, add, [], 'quiet')])
  t.equal(codeOfStatus(quiet.receiptsDecoded[0].status), 'OK')
  t.ok(readEntity(world.chain, pump.entity))
  const other = signerOf('other', entityKind.source)
  const both = Buffer.concat([
    command('addEntity', { entity: other.entity, kind: entityKind.source, publicKey: other.publicKey }),
    Buffer.from([0]),
  ])
  t.equal(run(world, both)[0], 'ARGUMENT_INVALID', 'bytes left over')
  t.notOk(readEntity(world.chain, other.entity))
})

t.test('an erased patient reads ERASED from the next block on', async (t) => {
  const reader = contractOf(
    {
      alias: 'acme/reader',
      reads: [{ kind: 2, codes: [] }],
      methods: methodsOf({ go: 'call', one: 'call' }),
    },
    `(func (export "go")
       (call $input_read (i32.const 0))
       (i32.store (i32.const 32) (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i64.const -1) (i32.const 9)))
       (call $return_set (i32.const 32) (i32.const 4)))
     (func (export "one")
       (call $input_read (i32.const 0))
       (i32.store (i32.const 32) (call $record_get (i32.const 0)))
       (call $return_set (i32.const 32) (i32.const 4)))`,
  )
  const world = new World({
    signers: [admin, vendor, monitor],
    contracts: [...systemContracts, { manifest: reader.manifestBytes, code: reader.code }],
  })
  world.block([world.append(monitor, [admissionOf(lisa), observationOf(lisa, 'a', 1)])])
  const id = world.last?.records[1].id as Uint8Array
  const ask = (method: string, args: Uint8Array): number => {
    const [receipt] = world.block([world.call(admin, 'acme/reader', method, args)]).receiptsDecoded
    return Buffer.from(receipt.returned ?? []).readInt32LE(0)
  }
  t.equal(ask('go', lisa), 1)
  t.ok(ask('one', id) > 0)
  t.equal(run(world, command('erasePatient', { patient: lisa }))[0], 'OK')
  world.chain.bodies.clear()
  t.equal(ask('go', lisa), -126)
  t.equal(ask('one', id), -126)
  // Nobody keeps such a body, so a block with one could not be handed on: it is invalid, not a receipt.
  const late = world.append(monitor, [admissionOf(patientOf('other')), observationOf(lisa, 'a', 1)])
  const refused = world.try([late])
  t.match(refused, { ok: false, code: 'PATIENT_ERASED' })
  const at = {
    chainId: world.chainId,
    height: world.height + 1,
    time: world.time + 1,
    parentTime: world.time,
  }
  const options = { verifySignature: true, bundleBytes: late.length }
  const admission = checkTransaction(world.chain, world.bundle(late), at, ports, options)
  t.match(admission, { ok: false, code: 'PATIENT_ERASED' }, 'and no pool takes it')
  t.equal(run(world, command('erasePatient', { patient: patientOf('nobody') }))[0], 'PATIENT_UNKNOWN')
})
