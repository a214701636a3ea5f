// Tables: whose layout they are, refused in words before anything switches; rows that go with a patient; and
// work that waited while a newer layout was activated.
import t from 'tap'
import {
  codeOfStatus,
  contractAddress,
  decodeManifest,
  encodeCbor,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  recordKind,
  type Manifest,
  type Schema,
} from '../protocol/index.js'
import { contractOf, methodsOf, systemContracts, type TestContract } from './test-contracts.fixture.js'
import { admissionOf, borsh, observationOf, patientOf, sha256, signerOf, World } from './world.fixture.js'

const admin = signerOf('admin')
const vendor = signerOf('vendor', entityKind.vendor)
const monitors = Array.from({ length: 12 }, (_, index) => signerOf(`monitor ${index}`, entityKind.source))
const [lisa, otto] = ['lisa', 'otto'].map(patientOf)

const found = (): World => new World({ signers: [admin, vendor, ...monitors], contracts: systemContracts })

function command(
  world: World,
  tag: keyof typeof kernelCommandTag,
  body: unknown,
  attachments: Uint8Array[] = [],
): Uint8Array {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  const args = Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
  const signer = tag === 'deploy' ? vendor : admin
  return world.call(signer, 'ward/governance', 'command', args, { attachments, fuelLimit: 900_000_000 })
}

/** Code and detail of one bundle in a block of its own: the last receipt's when there are several. */
function run(world: World, bundle: Uint8Array): string {
  const receipts = world.block([bundle]).receiptsDecoded
  const { status, detail } = receipts[receipts.length - 1]
  return `${codeOfStatus(status)} ${detail ?? ''}`.trim()
}

const addressOf = (world: World, { manifest, manifestBytes, code }: TestContract): Uint8Array =>
  contractAddress(sha256, {
    chainId: world.chainId,
    alias: manifest.alias,
    manifestHash: sha256(manifestBytes),
    codeHash: sha256(code),
  })

function deploy(world: World, contract: TestContract): string {
  const { manifestBytes, code } = contract
  const body = { vendor: vendor.entity, manifest: sha256(manifestBytes), code: sha256(code) }
  const deployed = run(world, command(world, 'deploy', body, [manifestBytes, code]))
  if (deployed === 'OK') run(world, command(world, 'approve', { address: addressOf(world, contract) }))
  return deployed
}

const activation = (world: World, contract: TestContract): Uint8Array =>
  command(world, 'activate', { addresses: [addressOf(world, contract)] })

const table = (id: number, name: string, patient = false): NonNullable<Manifest['tables']>[number] => ({
  id,
  name,
  patient,
})

/** `put` writes its argument as key and value into table 1, `list` as partition and value into table 2. */
const keeper = (fields: Partial<Manifest>): TestContract =>
  contractOf(
    { alias: 'acme/keeper', methods: methodsOf({ put: 'call', list: 'call' }), ...fields },
    `(func (export "put") (call $input_read (i32.const 0))
       (call $state_set (i32.const 1) (i32.const 0) (call $input_len) (i32.const 0) (i32.const 16)))
     (func (export "list") (call $input_read (i32.const 0))
       (call $ordered_put (i32.const 2) (i32.const 0) (call $input_len) (i64.const 7) (i32.const 0) (i32.const 16)))`,
  )

/** Where this entry of the manifest's tables begins: a list of three, the id, then the name. */
const tableAt = ({ manifest, manifestBytes }: TestContract, index: number): number => {
  const { id, name, patient } = manifest.tables![index]
  return Buffer.from(manifestBytes).indexOf(encodeCbor([id, name, patient ? 1 : 0]))
}

t.test('a layout that rewrites a table of an older version is refused when it is deployed', async (t) => {
  const world = found()
  const one = keeper({
    version: '1.4.0',
    migrateVersion: 1,
    tables: [table(1, 'scores'), table(2, 'list')],
  })
  t.equal(deploy(world, one), 'OK')
  // Deployed while nothing was active: refused when it is to be activated.
  const early = keeper({ version: '2.0.0', migrateVersion: 2, tables: [table(1, 'scores')] })
  t.equal(deploy(world, early), 'OK')
  t.equal(run(world, activation(world, one)), 'OK')
  const words = 'table 1 (scores) belongs to layout 1, which version 1.4.0 reads'
  t.match(run(world, activation(world, early)), `TABLES_REFUSED acme/keeper: ${words}`)
  const late = keeper({
    version: '2.0.1',
    migrateVersion: 2,
    tables: [table(3, 'new'), table(1, 'scores')],
  })
  t.equal(
    deploy(world, late),
    `TABLES_REFUSED TABLE_OF_LAYOUT at byte ${tableAt(late, 1)}: ${words}`,
    'no row of it was ever written',
  )
  t.match(deploy(world, keeper({ version: '2.0.2', migrateVersion: 2 })), /^TABLES_REFUSED .*not declared/)
  t.equal(deploy(world, keeper({ version: '2.0.3', migrateVersion: 2, tables: [table(3, 'new')] })), 'OK')
  t.equal(
    deploy(world, keeper({ version: '1.4.1', migrateVersion: 1, tables: [table(1, 'scores')] })),
    'OK',
  )
})

t.test('what is not declared is not written', async (t) => {
  const world = found()
  const only = keeper({ tables: [table(1, 'scores')] })
  deploy(world, only)
  run(world, activation(world, only))
  t.equal(run(world, world.call(admin, 'acme/keeper', 'put', lisa)), 'OK')
  t.equal(run(world, world.call(admin, 'acme/keeper', 'list', lisa)), 'NOT_IN_MANIFEST table 2')
})

t.test('rows that are bound to a patient go with the patient', async (t) => {
  const world = found()
  const bound = keeper({ tables: [table(1, 'scores', true), table(2, 'list', true)] })
  deploy(world, bound)
  run(world, activation(world, bound))
  const call = (method: string, key: Uint8Array): string =>
    run(world, world.call(admin, 'acme/keeper', method, key))
  t.equal(call('put', lisa), 'PATIENT_UNKNOWN')
  world.block([world.append(monitors[0], [admissionOf(lisa), admissionOf(otto)])])
  for (const patient of [lisa, otto]) {
    t.equal(call('put', patient), 'OK')
    for (let row = 0; row < 3; row += 1) t.equal(call('list', patient), 'OK')
  }
  t.match(call('put', lisa.slice(0, 8)), /^ARGUMENT_INVALID/)
  const rowsOf = (patient: Uint8Array): number =>
    world.chain.scan('acme/keeper', 2, patient, 0n, 99n, 99).length +
    (world.chain.get('acme/keeper', Buffer.concat([Uint8Array.of(1), patient])) === undefined ? 0 : 1)
  t.equal(rowsOf(lisa), 4)
  t.equal(run(world, command(world, 'erasePatient', { patient: lisa })), 'OK')
  t.equal(rowsOf(lisa), 0)
  t.equal(rowsOf(otto), 4)
  t.equal(call('put', lisa), 'ERASED')
  t.equal(call('list', lisa), 'ERASED')
  const loose = keeper({ version: '1.0.1', tables: [table(1, 'scores'), table(2, 'list', true)] })
  const bind = `TABLES_REFUSED TABLE_BINDING at byte ${tableAt(loose, 0)}`
  t.equal(deploy(world, loose), `${bind}: table 1 (scores) is bound to patients`)
  t.match(deploy(world, keeper({ version: '1.0.2' })), /^TABLES_REFUSED .*of patients/)
  t.ok(decodeManifest(bound.manifestBytes).ok)
})

/** Runs for most of what a block has, and says its version. */
const heavy = (number: number, fields: Partial<Manifest>): TestContract =>
  contractOf(
    {
      alias: 'acme/heavy',
      version: `${number}.0.0`,
      migrateVersion: number,
      tables: [table(number, 'rows')],
      subscriptions: [{ kind: recordKind.observation, codes: ['a'], method: 'onAny', priority: 1 }],
      methods: methodsOf({ onAny: 'record' }, 500_000_000),
      ...fields,
    },
    `(func $work (local $n i32)
       (call $state_set (i32.const ${number}) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1))
       (loop $on (br_if $on (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 60000000)))))
     (func (export "onAny") (call $work)) (func (export "onOther") (call $work))`,
  )

function switchWithQueue(next: TestContract): { world: World; old: Uint8Array; ends: string[] } {
  const world = found()
  const first = heavy(1, {})
  deploy(world, first)
  deploy(world, next)
  run(world, activation(world, first))
  world.block([world.append(monitors[0], [admissionOf(lisa)])])
  const readings = monitors.map((monitor) => world.append(monitor, [observationOf(lisa, 'a', 1)]))
  // The switch takes effect at the end of this block, when some of the twelve runs still wait.
  world.block([activation(world, next), ...readings])
  const ends: string[] = []
  while (world.last?.result.nextDueTime !== 0) {
    for (const { status, target } of world.block([]).receiptsDecoded) {
      const isNew = Buffer.compare(target?.address ?? first.code, addressOf(world, next)) === 0
      ends.push(`${codeOfStatus(status)} ${isNew ? 'new' : 'old'}`)
    }
  }
  return { world, old: addressOf(world, first), ends }
}

t.test('work that waited is judged by the newer layout', async (t) => {
  const { world, ends } = switchWithQueue(heavy(2, {}))
  t.ok(ends.length > 0, 'some waited')
  t.same([...new Set(ends)], ['OK new'])
  t.ok(world.chain.get('acme/heavy', Uint8Array.of(2, 0)), 'in its own table')
})

t.test('a newer layout that does not listen: the run is refused, and the old tables stay', async (t) => {
  const other = { methods: methodsOf({ onOther: 'record' }, 500_000_000), subscriptions: [] }
  const { ends } = switchWithQueue(heavy(2, other))
  t.ok(ends.length > 0)
  t.same([...new Set(ends)], ['LAYOUT_SUPERSEDED old'])
  const elsewhere = [{ kind: recordKind.observation, codes: ['b'], method: 'onAny', priority: 1 }]
  t.same(
    [...new Set(switchWithQueue(heavy(2, { subscriptions: elsewhere })).ends)],
    ['LAYOUT_SUPERSEDED old'],
  )
})

t.test('the same layout: work that waited keeps its version', async (t) => {
  const { ends } = switchWithQueue(heavy(2, { migrateVersion: 1, tables: [table(1, 'rows')] }))
  t.same([...new Set(ends)], ['OK old'])
})

t.test(
  'a roll-back to a version that declares nothing is possible, and does not write bound tables',
  async (t) => {
    const world = found()
    const first = keeper({ version: '1.0.0' })
    const second = keeper({ version: '1.1.0', tables: [table(1, 'scores'), table(2, 'list', true)] })
    for (const version of [first, second]) {
      t.equal(deploy(world, version), 'OK')
      t.equal(run(world, activation(world, version)), 'OK')
    }
    world.block([world.append(monitors[0], [admissionOf(lisa)])])
    t.equal(run(world, activation(world, first)), 'OK')
    t.equal(run(world, world.call(admin, 'acme/keeper', 'put', lisa)), 'OK')
    t.equal(run(world, world.call(admin, 'acme/keeper', 'list', lisa)), 'NOT_IN_MANIFEST table 2')
    t.equal(run(world, activation(world, second)), 'OK')
    t.equal(run(world, world.call(admin, 'acme/keeper', 'list', lisa)), 'OK')
  },
)

t.test('work that waited follows a method that the newer layout renamed', async (t) => {
  const renamed = heavy(2, {
    methods: methodsOf({ onOther: 'record' }, 500_000_000),
    subscriptions: [{ kind: recordKind.observation, codes: ['a'], method: 'onOther', priority: 1 }],
  })
  const { ends } = switchWithQueue(renamed)
  t.ok(ends.length > 0, 'some waited')
  t.same([...new Set(ends)], ['OK new'])
})
