// A chain in memory for tests and benches: real formats, real signatures, real modules, no network.
import * as crypto from 'node:crypto'
import sodium from 'sodium-native'
import {
  bodyHash,
  bytesToHex,
  concatBytes,
  encodeBorsh,
  encodeBundle,
  encodeGenesis,
  encodePayload,
  encodeResult,
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
  resultHash,
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
  type RecordBody,
  type Schema,
  type Transaction,
  type Validator,
  type VerifySignature,
} from '../protocol/index.js'
import { MemoryPages, MemoryState, StateTree, type StateWrite, type TreeUpdate } from '../state/index.js'
import { byteText } from './byte-text.js'
import {
  createModuleCache,
  executeBlock,
  executeGenesis,
  laneOf,
  newestVersions,
  type BlockOptions,
  type BlockOutcome,
  type ExecutedBlock,
  type FrameWatch,
  type GenesisOutcome,
  type ModuleCache,
  type ParentState,
} from './index.js'

const oneShot = (
  crypto as unknown as { hash: (this: void, name: string, bytes: Uint8Array, out: 'latin1') => string }
).hash

/** As in the node (`host/keys/crypto.ts`): text and a loop cost half of what a Buffer costs. */
function hashInto(bytes: Uint8Array, out: Uint8Array): Uint8Array {
  const text = oneShot('sha256', bytes, 'latin1')
  for (let index = 0; index < 32; index += 1) out[index] = text.charCodeAt(index)
  return out
}
export const sha256: Hash = (bytes) => hashInto(bytes, new Uint8Array(32))
const treeScratch = new Uint8Array(32)
/** As in the node (`host/store/sodium.ts`): the tree copies every hash at once. */
const treeHash: Hash = (bytes) => hashInto(bytes, treeScratch)

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
  readonly tree = StateTree.open(this.pages, treeHash, testLeafSalt)
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
    return this.bodies.get(byteText(recordId))
  }
  attachmentOf(hash: Uint8Array): Uint8Array | undefined {
    return this.attachments.get(byteText(hash))
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
    for (const record of executed.records) this.bodies.set(byteText(record.id), record.body)
    for (const { hash, content } of executed.attachments) this.attachments.set(byteText(hash), content)
  }
}

export interface WorldOptions {
  signers: Signer[]
  contracts: GenesisContract[]
  institution?: Genesis['institution']
  calls?: GenesisCall[]
  /** The newest unless given. */
  fuelSchedule?: number
  /** The first unless given. */
  instrumenter?: number
  cache?: ModuleCache
}

export const validatorNames = ['node a', 'node b', 'node c', 'node d']

/** A founded chain that executes and applies one block after the other. */
export class World {
  readonly chain = new MemoryChain()
  readonly genesis: GenesisOutcome
  readonly genesisBytes: Uint8Array
  cache: ModuleCache
  /** Told of the frames of blocks. */
  watch: FrameWatch | undefined
  height = 0
  time = genesisTime
  validators: Validator[]
  last: ExecutedBlock | undefined
  /** Hashes of the results, by height; the founding has none. */
  private readonly results: Uint8Array[] = [zeroHash]

  constructor(options: WorldOptions) {
    this.cache = options.cache ?? createModuleCache()
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
      ...(options.institution && { institution: options.institution }),
      // A document of before there were two schedules does not name one.
      ...(options.fuelSchedule === 1
        ? {}
        : { fuelSchedule: options.fuelSchedule ?? newestVersions.fuelSchedule }),
      ...(options.instrumenter !== undefined && { instrumenter: options.instrumenter }),
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

  resultAt(height: number): Uint8Array {
    return this.results[height] ?? zeroHash
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
      const own = laneOf(this.chain, bundle.signed.transaction) ?? lanes.operational
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
      parentResultHash: this.resultAt(this.height),
      parentCertificateHash: zeroHash,
      transactionRoots: transactionRoots(sha256, signed),
      validatorsHash: validatorsHash(sha256, this.validators),
      ...changes,
    }
    return { header, payload: encodePayload({ lanes: groups }) }
  }

  /** Executes without applying. */
  try(bundles: Uint8Array[], changes: Partial<BlockHeader> = {}, options: BlockOptions = {}): BlockOutcome {
    const watched = this.watch === undefined ? ports : { ...ports, watch: this.watch }
    return executeBlock(this.propose(bundles, changes), this.chain, this.cache, watched, options)
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
    this.results[this.height] = resultHash(sha256, encodeResult(outcome.result))
    return outcome
  }
}

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

export const hex = bytesToHex
export const clinicalLane = lanes.clinical
