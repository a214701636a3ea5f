// Versions of contracts for `ward rule` to ship: their code is next to nothing, the manifest says the rest.
import {
  encodeManifest,
  recordKind,
  type GenesisContract,
  type Manifest,
  type Schema,
} from '../../runtime/protocol/index.js'
import { manifestOf } from '../../runtime/execution/test-contracts.fixture.js'
import { createAssembler } from '../conformance/assembler.js'

const text = '(module (memory (export "memory") 1) (func (export "get")) (func (export "migrate")))'
const assembler = await createAssembler()
export const code = assembler.assemble(new TextEncoder().encode(text)) ?? new Uint8Array(0)
export const none = { struct: [] }

/** A rule that fails on everything it hears. */
const brokenText = '(module (memory (export "memory") 1) (func (export "on") (unreachable)))'
export const brokenCode = assembler.assemble(new TextEncoder().encode(brokenText)) ?? new Uint8Array(0)

/** `get` answers; what a version is is in its manifest. */
export function version(alias: string, number: string, fields: Partial<Manifest> = {}): GenesisContract {
  const method = { fuel: 1_000_000, input: none, output: none }
  const methods: Manifest['methods'] = [
    { ...method, name: 'get', kind: 'view' },
    { ...method, name: 'migrate', kind: 'system' },
  ]
  const manifest = encodeManifest(manifestOf({ alias, version: number, methods, ...fields }))
  return { manifest, code }
}

/** Looks its argument up in table 1, and says 7. */
const keptCode = assembler.assemble(
  new TextEncoder().encode(`(module
    (import "wardchain_v1" "input_read" (func $input (param i32)))
    (import "wardchain_v1" "state_get" (func $get (param i32 i32 i32) (result i32)))
    (import "wardchain_v1" "return_set" (func $return (param i32 i32)))
    (memory (export "memory") 1) (data (i32.const 64) "\\07\\00\\00\\00")
    (func (export "seen") (call $input (i32.const 0))
      (drop (call $get (i32.const 1) (i32.const 0) (i32.const 16))) (call $return (i32.const 64) (i32.const 4)))
    (func (export "all") (drop (call $get (i32.const 1) (i32.const 0) (i32.const 3)))
      (call $return (i32.const 64) (i32.const 4)))
    (func (export "fails") (call $input (i32.const 0)) (unreachable))
    (func (export "migrate")))`),
) as Uint8Array<ArrayBuffer>

/** Counts readings by its manifest, which is what a reader's grants are asked by. */
export function kept(number: string, migrateVersion: number): GenesisContract {
  const patient: Schema = { struct: [['patient', { fixed: 16 }]] }
  const view = { kind: 'view' as const, fuel: 1_000_000, output: { struct: [['count', 'u32' as const]] } }
  const migrate = { name: 'migrate', kind: 'system' as const, fuel: 1_000_000, input: none, output: none }
  const { manifest } = version('acme/kept', number, {
    migrateVersion,
    reads: [{ kind: recordKind.observation, codes: ['8867-4'] }],
    tables: [{ id: migrateVersion, name: 'counts', patient: true }],
    methods: [
      { ...view, name: 'seen', input: patient },
      { ...view, name: 'all', input: none },
      { ...view, name: 'fails', input: patient },
      migrate,
    ] as Manifest['methods'],
  })
  return { manifest, code: keptCode }
}
