// Everything that a vendor can get wrong, through the real path of a deployment: signed call, governance,
// checks, receipt. Each has its code, the place and a sentence. Run it alone to read them all.
import t from 'tap'
import {
  codeOfStatus,
  contractAddress,
  encodeManifest,
  entityKind,
  kernelCommandSchemas,
  kernelCommandTag,
  type ErrorCode,
  type Manifest,
  type Schema,
} from '../protocol/index.js'
import { assemble, moduleWithBody } from '../module/wat.fixture.js'
import { manifestOf, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { borsh, sha256, signerOf, World, type Signer } from './world.fixture.js'

const admin = signerOf('admin')
const vendor = signerOf('vendor', entityKind.vendor)
const rival = signerOf('rival', entityKind.vendor)
const world = new World({ signers: [admin, vendor, rival], contracts: systemContracts })

interface Shipped {
  manifest: Uint8Array
  code: Uint8Array
}

const good = '(func (export "get")) (memory (export "memory") 1)'
const wasm = (text: string): Uint8Array => assemble(`(module ${text})`)

const manifest = (fields: Partial<Manifest> = {}): Uint8Array =>
  encodeManifest(manifestOf({ alias: 'acme/rule', methods: methodsOf({ get: 'view' }), ...fields }))

const shipped = (fields: Partial<Manifest> = {}, text = good): Shipped => ({
  manifest: manifest(fields),
  code: wasm(text),
})
const module = (text: string): Shipped => shipped({}, text)
const about = (fields: Partial<Manifest>): Shipped => shipped(fields)

type Ended = [code: string, detail: string]

function command(
  signer: Signer,
  tag: keyof typeof kernelCommandTag,
  body: Record<string, unknown>,
  attachments: Uint8Array[] = [],
): Ended {
  const schema = kernelCommandSchemas.get(kernelCommandTag[tag]) as Schema
  const args = Buffer.concat([Buffer.from([kernelCommandTag[tag]]), borsh(schema, body)])
  const fuelLimit = 900_000_000
  const bundle = world.call(signer, 'ward/governance', 'command', args, { attachments, fuelLimit })
  // What governance did not do in the call it may refuse at the end of the block: the last word counts.
  const receipts = world.block([bundle]).receiptsDecoded
  const { status, detail } = receipts.find((one) => one.status !== 0) ?? receipts[0]
  return [codeOfStatus(status) ?? String(status), detail ?? '']
}

function deploy({ manifest: bytes, code }: Shipped, signer = vendor, brought?: Uint8Array[]): Ended {
  const body = { vendor: signer.entity, manifest: sha256(bytes), code: sha256(code) }
  return command(signer, 'deploy', body, brought ?? [bytes, code])
}

function addressOf({ manifest: bytes, code }: Shipped, alias = 'acme/rule'): Uint8Array {
  const hashes = { manifestHash: sha256(bytes), codeHash: sha256(code) }
  return contractAddress(sha256, { chainId: world.chainId, alias, ...hashes })
}
const approve = (address: Uint8Array, signer = admin): Ended => command(signer, 'approve', { address })
const activate = (...addresses: Uint8Array[]): Ended => command(admin, 'activate', { addresses })

const changed = (bytes: Uint8Array, at: number, value: number): Uint8Array => {
  const copy = bytes.slice()
  copy[at] = value
  return copy
}

/** One mistake, how it ends, and words that its sentence holds. */
type Mistake = [what: string, code: ErrorCode, detail: RegExp, make: () => Ended]

const deployed = (what: string, code: ErrorCode, detail: RegExp, make: () => Shipped): Mistake => [
  what,
  code,
  detail,
  () => deploy(make()),
]
const refusedModule = (what: string, detail: RegExp, text: string): Mistake =>
  deployed(what, 'MODULE_REFUSED', detail, () => module(text))
const refusedManifest = (what: string, detail: RegExp, fields: Partial<Manifest>): Mistake =>
  deployed(what, 'MANIFEST_REFUSED', detail, () => about(fields))

const memory = '(memory (export "memory") 1)'
const get = '(func (export "get"))'
const imported = (module: string, name: string, type = '(func)'): string =>
  `(import "${module}" "${name}" ${type}) ${good}`

const manifests: Mistake[] = [
  deployed('manifest cut short', 'MANIFEST_REFUSED', /CBOR_MALFORMED at byte \d+/, () => {
    const whole = shipped()
    return { ...whole, manifest: whole.manifest.slice(0, 40) }
  }),
  deployed('manifest of JSON', 'MANIFEST_REFUSED', /CBOR_MALFORMED at byte 9: deterministic CBOR/, () => ({
    ...shipped(),
    manifest: Buffer.from('{"alias":"acme/rule"}'),
  })),
  deployed('empty manifest', 'MANIFEST_REFUSED', /CBOR_MALFORMED at byte 0/, () => ({
    ...shipped(),
    manifest: new Uint8Array(0),
  })),
  refusedManifest('alias without a vendor', /ALIAS_MALFORMED at byte \d+: alias: vendor\/name/, {
    alias: 'rule',
  }),
  refusedManifest('alias in capitals', /ALIAS_MALFORMED at byte \d+: alias: vendor\/name/, {
    alias: 'Acme/Rule',
  }),
  refusedManifest('empty version', /TEXT_LENGTH at byte \d+: version: text of 1/, { version: '' }),
  refusedManifest(
    'a kind of method that there is not',
    /METHOD_KIND at byte \d+: methods\[0\]: kind: one of call, view/,
    {
      methods: [{ ...methodsOf({ get: 'view' })[0], kind: 'daily' as never }],
    },
  ),
  refusedManifest(
    'a float in the ABI',
    /SCHEMA_UNKNOWN at byte \d+: methods\[0\].*schema: one of .* not f64/,
    {
      methods: [{ ...methodsOf({ get: 'view' })[0], input: 'f64' as never }],
    },
  ),
  refusedManifest(
    'a method name with a hyphen',
    /METHOD_NAME at byte \d+: methods\[0\]: name: on-get must begin/,
    {
      methods: methodsOf({ 'on-get': 'view' }),
    },
  ),
  refusedManifest('a reserved method', /METHOD_NAME at byte \d+: .*_initialize/, {
    methods: methodsOf({ _initialize: 'call' }),
  }),
  refusedManifest('two methods of one name', /METHOD_TWICE at byte \d+: methods\[1\]: get/, {
    methods: [...methodsOf({ get: 'view' }), ...methodsOf({ get: 'call' })],
  }),
  refusedManifest(
    'a rule that wants more fuel than a block has',
    /FUEL_TOO_HIGH at byte \d+: methods\[0\]: fuel of get is above 500000000/,
    {
      methods: methodsOf({ get: 'record' }, 600_000_000),
    },
  ),
  refusedManifest(
    'a subscription to a view',
    /SUBSCRIPTION_METHOD at byte \d+: subscriptions\[0\]: get is not a record method/,
    {
      subscriptions: [{ kind: 2, codes: [], method: 'get', priority: 1 }],
    },
  ),
  refusedManifest('a record kind that there cannot be', /NUMBER_EXPECTED at byte \d+: reads\[0\]: kind/, {
    reads: [{ kind: 99, codes: [] }],
  }),
  refusedManifest('a table declared twice', /TABLE_TWICE at byte \d+: tables: 3 is declared twice/, {
    tables: [
      { id: 3, name: 'a', patient: false },
      { id: 3, name: 'b', patient: false },
    ],
  }),
  refusedManifest('an umlaut in an alias to call', /TEXT_NOT_ASCII at byte \d+: calls\[0\]/, {
    calls: ['acme/größe'],
  }),
  refusedManifest('a page with methods', /PAGE_METHODS at byte \d+: methods: a page has none/, {
    type: 'page',
  }),
]

const modules: Mistake[] = [
  deployed('TypeScript instead of WebAssembly', 'MODULE_REFUSED', /NOT_WASM at byte 0/, () => ({
    ...shipped(),
    code: Buffer.from('export function get(): void {}'),
  })),
  deployed('a module cut short', 'MODULE_REFUSED', /at byte \d+/, () => {
    const whole = shipped()
    return { ...whole, code: whole.code.slice(0, -3) }
  }),
  deployed('a flipped byte', 'MODULE_REFUSED', /VERSION_UNSUPPORTED at byte 4/, () => {
    const whole = shipped()
    return { ...whole, code: changed(whole.code, 4, 9) }
  }),
  deployed('an unknown instruction', 'MODULE_REFUSED', /OPCODE_UNKNOWN at byte \d+/, () => ({
    manifest: manifest({ methods: methodsOf({ run: 'view' }) }),
    code: moduleWithBody([0xff, 0x0b]),
  })),
  refusedModule(
    'types that do not fit',
    /TYPE_MISMATCH at byte \d+/,
    `${good} (func (result i32) (i64.const 1))`,
  ),
  refusedModule(
    'SIMD',
    /OPCODE_FORBIDDEN at byte \d+: .*SIMD/,
    `${good} (func (drop (i32x4.splat (i32.const 1))))`,
  ),
  refusedModule('no memory', /MEMORY_MISSING/, get),
  refusedModule('a memory that is kept private', /MEMORY_MISSING/, `${get} (memory 1)`),
  refusedModule(
    'too much memory',
    /LIMIT_MEMORY_PAGES at byte \d+/,
    `${get} (memory (export "memory") 65)`,
  ),
  refusedModule(
    'a start function',
    /START_SECTION at byte \d+: .*--exportStart/,
    `${good} (func $s) (start $s)`,
  ),
  refusedModule('passive data', /SEGMENT_PASSIVE at byte \d+/, `${good} (data "x")`),
  refusedModule(
    'data beyond the memory',
    /SEGMENT_OUT_OF_BOUNDS at byte \d+/,
    `${good} (data (i32.const 65536) "x")`,
  ),
  refusedModule('a name of ours', /EXPORT_RESERVED at byte \d+/, `${good} (func (export "__fuel"))`),
  refusedModule(
    'an exported table',
    /EXPORT_KIND at byte \d+: .*--exportTable/,
    `${good} (table (export "table") 1 funcref)`,
  ),
  refusedModule(
    'a float in an entry',
    /FLOAT_AT_BOUNDARY at byte \d+/,
    `${good} (func (export "f") (param f64))`,
  ),
  refusedModule(
    'a method that is not there',
    /METHOD_MISSING at byte \d+: get .*byte of the manifest/,
    memory,
  ),
  refusedModule(
    'a method with a parameter',
    /METHOD_MISSING at byte \d+: get .*byte of the manifest/,
    `${memory} (func (export "get") (param i32))`,
  ),
  refusedModule(
    'a start that traps',
    /INITIALIZE_FAILED at byte \d+: _initialize traps/,
    `${good} (func (export "_initialize") (unreachable))`,
  ),
]

const starting = (body: string, before = '', after = ''): string =>
  `${before} ${good} ${after} (func (export "_initialize") ${body})`

const starts: Mistake[] = [
  refusedModule(
    'a start without end',
    /INITIALIZE_FAILED at byte \d+: .* more than 10000000 fuel/,
    starting('(loop $on (br $on))'),
  ),
  refusedModule(
    'a start that calls itself',
    /INITIALIZE_FAILED at byte \d+: .* too deep/,
    starting('(call $deep)', '', '(func $deep (call $deep))'),
  ),
  refusedModule(
    'a start that asks the host',
    /INITIALIZE_FAILED at byte \d+: .* calls the host/,
    starting('(drop (call $l))', '(import "wardchain_v1" "input_len" (func $l (result i32)))'),
  ),
]

const page = (code: Uint8Array): Shipped => ({ manifest: manifest({ type: 'page', methods: [] }), code })
const pages: Mistake[] = [
  deployed('an empty page', 'MODULE_REFUSED', /PAGE_LENGTH at byte 0: /, () => page(new Uint8Array(0))),
  deployed('a page in Latin-1', 'MODULE_REFUSED', /PAGE_NOT_UTF8 at byte 3: /, () =>
    page(Buffer.from('<p>gr\xfcn', 'latin1').fill(0xfc, 3, 4)),
  ),
  deployed('a page cut in a character', 'MODULE_REFUSED', /PAGE_NOT_UTF8 at byte 3: /, () =>
    page(Buffer.from('<p>ü').subarray(0, 4)),
  ),
  deployed('a page cut in what would be the sign for no UTF-8', 'MODULE_REFUSED', /UTF8 at byte 3: /, () =>
    page(Buffer.from('<p>\ufffd').subarray(0, 5)),
  ),
]

const imports: Mistake[] = [
  refusedModule(
    'Math.random',
    /IMPORT_UNKNOWN at byte \d+: `Math.random`.*equal on every node. Use/,
    imported('env', 'seed', '(func (result f64))'),
  ),
  refusedModule(
    'Date.now',
    /IMPORT_UNKNOWN at byte \d+: `Date.now`.*block time/,
    imported('env', 'Date.now', '(func (result f64))'),
  ),
  refusedModule(
    'the default abort',
    /IMPORT_UNKNOWN at byte \d+: .*--use abort=/,
    imported('env', 'abort', '(func (param i32 i32 i32 i32))'),
  ),
  refusedModule(
    'console.log',
    /IMPORT_UNKNOWN at byte \d+: `console`.*log of the SDK/,
    imported('env', 'console.log', '(func (param i32))'),
  ),
  refusedModule(
    'WASI',
    /IMPORT_UNKNOWN at byte \d+: WASI/,
    imported('wasi_snapshot_preview1', 'fd_write', '(func (param i32 i32 i32 i32) (result i32))'),
  ),
  refusedModule(
    'a host function that there is not',
    /IMPORT_UNKNOWN at byte \d+: `http_get`/,
    imported('wardchain_v1', 'http_get'),
  ),
  refusedModule(
    'a host function with another signature',
    /IMPORT_SIGNATURE at byte \d+/,
    imported('wardchain_v1', 'input_len', '(func (param i64))'),
  ),
  refusedModule(
    'a host function twice',
    /IMPORT_DUPLICATE at byte \d+/,
    `(import "wardchain_v1" "input_len" (func (result i32))) ${imported('wardchain_v1', 'input_len', '(func (result i32))')}`,
  ),
  refusedModule(
    'an imported memory',
    /IMPORT_KIND|IMPORT_UNKNOWN/,
    `(import "env" "memory" (memory 1)) ${get}`,
  ),
]

const one = shipped()
const two = shipped({ version: '2.0.0' })
const nextLayout = shipped({ version: '3.0.0', migrateVersion: 2, tables: [] })
const unknown = new Uint8Array(32).fill(9)

/** In order: each stands on those before it. */
const people: Mistake[] = [
  [
    'no manifest beside the call',
    'ATTACHMENT_MISMATCH',
    /manifest/,
    () => deploy(shipped({ title: 'x' }), vendor, []),
  ],
  [
    'no module beside the call',
    'ATTACHMENT_MISMATCH',
    /code/,
    () => {
      const own = shipped({ title: 'y' }, `${good} (func)`)
      return deploy(own, vendor, [own.manifest])
    },
  ],
  ['deployed by an administrator', 'VENDOR_REQUIRED', /vendor/, () => deploy(one, admin)],
  ['approved before it is deployed', 'CONTRACT_UNKNOWN', /deployed/, () => approve(addressOf(one))],
  [
    'activated before it is deployed',
    'CONTRACT_UNKNOWN',
    /deployed|address/,
    () => activate(addressOf(one)),
  ],
  [
    'activated before it is approved',
    'NOT_APPROVED',
    /acme\/rule/,
    () => (deploy(one), activate(addressOf(one))),
  ],
  ['approved by its vendor', 'APPROVAL_REFUSED', /person/, () => approve(addressOf(one), vendor)],
  [
    'activated twice in one call',
    'ARGUMENT_INVALID',
    /twice|once/,
    () => (approve(addressOf(one)), activate(addressOf(one), addressOf(one))),
  ],
  ['nothing to activate', 'ARGUMENT_INVALID', /1 to|at least/, () => activate()],
  [
    'one of two addresses unknown',
    'CONTRACT_UNKNOWN',
    /09090909|deployed|address/,
    () => activate(addressOf(one), unknown),
  ],
  [
    "another vendor's alias",
    'ALIAS_TAKEN',
    /acme\/rule/,
    () => (activate(addressOf(one)), deploy(two, rival)),
  ],
  [
    'an approval that was taken back',
    'NOT_APPROVED',
    /acme\/rule/,
    () => {
      deploy(two)
      approve(addressOf(two))
      command(admin, 'withdrawApproval', { address: addressOf(two) })
      return activate(addressOf(two))
    },
  ],
  [
    'a new layout that does not name its tables',
    'TABLES_REFUSED',
    /TABLES_UNDECLARED at byte 0: tables: not declared/,
    () => deploy(shipped({ version: '3.0.0', migrateVersion: 2 })),
  ],
  [
    'back to an older layout',
    'LAYOUT_REFUSED',
    /layout/,
    () => {
      deploy(nextLayout)
      approve(addressOf(nextLayout))
      activate(addressOf(nextLayout))
      return activate(addressOf(one))
    },
  ],
  [
    'a fuel schedule two steps ahead',
    'SCHEDULE_REFUSED',
    /step/,
    () =>
      command(admin, 'setFuelSchedule', {
        fuelSchedule: 9,
        instrumenter: 1,
        height: BigInt(world.height + 9),
      }),
  ],
  [
    'a fuel schedule in the past',
    'SCHEDULE_REFUSED',
    /past/,
    () => command(admin, 'setFuelSchedule', { fuelSchedule: 4, instrumenter: 1, height: 1n }),
  ],
]

for (const [group, mistakes] of Object.entries({ manifests, modules, starts, pages, imports, people })) {
  t.test(group, async (t) => {
    for (const [what, code, detail, make] of mistakes) {
      const [ended, sentence] = make()
      t.equal(ended, code, `${what}: ${ended} ${sentence}`)
      t.match(sentence, detail, what)
    }
  })
}
