// A chain in memory for tests and benches: real formats, real signatures, real modules, no network.
import * as crypto from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import sodium from 'sodium-native'
import {
  bodyHash,
  bytesToHex,
  concatBytes,
  decodeManifest,
  encodeBorsh,
  encodeBundle,
  encodeGenesis,
  encodeManifest,
  encodePayload,
  encodeSignedTransaction,
  encodeTransaction,
  entityIdOf,
  entityKind,
  keyIdOf,
  laneCount,
  lane as lanes,
  appVersion,
  protocolVersion,
  recordBodySchemas,
  recordKind,
  transactionRoots,
  transactionSigningBytes,
  validatorsHash,
  zeroHash,
  decodeBundle,
  type BlockHeader,
  type Bundle,
  type Genesis,
  type GenesisCall,
  type GenesisContract,
  type Hash,
  type Manifest,
  type RecordBody,
  type Schema,
  type Transaction,
  type Validator,
  type VerifySignature,
} from '../protocol/index.js'
import { MemoryPages, MemoryState, StateTree, type StateWrite, type TreeUpdate } from '../state/index.js'
import { bytesToText } from '../state/state-keys.js'
import { assemble } from '../module/wat.fixture.js'
import {
  createModuleCache,
  executeBlock,
  executeGenesis,
  laneOf,
  type BlockOptions,
  type BlockOutcome,
  type ExecutedBlock,
  type GenesisOutcome,
  type ModuleCache,
  type ParentState,
} from './index.js'

const oneShot = (crypto as unknown as { hash(name: string, bytes: Uint8Array, out: 'buffer'): Buffer }).hash
export const sha256: Hash = (bytes) => new Uint8Array(oneShot('sha256', bytes, 'buffer'))

export const verify: VerifySignature = (publicKey, message, signature) =>
  sodium.crypto_sign_verify_detached(signature, message, publicKey)

export const ports = { hash: sha256, verify }
export const testLeafSalt = new Uint8Array(32).fill(7)
export const genesisTime = 1_700_000_000_000

export interface Signer {
  entity: Uint8Array
  keyId: Uint8Array
  publicKey: Uint8Array
  secretKey: Buffer
  kind: number
  nextSequence: number
}

/** A key pair from a name: the same in every run. */
export function signerOf(name: string, kind: number = entityKind.person): Signer {
  const publicKey = new Uint8Array(32)
  const secretKey = Buffer.alloc(64)
  sodium.crypto_sign_seed_keypair(publicKey, secretKey, sha256(Buffer.from(name)))
  return {
    publicKey,
    secretKey,
    kind,
    entity: entityIdOf(sha256, publicKey),
    keyId: keyIdOf(sha256, publicKey),
    nextSequence: 1,
  }
}

export const patientOf = (name: string): Uint8Array => sha256(Buffer.from(`patient ${name}`)).slice(0, 16)

export function borsh(schema: Schema, value: unknown): Uint8Array {
  const encoded = encodeBorsh(schema, value)
  if (!encoded.ok) throw new Error(`${encoded.code} ${encoded.detail}`)
  return encoded.value
}

export interface NewRecord {
  kind: number
  patient: Uint8Array
  code: string
  effectiveTime?: number
  body?: Uint8Array
  supersedes?: Uint8Array
}

/** State of the chain, in memory, behind the port that execution reads. */
export class MemoryChain implements ParentState {
  readonly state = new MemoryState()
  readonly pages = new MemoryPages()
  readonly tree = StateTree.open(this.pages, sha256, testLeafSalt)
  readonly bodies = new Map<string, RecordBody>()
  readonly attachments = new Map<string, Uint8Array>()

  get(...key: Parameters<MemoryState['get']>): Uint8Array | undefined {
    return this.state.get(...key)
  }
  scan(...scan: Parameters<MemoryState['scan']>): ReturnType<MemoryState['scan']> {
    return this.state.scan(...scan)
  }
  scanIndex(...scan: Parameters<MemoryState['scan']>): ReturnType<MemoryState['scan']> {
    return this.state.scanIndex(...scan)
  }
  bodyOf(recordId: Uint8Array): RecordBody | undefined {
    return this.bodies.get(bytesToText(recordId))
  }
  attachmentOf(hash: Uint8Array): Uint8Array | undefined {
    return this.attachments.get(bytesToText(hash))
  }
  subRoot(store: string): Uint8Array {
    return this.tree.subRoot(store)
  }
  updateTree(writes: readonly StateWrite[]): TreeUpdate {
    return this.tree.update(writes)
  }

  apply(executed: Omit<ExecutedBlock, 'ok'>): void {
    this.state.apply(executed.writeSet)
    this.pages.apply(executed.tree.pageWrites)
    this.tree.accept(executed.tree)
    for (const record of executed.records) this.bodies.set(bytesToText(record.id), record.body)
    for (const { hash, content } of executed.attachments) this.attachments.set(bytesToText(hash), content)
  }
}

export interface WorldOptions {
  signers: Signer[]
  contracts: GenesisContract[]
  calls?: GenesisCall[]
}

export const validatorNames = ['node a', 'node b', 'node c', 'node d']

/** A founded chain that executes and applies one block after the other. */
export class World {
  readonly chain = new MemoryChain()
  readonly genesis: GenesisOutcome
  readonly genesisBytes: Uint8Array
  cache: ModuleCache = createModuleCache()
  height = 0
  time = genesisTime
  validators: Validator[]
  last: ExecutedBlock | undefined

  constructor(options: WorldOptions) {
    const nodes = validatorNames.map((name) => ({ name, key: signerOf(name, entityKind.node) }))
    const genesis: Genesis = {
      version: 1,
      name: 'test hospital',
      time: genesisTime,
      leafSalt: testLeafSalt,
      nodes: nodes.map(({ name, key }) => ({
        entity: key.entity,
        name,
        role: 'validator',
        voteKey: key.publicKey,
        transportKey: key.publicKey,
        host: '127.0.0.1',
        port: 1,
      })),
      entities: options.signers.map((signer, index) => ({
        entity: signer.entity,
        kind: signer.kind,
        publicKey: signer.publicKey,
        label: `entity ${index}`,
        roles: [],
        keystore: new Uint8Array(0),
      })),
      contracts: options.contracts,
      calls: options.calls ?? [],
    }
    this.genesisBytes = encodeGenesis(genesis)
    const founded = executeGenesis(this.genesisBytes, this.chain, this.cache, ports)
    if (!founded.ok) throw new Error(`${founded.code} ${founded.detail}`)
    this.genesis = founded.value
    this.chain.apply(this.genesis)
    this.validators = this.genesis.validators
  }

  get chainId(): Uint8Array {
    return this.genesis.chainId
  }

  sign(signer: Signer, action: Transaction['action'], changes: Partial<Transaction> = {}): Uint8Array {
    const transaction: Transaction = {
      chainId: this.chainId,
      sender: signer.entity,
      keyId: signer.keyId,
      stream: 0,
      sequence: changes.sequence ?? signer.nextSequence++,
      fuelLimit: 100_000_000,
      validUntil: this.time + 3_600_000,
      action,
      ...changes,
    }
    if (changes.validUntil === undefined && 'validUntil' in changes) delete transaction.validUntil
    const payload = encodeTransaction(transaction)
    const signature = Buffer.alloc(64)
    sodium.crypto_sign_detached(signature, transactionSigningBytes(payload), signer.secretKey)
    return encodeSignedTransaction(payload, signature)
  }

  append(signer: Signer, records: NewRecord[], changes: Partial<Transaction> = {}): Uint8Array {
    const bodies = records.map((record, index) => ({
      salt: sha256(concatBytes(signer.entity, Uint8Array.of(signer.nextSequence & 255, index))).slice(
        0,
        16,
      ),
      content: record.body ?? new Uint8Array([index]),
    }))
    const headers = records.map((record, index) => ({
      kind: record.kind,
      patient: record.patient,
      code: record.code,
      effectiveTime: record.effectiveTime ?? this.time,
      bodyHash: bodyHash(sha256, bodies[index]),
      ...(record.supersedes ? { supersedes: record.supersedes } : {}),
    }))
    return encodeBundle(this.sign(signer, { type: 'append', records: headers }, changes), bodies, [])
  }

  call(
    signer: Signer,
    target: string,
    method: string,
    args: Uint8Array = new Uint8Array(0),
    options: Partial<Transaction> & { attachments?: Uint8Array[] } = {},
  ): Uint8Array {
    const { attachments = [], ...changes } = options
    const action = { type: 'call' as const, target, method, args, attachments: attachments.map(sha256) }
    return encodeBundle(this.sign(signer, action, changes), [], attachments)
  }

  bundle(bytes: Uint8Array): Bundle {
    const decoded = decodeBundle(bytes, sha256)
    if (!decoded.ok) throw new Error(decoded.code)
    return decoded.value
  }

  /** Payload bytes and header of the next block over these bundles. */
  propose(
    bundles: Uint8Array[],
    changes: Partial<BlockHeader> = {},
  ): { header: BlockHeader; payload: Uint8Array } {
    const groups: Uint8Array[][] = Array.from({ length: laneCount }, () => [])
    const signed: Uint8Array[][] = Array.from({ length: laneCount }, () => [])
    for (const bytes of bundles) {
      const bundle = this.bundle(bytes)
      const own = laneOf(bundle.signed.transaction)
      groups[own].push(bytes)
      signed[own].push(bundle.signed.bytes)
    }
    const header: BlockHeader = {
      version: protocolVersion,
      appVersion,
      chainId: this.chainId,
      epoch: 0,
      height: this.height + 1,
      view: 0,
      time: this.time + 1_000,
      proposer: this.validators[0].entity,
      parentHash: zeroHash,
      parentResultHash: zeroHash,
      parentCertificateHash: zeroHash,
      transactionRoots: transactionRoots(sha256, signed),
      validatorsHash: validatorsHash(sha256, this.validators),
      ...changes,
    }
    return { header, payload: encodePayload({ lanes: groups }) }
  }

  /** Executes without applying. */
  try(bundles: Uint8Array[], changes: Partial<BlockHeader> = {}, options: BlockOptions = {}): BlockOutcome {
    return executeBlock(this.propose(bundles, changes), this.chain, this.cache, ports, options)
  }

  /** Executes and applies; throws when the block is invalid. */
  block(
    bundles: Uint8Array[],
    changes: Partial<BlockHeader> = {},
    options: BlockOptions = {},
  ): ExecutedBlock {
    const outcome = this.try(bundles, changes, options)
    if (!outcome.ok) throw new Error(`invalid block: ${outcome.code} ${outcome.detail ?? ''}`)
    this.height += 1
    this.time = changes.time ?? this.time + 1_000
    this.chain.apply(outcome)
    this.validators = outcome.validators
    this.last = outcome
    return outcome
  }
}

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
  (import "wardchain_v1" "record_query"
    (func $record_query (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wardchain_v1" "record_emit" (func $record_emit (param i32 i32)))
  (import "wardchain_v1" "alert_raise" (func $alert_raise (param i32 i32) (result i32)))
  (import "wardchain_v1" "event_emit" (func $event_emit (param i32 i32 i32 i32)))
  (import "wardchain_v1" "explain" (func $explain (param i32 i32)))
  (import "wardchain_v1" "log_write" (func $log_write (param i32 i32)))
  (import "wardchain_v1" "contract_call"
    (func $contract_call (param i32 i32 i32 i32 i32 i32 i64 i32) (result i32)))
  (import "wardchain_v1" "timer_set" (func $timer_set (param i64 i32 i32 i32 i32 i64)))
  (import "wardchain_v1" "timer_cancel" (func $timer_cancel (param i32) (result i32)))
  (import "wardchain_v1" "sha256" (func $sha256 (param i32 i32)))
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

/** `ward/policy` of the tests: everybody may append, except authors in table 0. The grant is 16 bytes of 0x11. */
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

/** `ward/governance` of the tests: hands its argument to the kernel; a refusal becomes an abort with its number. */
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

/** `ward/alerts` of the tests: each raise is an alert record for the patient behind rule, version and address. */
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

export const admissionOf = (patient: Uint8Array): NewRecord => ({
  kind: recordKind.admission,
  patient,
  code: '',
  body: borsh(recordBodySchemas.get(recordKind.admission) as Schema, {
    schema: 1,
    family: 'Test',
    given: 'Tess',
    birthDate: 19_700_101,
    sex: 'F',
    pregnancy: 1,
    identifiers: [],
    ward: '3',
    room: '12',
    bed: 'A',
    visitNumber: 'V1',
    reason: 'test',
  }),
})

export const observationOf = (
  patient: Uint8Array,
  code: string,
  value: number,
  fields: {
    scale?: number
    unit?: string
    text?: string
    effectiveTime?: number
    validation?: number
  } = {},
): NewRecord => ({
  kind: recordKind.observation,
  patient,
  code,
  ...(fields.effectiveTime === undefined ? {} : { effectiveTime: fields.effectiveTime }),
  body: borsh(recordBodySchemas.get(recordKind.observation) as Schema, {
    schema: 1,
    value: BigInt(value),
    scale: fields.scale ?? 0,
    unit: fields.unit ?? '1',
    text: fields.text ?? '',
    status: 'F',
    validation: fields.validation ?? 0,
    sourceText: '',
    device: '',
  }),
})

/** A compiled contract of contracts-as, or undefined where the build has not made it. */
export function builtContract(name: string): TestContract | undefined {
  const base = `dist/contracts/${name.replace('/', '-')}`
  if (!existsSync(`${base}.wasm`)) return undefined
  const manifestBytes = new Uint8Array(readFileSync(`${base}.manifest.cbor`))
  const manifest = decodeManifest(manifestBytes)
  if (!manifest.ok) throw new Error(`${name}: ${manifest.detail}`)
  return { manifest: manifest.value, manifestBytes, code: new Uint8Array(readFileSync(`${base}.wasm`)) }
}

export const hex = bytesToHex
export const clinicalLane = lanes.clinical
