// A small real chain for driver tests: a hash chain as state, a pool of opaque bundles, a vote store with
// fsync.

import { createHash } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  decodePayload,
  encodePayload,
  encodeResult,
  resultHash,
  transactionRoots,
} from '../../runtime/protocol/block.js'
import { concatBytes, equalBytes } from '../../runtime/protocol/bytes.js'
import { validatorsHash } from '../../runtime/protocol/entity.js'
import { decodeMessage, encodeMessage, type BlockResult, type ValidatorSet } from '../pbft/index.js'
import { createDriver, createFollower, type Driver, type DriverOptions } from './driver.js'
import type {
  Block,
  ChainPort,
  DriverEvents,
  DriverPorts,
  FinalBlock,
  Tip,
  TransactionPort,
  Reception,
  VoteStore,
} from './ports.js'
import { testOptions, testVerify, type TestIdentity, type TestNetwork } from './network.fixture.js'
import type { Role } from './wire.js'

export const sha256 = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(createHash('sha256').update(bytes).digest())

/** The quick one: bundles may be large. */
const bytesToHex = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')

const zero = new Uint8Array(32)

export function validatorSet(network: TestNetwork): ValidatorSet {
  const members = network.validators.map(({ nodeId, key }) => ({ entity: nodeId, voteKey: key.publicKey }))
  return { hash: validatorsHash(sha256, members), members }
}

/**
 * State root of height h = H(root of h-1 ‖ payload). Keeps all final blocks in memory: it outlives a
 * driver.
 */
export class TestChain implements ChainPort {
  readonly finals: FinalBlock[] = []
  readonly bundles: string[] = []
  readonly #set: ValidatorSet
  readonly #chainId: Uint8Array
  #file: number | null = null
  /** Set it to make this replica compute something else. */
  fault = false
  executions = 0

  /** With a path the blocks are appended to that file, synced, and read back at start. */
  constructor(set: ValidatorSet, chainId: Uint8Array, path: string | null = null) {
    this.#set = set
    this.#chainId = chainId
    if (path === null) return
    for (const line of existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []) {
      const decoded = decodeMessage(new Uint8Array(Buffer.from(line, 'hex')), chainId)
      if (decoded.ok && decoded.value.type === 'blocks') this.#append(decoded.value.blocks[0])
    }
    this.#file = openSync(path, 'a')
  }

  #append(final: FinalBlock): void {
    this.finals.push(final)
    const payload = decodePayload(final.block.payload)
    if (payload.ok) for (const bundle of payload.value.lanes.flat()) this.bundles.push(bytesToHex(bundle))
  }

  get #root(): Uint8Array {
    return this.finals.at(-1)?.result.stateRoot ?? zero
  }

  async tip(): Promise<Tip> {
    const last = this.finals.at(-1)
    const validators = this.#set
    if (last === undefined) {
      const result = this.#resultOf(zero)
      return {
        epoch: 0,
        height: 0,
        blockHash: this.#chainId,
        resultHash: resultHash(sha256, encodeResult(result)),
        result,
        time: 0,
        proposer: zero,
        certificate: null,
        validators,
        skipped: [],
      }
    }
    const { header } = last.block
    const { blockHash, resultHash: certified } = last.certificate
    const { epoch, height, time, proposer } = header
    const { result, certificate } = last
    const common = { epoch, height, time, proposer, result, certificate, validators }
    return { ...common, blockHash, resultHash: certified, skipped: [] }
  }

  async validators(): Promise<ValidatorSet> {
    return this.#set
  }

  #resultOf(stateRoot: Uint8Array): BlockResult {
    return {
      stateRoot,
      receiptsRoot: zero,
      nextValidatorsHash: this.#set.hash,
      fuelUsed: 0,
      nextDueTime: 0,
    }
  }

  async execute(_hash: Uint8Array, block: FinalBlock['block']) {
    this.executions += 1
    if (!decodePayload(block.payload).ok) return { ok: false, code: 'PAYLOAD_MALFORMED' } as const
    const salt = this.fault ? Uint8Array.of(1) : new Uint8Array(0)
    const result = this.#resultOf(sha256(concatBytes(this.#root, block.payload, salt)))
    return { ok: true, result, resultHash: resultHash(sha256, encodeResult(result)) } as const
  }

  async commit(_blockHash: Uint8Array, _resultHash: Uint8Array, final: FinalBlock) {
    if (final.block.header.height !== this.finals.length + 1) throw new Error('height is not the next one')
    if (this.#file !== null) {
      const bytes = encodeMessage({ type: 'blocks', epoch: 0, blocks: [final] }, this.#chainId)
      writeSync(this.#file, `${bytesToHex(bytes)}\n`)
      fsyncSync(this.#file)
    }
    this.#append(final)
    return { validators: this.#set }
  }

  discard(): void {}

  async finalBlocks(fromHeight: number, count: number): Promise<readonly FinalBlock[]> {
    return this.finals.slice(fromHeight - 1, fromHeight - 1 + count)
  }
}

/** Lane 2 only; at most `perBlock` bundles a block. */
export class TestPool implements TransactionPort {
  readonly known = new Map<string, Uint8Array>()
  readonly waitingKeys = new Set<string>()
  readonly #perBlock: number

  constructor(perBlock = 50) {
    this.#perBlock = perBlock
  }

  add(bundle: Uint8Array): boolean {
    const key = bytesToHex(bundle)
    if (this.known.has(key)) return false
    this.known.set(key, bundle)
    this.waitingKeys.add(key)
    return true
  }

  remove(final: FinalBlock): void {
    const payload = decodePayload(final.block.payload)
    if (!payload.ok) return
    for (const bundle of payload.value.lanes.flat()) {
      this.known.set(bytesToHex(bundle), bundle)
      this.waitingKeys.delete(bytesToHex(bundle))
    }
  }

  waiting() {
    return { normal: this.waitingKeys.size > 0, emergency: false }
  }

  async buildPayload() {
    if (this.waitingKeys.size === 0) return null
    const chosen = [...this.waitingKeys].slice(0, this.#perBlock).map((key) => Buffer.from(key, 'hex'))
    const lanes = [[], [], chosen.map((bundle) => new Uint8Array(bundle)), [], []]
    return { payload: encodePayload({ lanes }), transactionRoots: transactionRoots(sha256, lanes) }
  }

  async receive(bundles: readonly Uint8Array[]): Promise<readonly Reception[]> {
    return bundles.map((bundle) => {
      // Stands for a wrong signature: an honest replica never makes one so short.
      if (bundle.length < 4) return 'forged'
      return this.add(bundle) ? 'normal' : 'known'
    })
  }

  resend(_which: 'emergency' | 'all', bytesMax: number): readonly Uint8Array[] {
    const bundles: Uint8Array[] = []
    let bytes = 0
    for (const key of this.waitingKeys) {
      bytes += key.length / 2
      if (bytes > bytesMax) break
      bundles.push(new Uint8Array(Buffer.from(key, 'hex')))
    }
    return bundles
  }

  setAside(): void {}
  isHeld(): boolean {
    return false
  }

  async takeBack(block: Block): Promise<void> {
    const payload = decodePayload(block.payload)
    if (payload.ok) await this.receive(payload.value.lanes.flat())
  }
}

/**
 * One file for the record, replaced by an atomic rename after fsync, and one for each body. Counts
 * writes.
 */
export function fileVoteStore(folder = mkdtempSync(join(tmpdir(), 'wardchain-votes-'))) {
  const path = (name: string) => join(folder, name)
  const replace = (name: string, bytes: Uint8Array) => {
    const file = openSync(path(`${name}.new`), 'w')
    writeSync(file, bytes)
    fsyncSync(file)
    closeSync(file)
    renameSync(path(`${name}.new`), path(name))
  }
  const store: VoteStore & { folder: string; writes: number } = {
    folder,
    writes: 0,
    load() {
      const names = readdirSync(folder).filter((name) => name.startsWith('body-') && !name.endsWith('.new'))
      const bodies = names.map((name) => ({
        hash: new Uint8Array(Buffer.from(name.slice(5), 'hex')),
        bytes: new Uint8Array(readFileSync(path(name))),
      }))
      const record = existsSync(path('record')) ? new Uint8Array(readFileSync(path('record'))) : null
      return { record, bodies, clean: true }
    },
    persist({ record, put, drop }) {
      // Bodies first: a record never names one that is not there.
      for (const { hash, bytes } of put) replace(`body-${bytesToHex(hash)}`, bytes)
      replace('record', record)
      for (const hash of drop) rmSync(path(`body-${bytesToHex(hash)}`), { force: true })
      store.writes += 1
    },
  }
  return store
}

export interface TestReplica {
  identity: TestIdentity
  chain: TestChain
  pool: TestPool
  votes: ReturnType<typeof fileVoteStore> | null
  driver: Driver
  alarms: string[]
  halts: string[]
  /** Reasons of closed connections, as counted by the metrics. */
  closed: string[]
  finalAt: number[]
  /** Submits at this node, as its API would. */
  submit(bundle: Uint8Array): void
}

export interface ReplicaParts {
  role?: Role
  chain?: TestChain
  pool?: TestPool
  votes?: ReturnType<typeof fileVoteStore> | null
  timers?: DriverOptions['timers']
  network?: Partial<DriverOptions['network']>
  events?: DriverEvents
}

export async function startReplica(
  network: TestNetwork,
  identity: TestIdentity,
  parts: ReplicaParts = {},
): Promise<TestReplica> {
  const role = parts.role ?? 'validator'
  const chain = parts.chain ?? new TestChain(validatorSet(network), network.chainId)
  const pool = parts.pool ?? new TestPool()
  const votes = parts.votes !== undefined ? parts.votes : role === 'validator' ? fileVoteStore() : null
  const transport = testOptions(network, identity, role)
  const replica: Omit<TestReplica, 'driver'> & { driver?: Driver } = {
    identity,
    chain,
    pool,
    votes,
    alarms: [],
    halts: [],
    closed: [],
    finalAt: [],
    submit(bundle) {
      if (!pool.add(bundle)) return
      replica.driver?.gossip([bundle])
      replica.driver?.transactionsWaiting()
    },
  }
  const ports: DriverPorts = {
    chain: poolAware(chain, pool),
    transactions: pool,
    votes,
    signature: { sign: (bytes) => identity.key.sign(bytes), verify: testVerify },
    hash: sha256,
    payloadMatches: (header, payload) => {
      const decoded = decodePayload(payload)
      if (!decoded.ok) return false
      const roots = transactionRoots(sha256, decoded.value.lanes)
      return roots.every((root, lane) => equalBytes(root, header.transactionRoots[lane]))
    },
    metrics: {
      count: (name, labels) => {
        if (name === 'link_closed' && labels !== undefined) replica.closed.push(labels.reason)
      },
      observe: () => undefined,
    },
    events: {
      onFinal: (...args) => {
        replica.finalAt.push(performance.now())
        parts.events?.onFinal?.(...args)
      },
      onAlarm: (code) => void replica.alarms.push(code),
      onHalt: (code) => void replica.halts.push(code),
    },
  }
  const options = {
    chainId: network.chainId,
    epoch: 0,
    nodeId: identity.nodeId,
    nodeKey: identity.key.publicKey,
    version: 1,
    appVersion: 1,
    network: { ...transport, ...parts.network },
    timers: parts.timers,
  }
  replica.driver =
    role === 'validator'
      ? await createDriver({ ...options, role }, ports)
      : await createFollower({ ...options, role }, ports)
  return replica as TestReplica
}

/** As the host does it: what is in a block leaves the pool in the same step as the block is stored. */
function poolAware(chain: TestChain, pool: TestPool): ChainPort {
  return {
    tip: () => chain.tip(),
    validators: () => chain.validators(),
    execute: (hash, block) => chain.execute(hash, block),
    commit: async (blockHash, result, final) => {
      const committed = await chain.commit(blockHash, result, final)
      pool.remove(final)
      return committed
    },
    discard: () => chain.discard(),
    finalBlocks: (fromHeight, count) => chain.finalBlocks(fromHeight, count),
  }
}

let bundleNumber = 0

/** A bundle that no other call has given. */
export function newBundle(bytes = 200): Uint8Array {
  const bundle = new Uint8Array(bytes)
  new DataView(bundle.buffer).setUint32(0, (bundleNumber += 1))
  return bundle
}
