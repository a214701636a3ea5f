// Contracts for tests: small ones from WebAssembly text, and the compiled ones of contracts-as.
import { existsSync, readFileSync } from 'node:fs'
import {
  decodeManifest,
  encodeManifest,
  recordKind,
  type GenesisContract,
  type Manifest,
  type Schema,
} from '../protocol/index.js'
import { assemble } from '../module/wat.fixture.js'

export interface TestContract {
  manifest: Manifest
  manifestBytes: Uint8Array
  code: Uint8Array
}

/** A manifest with the fields that tests rarely care about filled in. */
export function manifestOf(fields: Partial<Manifest> & { alias: string }): Manifest {
  return {
    version: '1.0.0',
    type: 'contract',
    title: 'test',
    purpose: 'test',
    population: 'none',
    reviewer: 'nobody',
    evidence: [],
    compiler: 'wabt',
    migrateVersion: 1,
    reads: [],
    emits: [],
    calls: [],
    subscriptions: [],
    methods: [],
    ...fields,
  }
}

export const noSchema: Schema = { struct: [] }

/** Methods by name and kind, with a fuel bound. */
export const methodsOf = (
  methods: Record<string, Manifest['methods'][number]['kind']>,
  fuel = 20_000_000,
): Manifest['methods'] =>
  Object.entries(methods).map(([name, kind]) => ({ name, kind, fuel, input: noSchema, output: noSchema }))

const imports = `
  (import "wardchain_v1" "input_len" (func $input_len (result i32)))
  (import "wardchain_v1" "input_read" (func $input_read (param i32)))
  (import "wardchain_v1" "result_len" (func $result_len (result i32)))
  (import "wardchain_v1" "result_read" (func $result_read (param i32)))
  (import "wardchain_v1" "return_set" (func $return_set (param i32 i32)))
  (import "wardchain_v1" "abort" (func $abort (param i32 i32 i32 i32)))
  (import "wardchain_v1" "context_read" (func $context_read (param i32)))
  (import "wardchain_v1" "fuel_left" (func $fuel_left (result i64)))
  (import "wardchain_v1" "state_get" (func $state_get (param i32 i32 i32) (result i32)))
  (import "wardchain_v1" "state_set" (func $state_set (param i32 i32 i32 i32 i32)))
  (import "wardchain_v1" "state_remove" (func $state_remove (param i32 i32 i32)))
  (import "wardchain_v1" "ordered_put" (func $ordered_put (param i32 i32 i32 i64 i32 i32)))
  (import "wardchain_v1" "ordered_remove" (func $ordered_remove (param i32 i32 i32 i64 i32) (result i32)))
  (import "wardchain_v1" "state_scan" (func $state_scan (param i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wardchain_v1" "record_get" (func $record_get (param i32) (result i32)))
  (import "wardchain_v1" "record_latest"
    (func $record_latest (param i32 i32 i32 i32 i64 i64) (result i32)))
  (import "wardchain_v1" "record_query"
    (func $record_query (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wardchain_v1" "record_emit" (func $record_emit (param i32 i32)))
  (import "wardchain_v1" "alert_raise" (func $alert_raise (param i32 i32) (result i32)))
  (import "wardchain_v1" "event_emit" (func $event_emit (param i32 i32 i32 i32)))
  (import "wardchain_v1" "explain" (func $explain (param i32 i32)))
  (import "wardchain_v1" "log_write" (func $log_write (param i32 i32)))
  (import "wardchain_v1" "contract_call"
    (func $contract_call (param i32 i32 i32 i32 i32 i32 i64 i32) (result i32)))
  (import "wardchain_v1" "answer_frozen_since" (func $answer_frozen_since (result i64)))
  (import "wardchain_v1" "timer_set" (func $timer_set (param i64 i32 i32 i32 i32 i64)))
  (import "wardchain_v1" "timer_cancel" (func $timer_cancel (param i32) (result i32)))
  (import "wardchain_v1" "sha256" (func $sha256 (param i32 i32)))
  (import "wardchain_v1" "ed25519_verify" (func $ed25519_verify (param i32 i32 i32 i32) (result i32)))
  (import "wardchain_v1" "kernel_command" (func $kernel_command (param i32 i32) (result i32)))`

/** A contract from WebAssembly text; the host imports and a page of memory are there already. */
export function contractOf(fields: Partial<Manifest> & { alias: string }, body: string): TestContract {
  const manifest = manifestOf(fields)
  return {
    manifest,
    manifestBytes: encodeManifest(manifest),
    code: assemble(`(module ${imports} (memory (export "memory") 1) ${body})`),
  }
}

export const genesisContract = ({ manifestBytes, code }: TestContract): GenesisContract => ({
  manifest: manifestBytes,
  code,
})

/**
 * `ward/policy` of the tests: everybody may append, except authors in table 0. The grant is 16 bytes of
 * 0x11.
 */
export const openPolicy = contractOf(
  {
    alias: 'ward/policy',
    methods: methodsOf({ mayAppend: 'system', forbid: 'call', allow: 'call', trap: 'call' }),
  },
  `(data (i32.const 0) "\\01${'\\11'.repeat(16)}\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00")
   (data (i32.const 64) "\\00${'\\00'.repeat(24)}\\0b\\00\\00\\00append kind")
   (func (export "mayAppend")
     (call $input_read (i32.const 1024))
     (if (i32.eq (call $state_get (i32.const 0) (i32.const 1024) (i32.const 32)) (i32.const 2)) (then (unreachable)))
     (if (i32.ge_s (call $state_get (i32.const 0) (i32.const 1024) (i32.const 32)) (i32.const 0))
       (then (call $return_set (i32.const 64) (i32.const 40)))
       (else (call $return_set (i32.const 0) (i32.const 29)))))
   (func (export "forbid") (call $input_read (i32.const 1024))
     (call $state_set (i32.const 0) (i32.const 1024) (i32.const 32) (i32.const 0) (i32.const 1)))
   (func (export "trap") (call $input_read (i32.const 1024))
     (call $state_set (i32.const 0) (i32.const 1024) (i32.const 32) (i32.const 0) (i32.const 2)))
   (func (export "allow") (call $input_read (i32.const 1024))
     (call $state_remove (i32.const 0) (i32.const 1024) (i32.const 32)))`,
)

/**
 * `ward/governance` of the tests: hands its argument to the kernel; a refusal becomes an abort with its
 * number.
 */
export const plainGovernance = contractOf(
  { alias: 'ward/governance', methods: methodsOf({ command: 'call', quiet: 'call' }) },
  `(func (export "command") (local $status i32)
     (call $input_read (i32.const 1024))
     (local.set $status (call $kernel_command (i32.const 1024) (call $input_len)))
     (if (i32.lt_s (local.get $status) (i32.const 0))
       (then (call $abort (i32.sub (i32.const 0) (local.get $status)) (i32.const 0) (i32.const 0) (i32.const 1)))))
   (func (export "quiet")
     (call $input_read (i32.const 1024))
     (drop (call $kernel_command (i32.const 1024) (call $input_len))))`,
)

/**
 * `ward/alerts` of the tests: each raise is an alert record for the patient behind rule, version and
 * address.
 */
export const plainAlerts = contractOf(
  {
    alias: 'ward/alerts',
    methods: methodsOf({ raise: 'system' }),
    emits: [{ kind: recordKind.alert, codes: [] }],
  },
  `(func (export "raise") (local $at i32) (local $length i32)
     (local.set $length (call $input_len))
     (call $input_read (i32.const 1024))
     (local.set $at (i32.add (i32.const 1028) (i32.load (i32.const 1024))))
     (local.set $at (i32.add (i32.add (local.get $at) (i32.const 36)) (i32.load (local.get $at))))
     ;; EmittedRecord at 16384: kind, patient, code "alert", time, no supersedes, body
     (i32.store8 (i32.const 16384) (i32.const 4))
     (memory.copy (i32.const 16385) (local.get $at) (i32.const 16))
     (i32.store (i32.const 16401) (i32.const 5))
     (i32.store (i32.const 16405) (i32.const 0x72656c61)) (i32.store8 (i32.const 16409) (i32.const 0x74))
     (call $context_read (i32.const 512))
     (i64.store (i32.const 16410) (i64.load (i32.const 520)))
     (i32.store8 (i32.const 16418) (i32.const 0))
     (i32.store (i32.const 16419) (local.get $length))
     (memory.copy (i32.const 16423) (i32.const 1024) (local.get $length))
     (call $record_emit (i32.const 16384) (i32.add (i32.const 39) (local.get $length)))
     (call $result_read (i32.const 256))
     (call $return_set (i32.const 256) (i32.const 32)))`,
)

export const systemContracts = [openPolicy, plainGovernance, plainAlerts].map(genesisContract)

/** A compiled contract of contracts-as, or undefined where the build has not made it. */
export function builtContract(name: string): TestContract | undefined {
  const base = `dist/contracts/${name.replace('/', '-')}`
  if (!existsSync(`${base}.wasm`)) return undefined
  const manifestBytes = new Uint8Array(readFileSync(`${base}.manifest.cbor`))
  const manifest = decodeManifest(manifestBytes)
  if (!manifest.ok) throw new Error(`${name}: ${manifest.detail}`)
  return { manifest: manifest.value, manifestBytes, code: new Uint8Array(readFileSync(`${base}.wasm`)) }
}
