// What runs inside the executor thread: the chain store, the state tree and block execution behind one
// `handle`. Synchronous from end to end: a request is answered before the next one begins.
import {
  bytesToHex,
  chainIdOf,
  decodeBundle,
  decodePayload,
  encodeCertificate,
  encodeHeader,
  encodeResult,
  equalBytes,
  resultHash as resultHashOf,
  type BlockHeader,
  type Bundle,
  type Payload,
  type ErrorCode,
  type Result,
} from '../../runtime/protocol/index.js'
import {
  checkTransaction,
  createModuleCache,
  executeBlock,
  readLanes,
  standingAt,
  warmModules,
  type Admission,
  type AdmissionPoint,
  type ExecutedBlock,
  type ModuleCache,
  type RecoveryPoint,
  type Standing,
  type ExecutionPorts,
  type FrameWatch,
} from '../../runtime/execution/index.js'
import type { StateTree } from '../../runtime/state/index.js'
import type { FinalBlock, SkippedLeaders, Tip, ValidatorSet } from '../../consensus/pbft/types.js'
import { sha256, verifySignature } from '../keys/crypto.js'
import { openChainStore, type ChainStore } from '../store/index.js'
import { candidateReport } from './write-report.js'
import { buildBlockWrite, changedAliases, changesHealth, erasureNote, genesisNote } from './block-write.js'
import { BundleCache, bundleKeyOf } from './bundle-cache.js'
import { ChainState } from './chain-state.js'
import { ChainQueries } from './chain-queries.js'
import { undoBytes } from './erased-rows.js'
import { foundChain } from './found-chain.js'
import { keyChanges } from './key-changes.js'
import { handoversAfter, prove, tipEvidence } from './chain-proofs.js'
import { changesNetwork, networkView } from './network-view.js'
import { readTip } from './chain-tip.js'
import { keepOutline, openTree } from './tree-outline.js'
import { validatorSet } from './validator-set.js'
import { quarantined } from './version-queries.js'
import type {
  AdmitReply,
  BuildReply,
  BuildRequest,
  ChainPoint,
  CommitReply,
  ExecutorCalls,
  ExecutorMethod,
  OpenReply,
  Pin,
  OpenRequest,
  SyncOpenRequest,
  RecoverReply,
  TentativeReply,
} from './messages.js'
import { buildPayload } from './payload-builder.js'
import { receiptEntries, ledgerEntry } from './reply-views.js'
import { RecoveryBook } from './recovery-book.js'
import { recoveryNotices } from './recovery-notices.js'
import { SnapshotExport } from './snapshot-export.js'
import { SnapshotImport } from './snapshot-import.js'
import { StoreCare } from './store-care.js'
import type { Offer } from './snapshot-format.js'
import { tentativeRun } from './tentative-run.js'

/** A block that was executed and may still become final. */
interface Candidate {
  executed: ExecutedBlock
  payload: Payload
  /** The payload's bundles, decoded. */
  bundles: ReadonlyMap<Uint8Array, Bundle>
}

type Refusal = Extract<ReturnType<typeof executeBlock>, { ok: false }>

/**
 * Several proposals of one height may be open at a time; more means that someone makes us work for
 * nothing.
 */
export const candidateCountMax = 8

type Handlers = { [M in ExecutorMethod]: (argument: ExecutorCalls[M][0]) => ExecutorCalls[M][1] }

export class ExecutorCore {
  private readonly ports: ExecutionPorts

  /** `watch` is told of each frame before it runs. */
  constructor(watch?: FrameWatch) {
    this.ports = { hash: sha256, verify: verifySignature, ...(watch ? { watch } : {}) }
  }

  private store!: ChainStore
  private tree!: StateTree
  private state!: ChainState
  private queries!: ChainQueries
  private cache!: ModuleCache
  private chainId!: Uint8Array
  private tip!: Tip
  private nextValidators!: ValidatorSet
  private recoveries!: RecoveryBook
  private exported!: SnapshotExport
  private imported!: SnapshotImport
  private storeCare!: StoreCare
  private readonly candidates = new Map<string, Candidate>()
  private readonly bundles = new BundleCache()

  handle(method: ExecutorMethod, argument: unknown): unknown {
    const handler = this.handlers[method] as (argument: unknown) => unknown
    return handler(argument)
  }

  private readonly handlers: Handlers = {
    open: (request) => this.open(request),
    admit: ({ bundles, now }) => this.admitAll(bundles, now),
    build: (request) => this.build(request),
    execute: ({ blockHash, block }) => this.execute(blockHash, block),
    commit: (request) => this.commit(request),
    tentative: ({ bundles, now }) => this.tentative(bundles, now),
    discard: ({ blockHash }) => {
      this.candidates.delete(bytesToHex(blockHash))
      return null
    },
    divergence: ({ blockHash }) => candidateReport(this.store, this.candidates, blockHash),
    finalBlocks: ({ fromHeight, count, bytesMax }) => this.queries.finalBlocks(fromHeight, count, bytesMax),
    pin: () => this.queries.pin(),
    records: (query) => this.queries.records(query),
    page: (query) => this.queries.page(query),
    record: ({ id }) => this.queries.record(id),
    receipt: ({ id }) => this.queries.receipt(id),
    view: (query) => this.queries.view(query),
    prove: ({ question }) => {
      const prover = { store: this.store, tree: this.tree, tip: this.tip, chainId: this.chainId }
      return prove({ ...prover, state: this.state }, question)
    },
    contract: ({ target }) => this.queries.contract(target),
    contracts: () => this.queries.contracts(),
    lanes: () => readLanes(this.state),
    versions: ({ alias }) => this.queries.versions(alias),
    keyState: ({ keyId }) => this.queries.keyState(keyId),
    sequence: ({ keyId, stream }) => this.queries.sequence(keyId, stream),
    snapshot: ({ request, peer }) => this.exported.answer(request, peer),
    snapshotStep: ({ budgetMs }) => this.exported.step(budgetMs),
    firstBlock: () => this.store.firstPayload(),
    care: (request) => this.storeCare.step(request),
    careFinish: () => {
      this.exported.end()
      this.store.finishCompaction()
      return this.store.space()
    },
    syncOpen: (request) => this.syncOpen(request),
    syncAim: ({ answer }) => this.imported.aim(answer),
    syncNext: ({ count }) => ({
      requests: this.imported.next(count),
      progress: this.imported.progress(),
    }),
    syncTake: ({ id, answer }) => this.imported.take(id, answer),
    tip: () => this.point(),
    recover: ({ manifest, isTrial }) => this.recover(manifest, isTrial),
    hear: ({ notice, entity }) => {
      const hasVote = this.nextValidators.members.some((member) => equalBytes(member.entity, entity))
      return this.recoveries.hear(notice, this.recoveryPoint(), this.state, hasVote)
    },
    told: () => this.recoveries.told(this.tip.epoch),
    recoveryNotices: () => recoveryNotices(this.store, this.tip.height, this.recoveries.kept),
    genesis: () => this.store.note(genesisNote) ?? new Uint8Array(0),
    get: ({ table, key }) => this.store.note(noteName(table, key)) ?? null,
    put: ({ table, key, value }) => {
      this.store.putNote(noteName(table, key), value)
      return null
    },
    close: () => null,
  }

  /** After the last answer: closes the store and zeroes its keys. */
  async close(keepsOutline = true): Promise<void> {
    ;(this.exported as SnapshotExport | undefined)?.end()
    // An `open` that failed may have opened nothing.
    const store = this.store as ChainStore | undefined
    const tree = this.tree as StateTree | undefined
    try {
      if (store && tree && keepsOutline) keepOutline(store, tree, this.tip.height)
    } catch {
      // A full disk, for instance: the next start reads the pages instead. Nothing else rests on it.
    } finally {
      await store?.close()
    }
  }

  private open(request: OpenRequest): OpenReply {
    this.store = openChainStore(request.folder, request.dataKey)
    const genesisBytes = this.store.note(genesisNote) ?? request.genesis ?? undefined
    if (!genesisBytes)
      throw Object.assign(new Error('this node has no genesis'), { code: 'GENESIS_MISSING' })
    this.chainId = chainIdOf(sha256, genesisBytes)
    this.cache = createModuleCache()
    if (!this.store.applied()) foundChain(this.store, genesisBytes, this.cache, this.ports)
    const { genesis, tip, nextValidators, leafSalt } = readTip(this.store, genesisBytes)
    this.tip = tip
    this.recoveries = RecoveryBook.load(this.store, this.chainId, genesis.institution)
    this.nextValidators = this.recoveries.validatorsAbove(tip.height) ?? nextValidators
    this.tree = openTree(this.store, leafSalt, { height: tip.height, stateRoot: tip.result.stateRoot })
    this.checkRoot()
    this.store.checkReadsWith(this.tree)
    this.state = new ChainState(this.store, this.tree)
    warmModules(this.state, this.cache, this.ports)
    this.queries = new ChainQueries(this.store, this.state, this.cache, () => this.pin(), this.ports)
    this.storeCare = new StoreCare(this.store)
    this.exported = new SnapshotExport(this.store, this.tree, () => this.snapshotEvidence())
    return {
      chainId: this.chainId,
      chainName: genesis.name,
      network: networkView(this.state, tip.time),
      entities: genesis.entities,
      quarantined: quarantined(this.state),
      ...this.point(),
    }
  }

  private point(): ChainPoint {
    return {
      tip: this.tip,
      nextValidators: this.nextValidators,
      recoveries: this.recoveries.bases,
    }
  }

  /** From now on its members vote above the base. Overlays of the old epoch are worth nothing. */
  private recover(manifest: Uint8Array, isTrial: boolean): RecoverReply {
    const reply = this.recoveries.take(manifest, this.recoveryPoint(), this.state, isTrial)
    if (reply.ok && reply.isNew && !isTrial) {
      this.candidates.clear()
      this.nextValidators = this.recoveries.validatorsAbove(this.tip.height) ?? this.nextValidators
    }
    return reply
  }

  private recoveryPoint(): RecoveryPoint {
    const { epoch, height, blockHash } = this.tip
    return { chainId: this.chainId, epoch, height, blockHash }
  }

  private pin(): Pin {
    const { height, time, result } = this.tip
    return { height, blockTime: time, stateRoot: result.stateRoot }
  }

  private snapshotEvidence(): Omit<Offer, 'stores'> | undefined {
    const evidence = tipEvidence(this.store, this.tip)
    const note = this.store.note(erasureNote)
    const erasedAt = note === undefined ? 0 : Number(Buffer.from(note).readBigUInt64BE(0))
    const { manifests } = this.recoveries
    return evidence && { ...evidence, manifests, floor: Math.max(this.store.firstPayload(), erasedAt) }
  }

  private syncOpen({ folder, dataKey, genesis, above }: SyncOpenRequest): null {
    if (!genesis) throw Object.assign(new Error('this node has no genesis'), { code: 'GENESIS_MISSING' })
    this.store = openChainStore(folder, dataKey)
    this.imported = new SnapshotImport(this.store, genesis, above)
    return null
  }

  /** The tree that the store holds must have the root that the last certificate vouches for. */
  private checkRoot(): void {
    const certified = this.tip.result.stateRoot
    if (bytesToHex(this.tree.root) === bytesToHex(certified)) return
    const message = `height ${this.tip.height}: the stored state does not have the certified root`
    throw Object.assign(new Error(message), { code: 'STORE_DAMAGED' })
  }

  private admitAll(bundles: readonly Uint8Array[], now: number): AdmitReply[] {
    const at = {
      chainId: this.chainId,
      height: this.tip.height + 1,
      time: Math.max(now, this.tip.time + 1),
      parentTime: this.tip.time,
    }
    const standing = standingAt(this.state, at)
    return bundles.map((bytes) => this.admit(bytes, at, standing))
  }

  /** Everything that header and parent state decide; the signature is checked here, once. */
  private admit(bytes: Uint8Array, at: AdmissionPoint, standing: Standing): AdmitReply {
    const decoded = decodeBundle(bytes, sha256)
    if (!decoded.ok) return { ok: false, id: '', code: decoded.code, detail: decoded.detail ?? '' }
    const bundle = decoded.value
    const id = bytesToHex(bundle.signed.id)
    // The very same bytes, signature included: an id alone says nothing about another signature under it.
    const key = bundleKeyOf(bytes)
    const known = this.bundles.find(key) !== undefined
    const admission = checkTransaction(this.state, bundle, at, this.ports, {
      verifySignature: !known,
      bundleBytes: bytes.length,
      standing,
    })
    if (!admission.ok) return { ok: false, id, code: admission.code, detail: admission.detail ?? '' }
    if (!known) this.bundles.keep(key, bundle, bytes.length)
    const { keyId, stream, sequence, lane, creditCost, creditLeft, creditTerms } = admission.value
    const slot = `${bytesToHex(keyId)}:${stream}:${sequence}`
    const sender = bytesToHex(bundle.signed.transaction.sender)
    const validUntil = bundle.signed.transaction.validUntil ?? null
    const credit = { cost: creditCost, left: creditLeft, ...creditTerms }
    return { ok: true, id, lane, slot, sender, sequence, validUntil, credit }
  }

  private build(request: BuildRequest): BuildReply {
    const { height, time } = request
    const at = { chainId: this.chainId, height, time, parentTime: this.tip.time }
    const standing = standingAt(this.state, at)
    const decode = (bytes: Uint8Array): Bundle | undefined => this.decode(bytes)
    const admit = (bundle: Bundle, bundleBytes: number): Result<Admission, ErrorCode> =>
      checkTransaction(this.state, bundle, at, this.ports, {
        verifySignature: false,
        bundleBytes,
        standing,
      })
    return buildPayload(request.bundles, decode, admit, standing.credits)
  }

  private decode(bytes: Uint8Array): Bundle | undefined {
    const kept = this.bundles.find(bundleKeyOf(bytes))
    if (kept) return kept
    return decodedOf(bytes)
  }

  private execute(blockHash: Uint8Array, block: FinalBlock['block']): ExecutorCalls['execute'][1] {
    const key = bytesToHex(blockHash)
    const kept = this.candidates.get(key)
    const candidate = kept ?? this.run(block)
    if ('code' in candidate) return { ok: false, code: candidate.code }
    if (!kept) {
      if (this.candidates.size >= candidateCountMax) this.dropOldestCandidate()
      this.candidates.set(key, candidate)
    }
    const { executed } = candidate
    return { ok: true, result: executed.result, resultHash: hashOfResult(executed) }
  }

  private tentative(bundles: Uint8Array[], now: number): TentativeReply {
    return tentativeRun({
      chainId: this.chainId,
      tip: this.tip,
      epoch: this.recoveries.bases.at(-1)?.epoch ?? this.tip.epoch,
      validators: this.nextValidators,
      now,
      build: (height, time) => this.build({ bundles, height, time }),
      execute: (header, payload) => {
        const candidate = this.runPayload(header, payload)
        return 'code' in candidate ? candidate : candidate.executed
      },
    })
  }

  private run(block: FinalBlock['block']): Candidate | Refusal {
    const payload = decodePayload(block.payload)
    return payload.ok ? this.runPayload(block.header, payload.value) : { ok: false, code: payload.code }
  }

  private runPayload(header: BlockHeader, payload: Payload): Candidate | Refusal {
    if (!this.recoveries.isInEpoch(header)) return { ok: false, code: 'VERSION_UNKNOWN', detail: 'epoch' }
    // Only bundles whose exact bytes were checked here count: a leader may put another signature under a
    // known id.
    const checked = new Set<Bundle>()
    const bundles = new Map<Uint8Array, Bundle>()
    for (const bytes of payload.lanes.flat()) {
      const known = this.bundles.find(bundleKeyOf(bytes))
      if (known) checked.add(known)
      const bundle = known ?? decodedOf(bytes)
      if (bundle) bundles.set(bytes, bundle)
    }
    const recovery = this.recoveries.manifestOf(header)
    const input = { header, payload, ...(recovery && { recovery }) }
    const executed = executeBlock(input, this.state, this.cache, this.ports, {
      decodedBundle: (bytes) => bundles.get(bytes),
      signatureChecked: (bundle) => checked.has(bundle),
    })
    return executed.ok ? { executed, payload, bundles } : executed
  }

  private dropOldestCandidate(): void {
    const oldest = this.candidates.keys().next()
    if (!oldest.done) this.candidates.delete(oldest.value)
  }

  /** Idempotent by height (R10): one store transaction holds the block and everything it changed. */
  private commit(request: ExecutorCalls['commit'][0]): CommitReply {
    const { blockHash, final, skipped } = request
    const { header } = final.block
    if (header.height <= this.tip.height) return this.commitReply([], [], nothingChanged)
    const candidate = this.candidates.get(bytesToHex(blockHash)) ?? this.run(final.block)
    if ('code' in candidate) throw new Error(`a certified block does not execute here: ${candidate.code}`)
    const { executed, payload, bundles } = candidate
    if (bytesToHex(hashOfResult(executed)) !== bytesToHex(request.resultHash)) {
      throw Object.assign(new Error('a certified block gives another result here'), {
        code: 'RESULT_DIVERGENCE',
      })
    }
    const write = buildBlockWrite({
      header: encodeHeader(header),
      height: header.height,
      payload,
      decodedBundle: (bytes) => bundles.get(bytes),
      result: encodeResult(executed.result),
      certificate: encodeCertificate(final.certificate),
      executed,
      skipped,
      undo: undoBytes(this.state, executed.writeSet, header.height),
      handovers: handoversAfter(this.store, final, this.nextValidators.members),
      signedBy: this.nextValidators.members,
    })
    this.store.applyBlock(write)
    this.tree.accept(executed.tree)
    const erased = (write.erasedPatients ?? []).length > 0
    this.state.onCommit(executed, erased)
    if (erased) this.exported.end()
    this.candidates.clear()
    this.bundles.forget(executed.transactionIds)
    this.advance(blockHash, request.resultHash, final, skipped, executed)
    const receipts = receiptEntries(executed.receiptsDecoded, header.height, header.time)
    return this.commitReply(receipts, executed.records.map(ledgerEntry), {
      switched: changedAliases(executed.writeSet),
      quarantined: changesHealth(executed.writeSet) ? quarantined(this.state) : null,
      keyChanges: keyChanges(executed.writeSet),
      network: changesNetwork(executed.writeSet) ? networkView(this.state, header.time) : null,
      erased,
    })
  }

  private advance(
    blockHash: Uint8Array,
    resultHash: Uint8Array,
    final: FinalBlock,
    skipped: readonly SkippedLeaders[],
    executed: ExecutedBlock,
  ): void {
    const { header } = final.block
    this.tip = {
      epoch: header.epoch,
      height: header.height,
      blockHash,
      resultHash,
      result: executed.result,
      time: header.time,
      proposer: header.proposer,
      certificate: final.certificate,
      validators: this.nextValidators,
      skipped,
    }
    this.nextValidators =
      this.recoveries.validatorsAbove(header.height) ?? validatorSet(executed.validators)
  }

  private commitReply(
    receipts: CommitReply['receipts'],
    records: CommitReply['records'],
    changes: Pick<CommitReply, 'switched' | 'quarantined' | 'keyChanges' | 'network' | 'erased'>,
  ): CommitReply {
    return {
      validators: this.nextValidators,
      height: this.tip.height,
      blockTime: this.tip.time,
      stateRoot: this.tip.result.stateRoot,
      receipts,
      records,
      ...changes,
    }
  }
}

const nothingChanged = {
  switched: [],
  quarantined: null,
  keyChanges: { windows: [], revoked: [] },
  network: null,
  erased: false,
}

const noteName = (table: string, key: Uint8Array): string => `${table}:${bytesToHex(key)}`

function decodedOf(bytes: Uint8Array): Bundle | undefined {
  const decoded = decodeBundle(bytes, sha256)
  return decoded.ok ? decoded.value : undefined
}

function hashOfResult(executed: ExecutedBlock): Uint8Array {
  return resultHashOf(sha256, encodeResult(executed.result))
}
