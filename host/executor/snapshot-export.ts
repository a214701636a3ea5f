// Handing this node's state to others, part by part, while blocks go on: the state is pinned at one height by
// a read transaction, the records are indexed by path in short slices, and every answer is small. Nobody has
// to believe an answer, for each hashes to what the asking node knows already.
import { FrozenTree, encodeSplit, type StateTree } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import { PathIndex, type ChainStore } from '../store/index.js'
import {
  bodyAnswerBytesMax,
  encodeAnswer,
  decodeRequest,
  partLeavesMax,
  splitBodyKey,
  type Offer,
  type SnapshotAnswer,
  type SnapshotRequest,
} from './snapshot-format.js'

/** Forks that one split opens: 64 hashes, 2 KiB. */
const splitLevels = 6
/**
 * A pin that nobody asked of for so long is let go; none is kept longer than the second bound, however busy a
 * peer keeps it: while it lasts the store cannot use the room of what blocks replace. Who still takes it aims
 * anew and asks only for what it lacks.
 */
const idleMsMax = 60_000
export const ageMsMax = 10 * 60_000
/** After it a pin makes way for a newer one when somebody asks for an offer. */
const freshMs = 20_000
/** A peer has so many pins made for it in this time: each costs an index of the whole state. */
export const pinsPerPeerMax = 4
export const pinsWindowMs = 30 * 60_000

interface Pinned {
  offer: Offer
  tree: FrozenTree
  index: PathIndex
  done(): void
  since: number
  usedAt: number
}

export class SnapshotExport {
  private pinned: Pinned | undefined
  /** When pins were made, by the peer that asked for them. */
  private readonly made = new Map<string, number[]>()

  constructor(
    private readonly store: ChainStore,
    private readonly tree: StateTree,
    /** What proves the state of the tip; undefined at genesis. */
    private readonly evidence: () => Omit<Offer, 'stores'> | undefined,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** One slice of preparing; false when there is nothing to prepare. Also lets go of what is not used. */
  step(budgetMs: number): boolean {
    const { pinned } = this
    if (pinned === undefined) return false
    const now = this.now()
    if (now - pinned.usedAt > idleMsMax || now - pinned.since > ageMsMax) this.end()
    return this.pinned !== undefined && pinned.index.step(budgetMs)
  }

  answer(bytes: Uint8Array, peer = ''): Uint8Array {
    const request = decodeRequest(bytes)
    return encodeAnswer(request === undefined ? { kind: 'other' } : this.answerTo(request, peer))
  }

  private answerTo(request: SnapshotRequest, peer: string): SnapshotAnswer {
    switch (request.kind) {
      case 'offer': {
        const offer = this.pin(peer)?.offer
        return offer === undefined ? { kind: 'other' } : { kind: 'offer', offer }
      }
      case 'part':
        return this.part(request)
      case 'attachment': {
        const content = this.store.attachmentByHash(request.hash)
        return content === undefined ? { kind: 'other' } : { kind: 'attachment', bytes: content }
      }
      case 'bodies':
        return this.bodies(request.keys)
    }
  }

  /** The pin as it is, unless it is too old to be kept. */
  private live(): Pinned | undefined {
    const { pinned } = this
    if (pinned === undefined) return undefined
    const now = this.now()
    if (now - pinned.since > ageMsMax) this.end()
    else pinned.usedAt = now
    return this.pinned
  }

  /** For an offer: the pin that is in use, or a new one while this peer has not asked for too many. */
  private pin(peer: string): Pinned | undefined {
    const now = this.now()
    const isFresh = this.pinned !== undefined && now - this.pinned.usedAt < freshMs
    if (isFresh && this.live() !== undefined) return this.pinned
    if (!this.mayPin(peer, now)) return this.live()
    this.end()
    const evidence = this.evidence()
    if (evidence === undefined) return undefined
    const tree = this.tree.freeze()
    const transaction = this.store.environment.beginRead()
    const index = new PathIndex(this.store.environment, sha256, transaction)
    const offer: Offer = { ...evidence, stores: tree.stores() }
    const done = (): void => {
      index.close()
      transaction.done()
    }
    this.pinned = { offer, tree, index, done, since: now, usedAt: now }
    // The first read pins the transaction: it must see the very block that the tree is of.
    index.step(0)
    this.made.set(peer, [...(this.made.get(peer) ?? []), now])
    return this.pinned
  }

  private mayPin(peer: string, now: number): boolean {
    for (const [name, times] of this.made) {
      const recent = times.filter((time) => now - time < pinsWindowMs)
      if (recent.length === 0) this.made.delete(name)
      else this.made.set(name, recent)
    }
    return (this.made.get(peer)?.length ?? 0) < pinsPerPeerMax
  }

  private part({ part }: Extract<SnapshotRequest, { kind: 'part' }>): SnapshotAnswer {
    const pinned = this.live()
    const node = pinned?.tree.nodeAt(part)
    if (pinned === undefined || node === undefined) return { kind: 'other' }
    if (Buffer.compare(node.hash, part.hash) !== 0) return { kind: 'other' }
    if (node.isFork && node.leafCount > partLeavesMax)
      return { kind: 'split', bytes: encodeSplit(node, splitLevels) }
    if (!pinned.index.isComplete) return { kind: 'wait' }
    return { kind: 'leaves', leaves: pinned.index.under(part) }
  }

  /** Of the newest state, not the pinned one: what was erased meanwhile is not handed out any more. */
  private bodies(keys: readonly Uint8Array[]): SnapshotAnswer {
    const bodies: { key: Uint8Array; content: Uint8Array }[] = []
    let byteCount = 0
    for (const key of keys) {
      const { patient, hash } = splitBodyKey(key)
      const body = this.store.patientBody(patient, hash)
      if (!body.ok) continue
      byteCount += body.value.length
      if (bodies.length > 0 && byteCount > bodyAnswerBytesMax) break
      bodies.push({ key, content: body.value })
    }
    return { kind: 'bodies', bodies }
  }

  /** An erasure, or the end of the node: nobody reads the older state any more. */
  end(): void {
    this.pinned?.done()
    this.pinned = undefined
  }
}
