// One chain in one process for tests of contracts: the real runtime, the built contracts, a real state tree
// and real signatures; blocks follow one another without consensus.
import { readFileSync, readdirSync } from 'node:fs'
import {
  generateSigningKey,
  randomBytes,
  sha256,
  signDetached,
  verifySignature,
  type SigningKey,
} from '../host/keys/crypto.js'
import {
  callView,
  createModuleCache,
  executeBlock,
  executeGenesis,
  laneOf,
  type ExecutedBlock,
  type Explanation,
  type LedgerRecord,
  type ParentState,
  newestVersions,
} from '../runtime/execution/index.js'
import * as protocol from '../runtime/protocol/index.js'
import { MemoryPages, MemoryState, StateTree } from '../runtime/state/index.js'

const { recordKind } = protocol
const contractFolder = 'dist/contracts'
export const zeroId = new Uint8Array(32)
export const hex = protocol.bytesToHex

export interface Signer {
  key: SigningKey
  entity: Uint8Array
  kind: number
  roles: string[]
  nextSequence: number
}

export interface NewRecord {
  kind: number
  code: string
  body: Record<string, unknown>
  /** Body as it is, instead of `body` by its schema. */
  bytes?: Uint8Array
  /** Minutes before the block that appends it; 0 unless given. */
  minutesAgo?: number
  supersedes?: Uint8Array
}

export interface BlockView {
  block: ExecutedBlock
  /** Receipt of the transaction itself. */
  receipt: protocol.Receipt
  /** Records that contracts made, by kind. */
  made: (kind: number) => LedgerRecord[]
  /** Receipts of derived transactions, by rule. */
  ruleReceipts: (alias: string) => protocol.Receipt[]
  /** Last entry of a rule's explanation: its outcome and why. */
  verdict: (alias: string) => { factor: string; text: string }
}

export function createSigner(kind: number, ...roles: string[]): Signer {
  const key = generateSigningKey()
  return { key, entity: protocol.entityIdOf(sha256, key.publicKey), kind, roles, nextSequence: 1 }
}

/** A built contract's files. */
export function builtContract(name: string): {
  manifest: Uint8Array
  code: Uint8Array
  decoded: protocol.Manifest
} {
  const manifest = new Uint8Array(readFileSync(`${contractFolder}/${name}.manifest.cbor`))
  const decoded = protocol.decodeManifest(manifest)
  if (!decoded.ok) throw new Error(`${name}: ${decoded.detail}`)
  return {
    manifest,
    code: new Uint8Array(readFileSync(`${contractFolder}/${name}.wasm`)),
    decoded: decoded.value,
  }
}

export const contractNames = (): string[] =>
  readdirSync(contractFolder)
    .filter((file) => file.endsWith('.wasm'))
    .map((file) => file.slice(0, -'.wasm'.length))

/** Encodes by a schema; a value that does not fit is a mistake of the test. */
export function encoded(schema: protocol.Schema, value: unknown): Uint8Array {
  const bytes = protocol.encodeBorsh(schema, value)
  if (!bytes.ok) throw new Error(bytes.detail)
  return bytes.value
}

export function decodedAs<T>(schema: protocol.Schema, bytes: Uint8Array): T {
  const value = protocol.decodeBorsh(schema, bytes)
  if (!value.ok) throw new Error(value.detail)
  return value.value as T
}

const explanationSchema = protocol.explanationEntry

/** A block as it travels, in base64: for a node of another process to carry out. */
export interface GivenBlock {
  header: string
  payload: string
}

export class ContractChain {
  readonly ports = { hash: sha256, verify: verifySignature }
  readonly cache = createModuleCache()
  readonly #memory = new MemoryState()
  readonly #pages = new MemoryPages()
  readonly #tree: StateTree
  readonly #bodies = new Map<string, protocol.RecordBody>()
  readonly #attachments = new Map<string, Uint8Array>()
  readonly chainId: Uint8Array
  readonly genesis: Uint8Array
  /** Every block since the founding, in order. */
  readonly blocks: GivenBlock[] = []
  #validatorsHash: Uint8Array
  height = 0
  /** Noon of a spring day. */
  time = Date.UTC(2026, 3, 14, 12)

  constructor(
    signers: readonly Signer[],
    grants: unknown[] = [],
    contracts: readonly string[] = contractNames(),
  ) {
    const leafSalt = randomBytes(32)
    this.#tree = StateTree.open(this.#pages, sha256, leafSalt)
    this.genesis = genesisOf(signers, grants, contracts, leafSalt, this.time - 1_000)
    const founded = executeGenesis(this.genesis, this.state, this.cache, this.ports)
    if (!founded.ok) throw new Error(`${founded.code} ${founded.detail}`)
    this.chainId = founded.value.chainId
    this.#apply(founded.value)
    this.#validatorsHash = founded.value.result.nextValidatorsHash
  }

  get state(): ParentState {
    const memory = this.#memory
    const tree = this.#tree
    return {
      get: (...args) => memory.get(...args),
      scan: (...args) => memory.scan(...args),
      scanIndex: (...args) => memory.scanIndex(...args),
      bodyOf: (id) => this.#bodies.get(hex(id)),
      attachmentOf: (hash) => this.#attachments.get(hex(hash)),
      subRoot: (store) => tree.subRoot(store),
      updateTree: (writes) => tree.update(writes),
    }
  }

  get stateRoot(): string {
    return hex(this.#tree.root)
  }

  #apply(block: Pick<ExecutedBlock, 'writeSet' | 'tree' | 'records' | 'attachments'>): void {
    this.#memory.apply(block.writeSet)
    this.#pages.apply(block.tree.pageWrites)
    this.#tree.accept(block.tree)
    for (const record of block.records) this.#bodies.set(hex(record.id), record.body)
    for (const { hash, content } of block.attachments) this.#attachments.set(hex(hash), content)
  }

  /** Appends records under one signature in a block of its own. */
  append(signer: Signer, patient: Uint8Array, records: readonly NewRecord[], minutesLater = 1): BlockView {
    this.time += minutesLater * 60_000
    const bodies: protocol.RecordBody[] = []
    const headers = records.map((record) => {
      const schema = protocol.recordBodySchemas.get(record.kind)
      if (schema === undefined) throw new Error(`kind ${record.kind} has no body schema`)
      const body = {
        salt: randomBytes(16),
        content: record.bytes ?? encoded(schema, { schema: 1, ...record.body }),
      }
      bodies.push(body)
      const header: protocol.RecordHeader = {
        kind: record.kind,
        patient,
        code: record.code,
        effectiveTime: this.time - (record.minutesAgo ?? 0) * 60_000,
        bodyHash: protocol.bodyHash(sha256, body),
      }
      if (record.supersedes) header.supersedes = record.supersedes
      return header
    })
    return this.#submit(signer, { type: 'append', records: headers }, bodies, [])
  }

  /** Calls a method in a block of its own; the argument is encoded by the manifest's schema. */
  call(
    signer: Signer,
    alias: string,
    method: string,
    value: unknown,
    attachments: Uint8Array[] = [],
  ): BlockView {
    this.time += 1_000
    const { input } = this.#method(alias, method)
    const hashes = attachments.map((content) => sha256(content))
    const action = {
      type: 'call',
      target: alias,
      method,
      args: encoded(input, value),
      attachments: hashes,
    } as const
    return this.#submit(signer, action, [], attachments)
  }

  /** Answer of a view, or its refusal. */
  view<T>(alias: string, method: string, value: unknown): T {
    const { input, output } = this.#method(alias, method)
    const call = { target: alias, method, args: encoded(input, value) }
    const answer = callView(
      this.state,
      call,
      { height: this.height, time: this.time },
      this.cache,
      this.ports,
    )
    if (!answer.ok) throw new Error(`${answer.code} ${answer.detail}`)
    return decodedAs<T>(output, answer.value.returned)
  }

  viewFuel(alias: string, method: string, value: unknown): number {
    const call = { target: alias, method, args: encoded(this.#method(alias, method).input, value) }
    const answer = callView(
      this.state,
      call,
      { height: this.height, time: this.time },
      this.cache,
      this.ports,
    )
    return answer.ok ? answer.value.fuelUsed : -1
  }

  #method(alias: string, name: string): protocol.ManifestMethod {
    const method = builtContract(alias.replace('/', '-')).decoded.methods.find(
      (known) => known.name === name,
    )
    if (method === undefined) throw new Error(`${alias} has no method ${name}`)
    return method
  }

  #submit(
    signer: Signer,
    action: protocol.AppendAction | protocol.CallAction,
    bodies: protocol.RecordBody[],
    attachments: Uint8Array[],
  ): BlockView {
    const transaction: protocol.Transaction = {
      chainId: this.chainId,
      sender: signer.entity,
      keyId: protocol.keyIdOf(sha256, signer.key.publicKey),
      stream: 0,
      sequence: signer.nextSequence,
      validUntil: this.time + 60_000,
      fuelLimit: 900_000_000,
      action,
    }
    signer.nextSequence += 1
    const payload = protocol.encodeTransaction(transaction)
    const signature = signDetached(signer.key, protocol.transactionSigningBytes(payload))
    const bytes = protocol.encodeSignedTransaction(payload, signature)
    const lanes: Uint8Array[][] = [[], [], [], [], []]
    const roots: Uint8Array[][] = [[], [], [], [], []]
    const lane = laneOf(this.state, transaction) ?? protocol.lane.operational
    lanes[lane].push(protocol.encodeBundle(bytes, bodies, attachments))
    roots[lane].push(bytes)
    const header = this.#header(roots)
    const block = executeBlock({ header, payload: { lanes } }, this.state, this.cache, this.ports)
    if (!block.ok) throw new Error(`invalid block: ${block.code} ${block.detail}`)
    this.blocks.push({
      header: Buffer.from(protocol.encodeHeader(header)).toString('base64'),
      payload: Buffer.from(protocol.encodePayload({ lanes })).toString('base64'),
    })
    this.height += 1
    this.#apply(block)
    this.#validatorsHash = block.result.nextValidatorsHash
    return viewOf(block)
  }

  #header(roots: Uint8Array[][]): protocol.BlockHeader {
    return {
      version: protocol.protocolVersion,
      appVersion: protocol.appVersion,
      chainId: this.chainId,
      epoch: 0,
      height: this.height + 1,
      view: 0,
      time: this.time,
      proposer: zeroId,
      parentHash: zeroId,
      parentResultHash: zeroId,
      parentCertificateHash: zeroId,
      transactionRoots: protocol.transactionRoots(sha256, roots),
      validatorsHash: this.#validatorsHash,
    }
  }
}

function genesisOf(
  signers: readonly Signer[],
  grants: unknown[],
  contracts: readonly string[],
  leafSalt: Uint8Array,
  time: number,
): Uint8Array {
  const policy = builtContract('ward-policy').decoded.methods.find(({ name }) => name === 'genesis')
  if (policy === undefined) throw new Error('ward/policy has no genesis')
  const roles = signers.flatMap(({ entity, roles: held }) => held.map((role) => ({ entity, role })))
  const { publicKey } = generateSigningKey()
  return protocol.encodeGenesis({
    version: 1,
    name: 'test ward',
    time,
    leafSalt,
    nodes: [
      {
        entity: protocol.entityIdOf(sha256, publicKey),
        name: 'v1',
        role: 'validator',
        voteKey: publicKey,
        transportKey: publicKey,
        host: '127.0.0.1',
        port: 1,
      },
    ],
    entities: signers.map(({ entity, key, kind, roles: held }, index) => ({
      entity,
      kind,
      publicKey: key.publicKey,
      label: `signer ${index}`,
      roles: held,
      keystore: new Uint8Array(0),
    })),
    contracts: contracts
      .map((name) => builtContract(name))
      .map(({ manifest, code }) => ({ manifest, code })),
    calls: [{ alias: 'ward/policy', method: 'genesis', args: encoded(policy.input, { roles, grants }) }],
    ...newestVersions,
  })
}

function viewOf(block: ExecutedBlock): BlockView {
  return {
    block,
    receipt: block.receiptsDecoded[0],
    made: (kind) => block.records.filter((record) => record.derived && record.header.kind === kind),
    ruleReceipts: (alias) =>
      block.receiptsDecoded.filter(({ cause, target }) => cause && target?.alias === alias),
    verdict: (alias) => lastEntry(block.explanations, alias),
  }
}

function lastEntry(explanations: readonly Explanation[], alias: string): { factor: string; text: string } {
  const entry = explanations
    .filter((explanation) => explanation.alias === alias)
    .at(-1)
    ?.entries.at(-1)
  return entry === undefined
    ? { factor: 'none', text: '' }
    : decodedAs<{ factor: string; text: string }>(explanationSchema, entry)
}

/** Body of an admission. Born in 1997, so 29 years old in the spring of 2026. */
export function admission(fields: Record<string, unknown> = {}): NewRecord {
  const body = {
    family: 'Doe',
    given: 'Test',
    birthDate: 19_970_203,
    sex: 'F',
    pregnancy: 0,
    identifiers: [],
    ward: 'W1',
    room: '1',
    bed: '2',
    visitNumber: '',
    reason: '',
    ...fields,
  }
  return { kind: recordKind.admission, code: '', body }
}

const units: Record<string, string> = {
  '8310-5': 'Cel',
  '8480-6': 'mm[Hg]',
  '8462-4': 'mm[Hg]',
  '8478-0': 'mm[Hg]',
  '8867-4': '/min',
  '9279-1': '/min',
  '59408-5': '%',
  '3151-8': 'L/min',
  '2524-7': 'mmol/L',
  '32693-4': 'mmol/L',
  '6690-2': '10*9/L',
  '2160-0': 'mg/dL',
  '1975-2': 'mg/dL',
  '777-3': '10*9/L',
}

/** An observation; text values are coded ones. A decimal like '2.04' keeps its digits. */
export function observation(
  code: string,
  value: string,
  extra: Partial<NewRecord> & { validation?: number } = {},
): NewRecord {
  const { validation = 0, body, ...rest } = extra
  const isNumber = /^\d+(\.\d+)?$/.test(value)
  const [whole, decimals = ''] = value.split('.')
  const amount = isNumber
    ? { value: BigInt(whole + decimals), scale: decimals.length }
    : { value: 0n, scale: 0 }
  const text = isNumber ? '' : value
  const fixed = { unit: units[code] ?? '', status: 'F', validation, sourceText: value, device: 'monitor' }
  return { kind: recordKind.observation, code, body: { ...amount, text, ...fixed, ...body }, ...rest }
}

export function finding(code: string, concepts: string[], extra: Partial<NewRecord> = {}): NewRecord {
  return { kind: recordKind.finding, code, body: { concepts, site: 'abdomen', text: '' }, ...extra }
}
