// A chain of many vital signs in a real node's folder: signed transactions, real block execution, certified
// blocks, the sealed store. Every block's content is a function of the seed and its height, so a run that
// broke off goes on where its store ends.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import {
  appVersion,
  blockHash,
  encodeBorsh,
  encodeCertificate,
  encodeHeader,
  encodeResult,
  entityIdOf,
  protocolVersion,
  recordKind,
  resultHash,
  voteSigningBytes,
  zeroHash,
  type BlockHeader,
} from '../../runtime/protocol/index.js'
import type { Tip, ValidatorSet } from '../../consensus/pbft/types.js'
import { ExecutorCore } from '../../host/executor/executor-core.js'
import type { ExecutorCalls, ExecutorMethod } from '../../host/executor/messages.js'
import { initNetwork } from '../../host/founding/init-network.js'
import { initNode } from '../../host/founding/init-node.js'
import { sha256, signDetached, signingKeyFromSeed, type SigningKey } from '../../host/keys/crypto.js'
import { decodeIdentity, destroyIdentity, type NodeIdentity } from '../../host/keys/node-identity.js'
import { createPersonKeystore, openPersonKeystore } from '../../host/keys/person-keystore.js'
import { nodeFiles } from '../../host/node/node-config.js'
import {
  draftAppend,
  draftCall,
  payloadOf,
  signBundle,
  type DraftTransaction,
} from '../../host/node/transaction-builder.js'
import {
  openKeyslot,
  openVotesStore,
  readSealedFile,
  type DataKey,
  type KdfCost,
} from '../../host/store/index.js'
import { readContracts } from '../ward/system-contracts.js'
import { readingsPerSet, setIntervalMs, setsPerStay, vitalSet, type VitalSet } from './vital-series.js'

export interface RecordChainOptions {
  /** The node's folder: made when it is missing, gone on with when it is there. */
  folder: string
  recordCount: number
  seed: number
  onProgress?: (records: number, total: number) => void
}

export interface RecordChainReport {
  /** Vital signs on the chain; the last block is always whole. */
  records: number
  blocks: number
  patients: number
  /** Of this run: what was appended, and what it took of this thread's processor. */
  appended: number
  cpuMs: number
  wallMs: number
}

/** For benches and tests only: the folder holds invented people. */
export const recordChainPassword = new TextEncoder().encode('a chain of invented people')
const cheapKdf: KdfCost = { passes: 1, memoryKiB: 65_536 }
const adminPassword = new TextEncoder().encode('administrator of nobody')
/** Beds of the chain: each gives one set a round, and a round is a block. */
export const bedCount = 100
const sourceCount = 8
/** The chain's first moment: 1 January 2026. */
const startTime = 1_767_225_600_000
const fuelLimitOfSet = 5_000_000

export async function growRecordChain(options: RecordChainOptions): Promise<RecordChainReport> {
  const { folder, recordCount, seed } = options
  if (!existsSync(nodeFiles(folder).keyslots)) await found(folder)
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
  const chain = await RecordChain.open(folder, dataKey, seed)
  const started = performance.now()
  const cpu = process.cpuUsage()
  try {
    chain.admitSources()
    const first = chain.round
    const rounds = Math.ceil(recordCount / (bedCount * readingsPerSet))
    for (let round = first; round < rounds; round += 1) {
      chain.addRound(round)
      options.onProgress?.((round + 1) * bedCount * readingsPerSet, rounds * bedCount * readingsPerSet)
    }
    const used = process.cpuUsage(cpu)
    return {
      records: rounds * bedCount * readingsPerSet,
      blocks: chain.height,
      patients: Math.ceil(rounds / setsPerStay) * bedCount,
      appended: Math.max(0, rounds - first) * bedCount * readingsPerSet,
      cpuMs: (used.user + used.system) / 1_000,
      wallMs: performance.now() - started,
    }
  } finally {
    await chain.close()
    dataKey.close()
  }
}

/** One validator, one administrator, the contracts of the system. */
async function found(folder: string): Promise<void> {
  mkdirSync(path.dirname(folder), { recursive: true })
  const config = {
    name: 'records',
    role: 'validator' as const,
    apiPort: 0,
    host: '127.0.0.1',
    port: 47_311,
    sources: [],
    environment: 'BENCH',
  }
  const card = await initNode({ folder, config, password: recordChainPassword.slice(), cost: cheapKdf })
  const { publicKey, keystore } = await createPersonKeystore(adminPassword, { opsLimit: 1, memoryMiB: 8 })
  const admin = {
    type: 'person' as const,
    label: 'Bench admin',
    roles: ['admin', 'nurse'],
    publicKey,
    keystore,
  }
  const contracts = readContracts(['ward-policy', 'ward-governance', 'ward-alerts', 'ward-orders'])
  const network = initNetwork({ name: 'Bench', time: startTime, cards: [card, admin], contracts })
  writeFileSync(nodeFiles(folder).genesis, network.genesis)
}

interface Source {
  key: SigningKey
  entity: Uint8Array
  sequence: number
}

export class RecordChain {
  static readonly startTime = startTime
  private chainId!: Uint8Array
  private tip!: Tip
  private validators!: ValidatorSet
  private admin!: Source
  private readonly sources: Source[]
  private readonly core = new ExecutorCore()

  private constructor(
    private readonly identity: NodeIdentity,
    private readonly seed: number,
  ) {
    this.sources = Array.from({ length: sourceCount }, (_, number) => {
      const key = signingKeyFromSeed(sha256(new TextEncoder().encode(`records ${seed} source ${number}`)))
      return { key, entity: entityIdOf(sha256, key.publicKey), sequence: 0 }
    })
  }

  static async open(folder: string, dataKey: DataKey, seed: number): Promise<RecordChain> {
    const files = nodeFiles(folder)
    const identityBytes = readSealedFile(files.identity, dataKey)
    if (identityBytes === undefined) throw new Error(`${folder} is no node`)
    const chain = new RecordChain(decodeIdentity(identityBytes), seed)
    mkdirSync(files.chain, { recursive: true })
    const genesis = existsSync(files.genesis) ? new Uint8Array(readFileSync(files.genesis)) : null
    const open = chain.ask('open', { folder: files.chain, dataKey: dataKey.toBytes(), genesis })
    chain.chainId = open.chainId
    chain.tip = open.tip
    chain.validators = open.nextValidators
    const person = open.entities.find((entity) => entity.label === 'Bench admin')
    if (person === undefined) throw new Error(`${folder} is no record chain`)
    const key = await openPersonKeystore(person.keystore, person.publicKey, adminPassword)
    if (!key.ok) throw new Error(key.code)
    chain.admin = { key: key.value, entity: person.entity, sequence: 0 }
    for (const source of [chain.admin, ...chain.sources]) {
      const keyId = sha256(source.key.publicKey).slice(0, 16)
      source.sequence = chain.ask('sequence', { keyId, stream: 0 }) + 1
    }
    // A node that votes finds its memory of votes beside its chain.
    if (!existsSync(files.votes)) {
      mkdirSync(files.votes, { recursive: true })
      await openVotesStore(files.votes, dataKey, { create: true }).close()
    }
    return chain
  }

  ask<M extends ExecutorMethod>(method: M, argument: ExecutorCalls[M][0]): ExecutorCalls[M][1] {
    return this.core.handle(method, argument) as ExecutorCalls[M][1]
  }

  fileBytes(folder: string): number {
    return statSync(path.join(nodeFiles(folder).chain, 'chain.lmdb')).size
  }

  get height(): number {
    return this.tip.height
  }

  /** The next round that is not on the chain: one block for the sources, then one a round. */
  get round(): number {
    return Math.max(0, this.tip.height - 1)
  }

  /** Block 1: the sources are enrolled, and may admit and observe. */
  admitSources(): void {
    if (this.tip.height > 0) return
    const bundles: Uint8Array[] = []
    for (const source of this.sources) {
      const publicKey = source.key.publicKey
      bundles.push(this.call('ward/governance', 'enrol', { kind: 2, publicKey }))
    }
    for (const [number, source] of this.sources.entries()) {
      for (const kind of [recordKind.admission, recordKind.observation]) {
        const id = new Uint8Array(16).fill(16 * number + kind)
        const grant = {
          id,
          role: '',
          entity: source.entity,
          action: 1,
          kind,
          target: '',
          names: [],
          patient: null,
        }
        bundles.push(this.call('ward/policy', 'grant', { ...grant, validUntil: 0n }))
      }
    }
    this.addBlock(bundles, startTime + 1_000)
  }

  /** One block: a set of every bed, and the admissions of those who are new. */
  addRound(round: number): void {
    const bundles: Uint8Array[] = []
    for (let bed = 0; bed < bedCount; bed += 1) {
      const set = vitalSet(this.seed, { bed, bedCount, round }, startTime)
      const source = this.sources[bed % this.sources.length]
      if (set.isFirst) bundles.push(this.append(source, admissionOf(set)))
      bundles.push(this.append(source, readingsOf(set)))
    }
    this.addBlock(bundles, startTime + (round + 1) * setIntervalMs)
  }

  private append(source: Source, records: Parameters<typeof draftAppend>[0]): Uint8Array {
    const draft = draftAppend(records)
    if (!draft.ok) throw new Error(draft.detail)
    return this.sign(source, draft.value, {})
  }

  private call(target: string, method: string, args: unknown): Uint8Array {
    const contract = this.ask('contract', { target })
    const schema = contract?.manifest.methods.find(({ name }) => name === method)?.input
    const encoded = schema && encodeBorsh(schema, args)
    if (!encoded?.ok) throw new Error(`${target}.${method}: ${encoded?.detail ?? 'unknown'}`)
    const validUntil = startTime + 3_600_000
    return this.sign(this.admin, draftCall(target, method, encoded.value, []), { validUntil })
  }

  private sign(source: Source, draft: DraftTransaction, terms: { validUntil?: number }): Uint8Array {
    const { entity, key } = source
    const sender = { chainId: this.chainId, entity, publicKey: key.publicKey }
    const isCall = draft.action.type === 'call'
    const fuelLimit = isCall ? 20_000_000 : fuelLimitOfSet
    const payload = payloadOf(sender, draft, {
      ...terms,
      stream: 0,
      sequence: source.sequence++,
      fuelLimit,
    })
    return signBundle(payload, draft, key)
  }

  /** Admitted, built, executed, signed by the one validator, committed: as a node does it. */
  addBlock(bundles: Uint8Array[], time: number): void {
    const height = this.tip.height + 1
    for (const reply of this.ask('admit', { bundles, now: time })) {
      if (!reply.ok) throw new Error(`${reply.code} ${reply.detail}`)
    }
    const built = this.ask('build', { bundles, height, time })
    if (built.count !== bundles.length)
      throw new Error(`${built.count} of ${bundles.length} fit into a block`)
    const header: BlockHeader = {
      version: protocolVersion,
      appVersion,
      chainId: this.chainId,
      epoch: this.tip.epoch,
      height,
      view: 0,
      time,
      proposer: this.validators.members[0].entity,
      parentHash: this.tip.blockHash,
      parentResultHash: this.tip.resultHash,
      parentCertificateHash: this.tip.certificate
        ? sha256(encodeCertificate(this.tip.certificate))
        : zeroHash,
      transactionRoots: built.transactionRoots,
      validatorsHash: this.validators.hash,
    }
    const block = { header, payload: built.payload }
    const hash = blockHash(sha256, encodeHeader(header))
    const outcome = this.ask('execute', { blockHash: hash, block })
    if (!outcome.ok) throw new Error(outcome.code)
    const { result } = outcome
    const ofResult = resultHash(sha256, encodeResult(result))
    const subject = {
      chainId: this.chainId,
      epoch: header.epoch,
      height,
      view: 0,
      blockHash: hash,
      resultHash: ofResult,
    }
    const signature = signDetached(this.identity.vote, voteSigningBytes('commit', subject))
    const certificate = {
      height,
      view: 0,
      blockHash: hash,
      resultHash: ofResult,
      signers: [0],
      signatures: [signature],
    }
    const final = { block, result, certificate }
    const commit = this.ask('commit', { blockHash: hash, resultHash: ofResult, final, skipped: [] })
    const failed = commit.receipts.find(({ status }) => status !== 0)
    if (failed) throw new Error(`block ${height}: status ${failed.status} ${failed.detail}`)
    this.tip = { ...this.tip, height, blockHash: hash, resultHash: ofResult, result, time, certificate }
    this.validators = commit.validators
  }

  async close(): Promise<void> {
    for (const { key } of [...this.sources, this.admin]) key.secretKey.fill(0)
    destroyIdentity(this.identity)
    await this.core.close()
  }
}

const readingsOf = ({ patient, readings, effectiveTime }: VitalSet): Parameters<typeof draftAppend>[0] =>
  readings.map(({ code, value, scale, unit }) => ({
    kind: recordKind.observation,
    patient,
    code,
    effectiveTime,
    body: {
      schema: 1,
      value,
      scale,
      unit,
      text: '',
      status: 'F',
      validation: 0,
      sourceText: '',
      device: 'monitor',
    },
  }))

const admissionOf = ({ patient, stay, effectiveTime }: VitalSet): Parameters<typeof draftAppend>[0] => [
  {
    kind: recordKind.admission,
    patient,
    code: 'ADT^A01',
    effectiveTime,
    body: {
      schema: 1,
      family: `Series ${stay}`,
      given: 'Bench',
      birthDate: 19300101 + (stay % 80) * 10_000,
      sex: stay % 2 === 0 ? 'F' : 'M',
      pregnancy: 0,
      identifiers: [{ value: String(100_000 + stay), authority: 'BENCH', type: 'MR' }],
      ward: '4',
      room: String(stay % 50),
      bed: 'A',
      visitNumber: String(stay),
      reason: '',
    },
  },
]
