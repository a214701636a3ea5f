// Contracts build reproducibly, and what is built is what a node admits.
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import t from 'tap'
import { contractPolicy } from '../runtime/execution/index.js'
import { fuelScheduleV1, prepareModule } from '../runtime/module/index.js'
import { decodeManifest } from '../runtime/protocol/index.js'
import { buildContracts } from './build-contracts.js'
import { builtContract, contractNames } from './contract-chain.fixture.js'
import { mergeDataSegments } from './merge-data-segments.js'

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })

const folder = mkdtempSync(path.join(os.tmpdir(), 'ward-contracts-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))
const read = (file: string): Uint8Array => new Uint8Array(readFileSync(file))

t.test('two builds give equal bytes', async (t) => {
  const output = path.join(folder, 'again')
  await buildContracts({ quiet: true, output, only: ['ward-policy', 'ward-deterioration'] })
  for (const name of ['ward-policy', 'ward-deterioration']) {
    for (const suffix of ['.wasm', '.manifest.json', '.manifest.cbor']) {
      const first = read(`dist/contracts/${name}${suffix}`)
      t.same(read(path.join(output, name + suffix)), first, name + suffix)
    }
  }
})

t.test('unchanged inputs are not compiled again', async (t) => {
  const output = path.join(folder, 'again')
  const file = path.join(output, 'ward-policy.wasm')
  const longAgo = new Date(1_000_000)
  utimesSync(file, longAgo, longAgo)
  await buildContracts({ quiet: true, output, only: ['ward-policy'] })
  t.equal(statSync(file).mtimeMs, longAgo.getTime(), 'left alone')
  writeFileSync(path.join(output, 'ward-policy.inputs'), 'other inputs')
  await buildContracts({ quiet: true, output, only: ['ward-policy'] })
  t.ok(statSync(file).mtimeMs > longAgo.getTime(), 'compiled')
})

t.test('every contract is admitted by the node, without floats in its interface', async (t) => {
  t.same(contractNames().sort(), [
    'ward-alerts',
    'ward-appliance',
    'ward-deterioration',
    'ward-governance',
    'ward-orders',
    'ward-policy',
    'ward-sepsis-screen',
  ])
  for (const name of contractNames()) {
    const { code, manifest } = builtContract(name)
    const prepared = prepareModule(code, contractPolicy, fuelScheduleV1)
    t.ok(prepared.ok, `${name}: ${code.length} bytes ${prepared.ok ? '' : prepared.detail}`)
    t.ok(decodeManifest(manifest).ok)
    t.ok(Buffer.compare(mergeDataSegments(code), code) === 0, `${name}: nothing is left to merge`)
  }
})

t.test('merging keeps the memory image', async (t) => {
  // (memory (export "m") 1) (data (i32.const 8) "ab") (data (i32.const 12) "c") (data (i32.const 1000) "d")
  const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]
  const memory = [5, 3, 1, 0, 1, 7, 5, 1, 1, 0x6d, 2, 0]
  const pieces = [
    [0, 0x41, 8, 0x0b, 2, 0x61, 0x62],
    [0, 0x41, 12, 0x0b, 1, 0x63],
    [0, 0x41, 0xe8, 0x07, 0x0b, 1, 0x64],
  ]
  const data = [3, ...pieces.flat()]
  const module = Uint8Array.from([...head, ...memory, 11, data.length, ...data])
  const merged = mergeDataSegments(module)
  t.equal(merged[merged.indexOf(11, 20) + 2], 2, 'two segments are left: the gap to the last is too wide')
  const image = (bytes: Uint8Array): Buffer => {
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes))
    return Buffer.from((instance.exports['m'] as WebAssembly.Memory).buffer)
  }
  t.ok(image(merged).equals(image(module)))
  const passive = Uint8Array.from([...head, ...memory, 11, 4, 1, 1, 1, 0x61])
  t.equal(mergeDataSegments(passive), passive, 'a passive segment is left alone')
})

t.test('the SDK declares every host function, and nothing else', async (t) => {
  const env = readFileSync('contracts-as/assembly/sdk/env.ts', 'utf8')
  const declared = [...env.matchAll(/@external\('wardchain_v1', '([a-z0-9_]+)'\)/g)].map(([, name]) => name)
  t.same(declared.sort(), [...contractPolicy.imports.keys()].sort())
})

t.test("the README's example builds and is admitted", async (t) => {
  const sources = path.join(folder, 'example')
  cpSync('contracts-as', sources, { recursive: true })
  const readme = readFileSync('contracts-as/README.md', 'utf8')
  const example = /```ts\n([^`]*export function onRecords[\s\S]*?)```/.exec(readme)?.[1]
  t.ok(example, 'the README shows a whole rule')
  mkdirSync(path.join(sources, 'assembly/rules/fever'))
  const proven = `import { verifySignature as isSigned } from '../../sdk'
    export function proven(): void {
      const key = new StaticArray<u8>(32)
      if (isSigned(key, key, new StaticArray<u8>(64))) unreachable()
    }`
  writeFileSync(path.join(sources, 'assembly/rules/fever/index.ts'), `${example ?? ''}\n${proven}`)
  const model = JSON.parse(readFileSync('contracts-as/manifests/ward-deterioration.json', 'utf8')) as object
  const onRecords = { name: 'onRecords', kind: 'record', fuel: 1_000_000, input: '@triggerInput' }
  const manifest = {
    ...model,
    alias: 'acme/fever',
    source: 'rules/fever',
    reads: [{ kind: 2, codes: ['8310-5'] }],
    calls: [],
    subscriptions: [{ kind: 2, codes: ['8310-5'], method: 'onRecords', priority: 50 }],
    methods: [
      { ...onRecords, output: { struct: [] } },
      { name: 'proven', kind: 'call', fuel: 1_000_000, input: { struct: [] }, output: { struct: [] } },
    ],
  }
  writeFileSync(path.join(sources, 'manifests/acme-fever.json'), JSON.stringify(manifest))
  const output = path.join(folder, 'example-built')
  await buildContracts({ quiet: true, sources, output, only: ['acme-fever'] })
  const prepared = prepareModule(read(path.join(output, 'acme-fever.wasm')), contractPolicy, fuelScheduleV1)
  t.ok(prepared.ok)
})

t.test('what does not fit is refused with its place', async (t) => {
  const sources = path.join(folder, 'contracts-as')
  cpSync('contracts-as', sources, { recursive: true })
  const output = path.join(folder, 'refused')
  const build = (): Promise<void> =>
    buildContracts({ quiet: true, sources, output, only: ['ward-governance'] })
  const manifest = path.join(sources, 'manifests/ward-governance.json')
  const source = path.join(sources, 'assembly/system/governance/index.ts')
  const goodManifest = readFileSync(manifest, 'utf8')
  const goodSource = readFileSync(source, 'utf8')
  const changed = (text: string): void => writeFileSync(manifest, text)

  changed(goodManifest.replace('"setValidators"', '"setValidator"'))
  await t.rejects(build(), {
    code: 'CONTRACT_BUILD_FAILED',
    message: /exports what its manifest does not name/,
  })
  changed('{')
  await t.rejects(build(), { message: /is not JSON/ })
  changed(goodManifest.replace('"ward/governance"', '"ward/government"'))
  await t.rejects(build(), { message: /should be named ward-government.json/ })
  changed(goodManifest.replace('"kind": "call"', '"kind": "sometimes"'))
  await t.rejects(build(), { message: /methods\[0\]: kind: one of call/ })
  changed(goodManifest.replace(/"input": \{/, '"input": "@nothing", "was": {'))
  await t.rejects(build(), { message: /@nothing is no schema/ })
  changed(goodManifest)

  writeFileSync(source, goodSource.replace("'quarantine-lifted'", 'Math.random() > 0.5 ? "a" : "b"'))
  await t.rejects(build(), { message: /imports env.seed; time comes from the context/ })
  writeFileSync(source, goodSource.replace('.text(alias))', '.texts(alias))'))
  await t.rejects(build(), { message: /does not compile/ })
})
