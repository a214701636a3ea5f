// Taking the state of others: nothing is believed. The target's certificate is checked from the founding set
// on, every part of the state must hash to what the part above it said, attachments and bodies to what the
// state says. What is written is checked already, so a crash loses only the last batch: the next start finds
// by hashes what is there and asks for the rest. Bodies are sealed under this node's own patient keys; those
// of erased patients are neither asked for nor kept.
import {
  chainIdOf,
  concatBytes,
  decodeGenesis,
  decodeHeader,
  encodeCbor,
  equalBytes,
  utf8,
  type Genesis,
} from '../../runtime/protocol/index.js'
import {
  codeRow,
  decodeRow,
  encodeRow,
  store as tables,
  validatorRow,
  type CodeRow,
} from '../../runtime/execution/kernel-tables.js'
import { indexWrites } from '../../runtime/execution/record-index.js'
import { decodeRecordRow, patientStatus, readPatient } from '../../runtime/execution/record-rows.js'
import { indexVersion } from '../../runtime/execution/versions.js'
import type { CheckedFinal } from '../../runtime/light/index.js'
import {
  compareWrites,
  decodeStateKey,
  leavesFit,
  openSplit,
  Overlay,
  StateTree,
  type StateWrite,
  type TreePart,
} from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import { firstBlockNote, PathIndex, type ChainStore } from '../store/index.js'
import { followedManifests } from './offered-manifests.js'
import { proveOffer } from './offer-proof.js'
import { encodeManifests } from './recovery-book.js'
import { genesisNote, handoversNote, recoveriesNote, skippedNote, validatorsNote } from './block-write.js'
import {
  bodiesPerRequestMax,
  decodeAnswer,
  encodeRequest,
  splitBodyKey,
  type Offer,
  type SnapshotAnswer,
  type SnapshotRequest,
} from './snapshot-format.js'

const top = new Uint8Array(32)
/** Leaves written in one durable transaction. */
const batchLeaves = 2_000

/** bad: no honest node sends this. other: this peer has another state there. wait: ask again soon. */
export type TakeVerdict = 'taken' | 'bad' | 'other' | 'wait'

export interface ImportProgress {
  phase: 'state' | 'attachments' | 'bodies' | 'done'
  done: number
  total: number
}

export interface StandPoint {
  height: number
  epoch: number
}

interface Target {
  offer: Offer
  final: CheckedFinal
}

export class SnapshotImport {
  private readonly leafSalt: Uint8Array
  private readonly chainId: Uint8Array
  private readonly institution: Genesis['institution']
  private readonly tree: StateTree
  private index: PathIndex
  private target: Target | undefined
  private phase: ImportProgress['phase'] = 'state'
  private queue: SnapshotRequest[] = []
  private readonly inFlight = new Map<number, SnapshotRequest>()
  private nextId = 1
  private writes: StateWrite[] = []
  private done = 0
  private total = 0

  constructor(
    private readonly store: ChainStore,
    private readonly genesis: Uint8Array,
    /** Where the chain stands that the snapshot shall replace; height 0 without one. */
    private readonly above: StandPoint = { height: 0, epoch: 0 },
  ) {
    const decoded = decodeGenesis(genesis)
    if (!decoded.ok) throw Object.assign(new Error('genesis'), { code: 'GENESIS_MALFORMED' })
    this.leafSalt = decoded.value.leafSalt
    this.institution = decoded.value.institution
    this.chainId = chainIdOf(sha256, genesis)
    this.tree = StateTree.open(store, sha256, this.leafSalt)
    this.index = this.scan()
  }

  private scan(): PathIndex {
    const index = new PathIndex(this.store.environment, sha256)
    while (index.step(1_000));
    return index
  }

  /**
   * taken: the offer is good and is the target now. other: this peer has nothing to offer, or nothing that is
   * above the chain which the snapshot shall replace.
   */
  aim(answer: Uint8Array): TakeVerdict {
    const decoded = decodeAnswer(answer)
    if (decoded?.kind === 'other') return 'other'
    if (decoded?.kind !== 'offer') return 'bad'
    const { offer } = decoded
    const final = this.check(offer)
    if (final === undefined) return 'bad'
    const { header } = final
    if (header.height <= this.above.height || header.epoch < this.above.epoch) return 'other'
    this.flush()
    this.index = this.scan()
    this.target = { offer, final }
    this.phase = 'state'
    this.queue = []
    this.inFlight.clear()
    this.total = offer.stores.reduce((sum, { leafCount }) => sum + leafCount, 0)
    this.done = 0
    const known = new Set(offer.stores.map(({ store }) => store))
    for (const store of this.tree.stores().filter((name) => !known.has(name)))
      this.removeUnder({ store, path: top, depth: 0 }, new Set())
    for (const { store, hash } of offer.stores) this.want({ store, path: top, depth: 0, hash })
    return 'taken'
  }

  /** A quorum of the sets from the founding on vouches for this block, and its root for these sub-roots. */
  private check(offer: Offer): CheckedFinal | undefined {
    const final = proveOffer(this.genesis, offer)
    if (final === undefined) return undefined
    const leaves = offer.stores.map(({ store, hash }) => ({ key: utf8(store), value: hash }))
    const whole = { store: '', path: top, depth: 0, hash: final.result.stateRoot }
    return leavesFit(whole, leaves, sha256, this.leafSalt) ? final : undefined
  }

  private want(part: TreePart): void {
    const own = this.tree.hashAt(part)
    if (!equalBytes(own, part.hash)) this.queue.push({ kind: 'part', part })
  }

  progress(): ImportProgress {
    return { phase: this.phase, done: Math.min(this.done, this.total), total: this.total }
  }

  /** What to ask now; the caller gives each answer, or that there is none, back under its id. */
  next(count: number): { id: number; request: Uint8Array }[] {
    this.advance()
    const taken = this.queue.splice(Math.max(0, this.queue.length - count), count)
    return taken.map((request) => {
      const id = this.nextId++
      this.inFlight.set(id, request)
      return { id, request: encodeRequest(request) }
    })
  }

  take(id: number, bytes: Uint8Array | null): TakeVerdict {
    const request = this.inFlight.get(id)
    if (request === undefined) return 'taken'
    this.inFlight.delete(id)
    if (bytes === null) {
      this.queue.push(request)
      return 'wait'
    }
    const answer = decodeAnswer(bytes)
    const verdict = answer === undefined ? 'bad' : this.use(request, answer)
    if (verdict !== 'taken') this.queue.push(request)
    return verdict
  }

  private use(request: SnapshotRequest, answer: SnapshotAnswer): TakeVerdict {
    if (answer.kind === 'wait' || answer.kind === 'other') return answer.kind
    if (request.kind === 'part') return this.usePart(request.part, answer)
    if (request.kind === 'attachment') {
      if (answer.kind !== 'attachment' || !equalBytes(sha256(answer.bytes), request.hash)) return 'bad'
      this.store.import({ attachments: [{ hash: request.hash, bytes: answer.bytes }] })
      this.done += 1
      return 'taken'
    }
    if (request.kind !== 'bodies' || answer.kind !== 'bodies') return 'bad'
    return this.useBodies(request.keys, answer.bodies)
  }

  private usePart(part: TreePart, answer: SnapshotAnswer): TakeVerdict {
    if (answer.kind === 'split') {
      const parts = openSplit(part, answer.bytes, sha256)
      if (parts === undefined) return 'bad'
      for (const below of parts) this.want(below)
      return 'taken'
    }
    if (answer.kind !== 'leaves' || !leavesFit(part, answer.leaves, sha256, this.leafSalt)) return 'bad'
    const kept = new Set(answer.leaves.map(({ key }) => Buffer.from(key).toString('latin1')))
    this.removeUnder(part, kept)
    for (const { key, value } of answer.leaves) this.writes.push({ store: part.store, key, value })
    this.done += answer.leaves.length
    if (this.writes.length >= batchLeaves) this.flush()
    return 'taken'
  }

  /** What lies here from an earlier target and is not in this one. */
  private removeUnder(place: Omit<TreePart, 'hash'>, kept: ReadonlySet<string>): void {
    for (const { key } of this.index.under(place)) {
      if (!kept.has(Buffer.from(key).toString('latin1')))
        this.writes.push({ store: place.store, key, value: undefined })
    }
  }

  private flush(): void {
    if (this.writes.length === 0) return
    const state = this.writes.sort(compareWrites)
    this.writes = []
    const update = this.tree.update(state)
    const index = state.flatMap((write) => recordIndexRows(write)).sort(compareWrites)
    this.store.import({ state, index, pages: update.pageWrites, redo: update.redo })
    this.tree.accept(update)
  }

  // ------------------------------------------------------------------------------ what the state refers to

  /** From phase to phase, when nothing of one is left to ask or under way. */
  private advance(): void {
    if (this.target === undefined || this.queue.length > 0 || this.inFlight.size > 0) return
    if (this.phase === 'state') {
      this.flush()
      if (!equalBytes(this.tree.root, this.target.final.result.stateRoot))
        throw Object.assign(new Error('the parts do not give the certified root'), {
          code: 'STORE_DAMAGED',
        })
      this.phase = 'attachments'
      this.queue = this.missingAttachments()
    } else if (this.phase === 'attachments') {
      this.phase = 'bodies'
      this.queue = this.missingBodies()
    } else if (this.phase === 'bodies') {
      this.finish(this.target)
      this.phase = 'done'
    }
    this.done = 0
    this.total = this.queue.reduce(
      (sum, request) => sum + (request.kind === 'bodies' ? request.keys.length : 1),
      0,
    )
    if (this.queue.length === 0 && this.phase !== 'done') this.advance()
  }

  private rows(store: string): { key: Uint8Array; value: Uint8Array }[] {
    return this.scan()
      .under({ store, path: top, depth: 0 })
      .flatMap(({ key, value }) => {
        const place = decodeStateKey(key)
        return place?.kind === 'point' ? [{ key: place.key, value }] : []
      })
  }

  private missingAttachments(): SnapshotRequest[] {
    const hashes = this.rows(tables.attachment).map(({ key }) => key)
    const missing = hashes.filter((hash) => this.store.attachmentByHash(hash) === undefined)
    return missing.map((hash) => ({ kind: 'attachment', hash }))
  }

  private missingBodies(): SnapshotRequest[] {
    const erased = new Map<string, boolean>()
    const isErased = (patient: Uint8Array): boolean => {
      const name = Buffer.from(patient).toString('latin1')
      const known = erased.get(name)
      if (known !== undefined) return known
      const status = readPatient(this.store, patient)?.status === patientStatus.erased
      erased.set(name, status)
      return status
    }
    // By text: a patient may have several records of the same salt and content.
    const missing = new Map<string, Uint8Array>()
    for (const { value } of this.rows(tables.record)) {
      const { bodyHash, patient } = decodeRecordRow(value).header
      if (isErased(patient) || this.store.patientBody(patient, bodyHash).ok) continue
      const key = concatBytes(patient, bodyHash)
      missing.set(Buffer.from(key).toString('latin1'), key)
    }
    const gone = [...erased].filter(([, is]) => is).map(([name]) => Buffer.from(name, 'latin1'))
    if (gone.length > 0) this.store.import({ erasedPatients: gone })
    const keys = [...missing.values()]
    const requests: SnapshotRequest[] = []
    for (let at = 0; at < keys.length; at += bodiesPerRequestMax)
      requests.push({ kind: 'bodies', keys: keys.slice(at, at + bodiesPerRequestMax) })
    return requests
  }

  private useBodies(
    keys: readonly Uint8Array[],
    bodies: readonly { key: Uint8Array; content: Uint8Array }[],
  ): TakeVerdict {
    const wanted = new Map(keys.map((key) => [Buffer.from(key).toString('latin1'), key]))
    for (const { key, content } of bodies) {
      if (!wanted.delete(Buffer.from(key).toString('latin1'))) return 'bad'
      if (!equalBytes(sha256(content), splitBodyKey(key).hash)) return 'bad'
    }
    if (bodies.length === 0) return 'other'
    this.store.import({ bodies: bodies.map(({ key, content }) => ({ ...splitBodyKey(key), content })) })
    this.done += bodies.length
    if (wanted.size > 0) this.queue.push({ kind: 'bodies', keys: [...wanted.values()] })
    return 'taken'
  }

  /** The last batch makes the store a chain at the target's height. */
  private finish({ offer, final }: Target): void {
    const { block, handovers } = offer
    const { height } = final.header
    const manifests = followedManifests(offer.manifests, {
      chainId: this.chainId,
      institution: this.institution,
      ...{ height, state: this.store },
    })
    const overlay = new Overlay(this.store)
    const versions = this.rows(tables.code).map(({ key, value }) => ({
      address: key,
      row: decodeRow<CodeRow>(codeRow, value),
    }))
    versions.sort(
      (left, right) =>
        Number(left.row.height - right.row.height) || Buffer.compare(left.address, right.address),
    )
    for (const { address, row } of versions)
      indexVersion(overlay, { alias: row.alias, address, height: Number(row.height) })
    const first = Buffer.alloc(8)
    first.writeBigUInt64BE(BigInt(height))
    const handed = handovers.map((evidence) => ({ ...evidence, height: heightOf(evidence.header) }))
    this.store.import({
      index: overlay.writeSet().index,
      blocks: [...handed, { ...block, height }],
      notes: [
        { name: genesisNote, value: this.genesis },
        { name: recoveriesNote, value: encodeManifests(manifests) },
        { name: validatorsNote, value: encodeRow(validatorRow, block.validators) },
        { name: skippedNote, value: encodeCbor([]) },
        { name: firstBlockNote, value: first },
        {
          name: handoversNote,
          value: encodeCbor(
            handed.map((entry) => [entry.height, encodeRow(validatorRow, entry.validators)]),
          ),
        },
      ],
      applied: { height, stateRoot: final.result.stateRoot },
    })
  }
}

function heightOf(header: Uint8Array): number {
  const decoded = decodeHeader(header)
  if (!decoded.ok) throw new Error('a header that was checked decodes')
  return decoded.value.height
}

/**
 * Index rows of a ledger record. Their place within its block is not in the state; the first bits of its id
 * stand for it, so lists by arrival may order the records of one block otherwise than on other nodes.
 */
function recordIndexRows({ store, key, value }: StateWrite): StateWrite[] {
  const place = store === tables.record ? decodeStateKey(key) : undefined
  if (place?.kind !== 'point' || value === undefined) return []
  const row = decodeRecordRow(value)
  const id = place.key
  const sequence = Buffer.from(id).readUInt32BE(0)
  return indexWrites([{ id, header: row.header, number: row.number, height: row.height }], () => sequence)
}
