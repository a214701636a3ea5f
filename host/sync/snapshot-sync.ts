// Takes a snapshot of the chain's state from several nodes at once into an empty folder. The executor thread
// asks and checks; this carries its requests to peers, keeps all of them busy, and sends away who lies.
import { decodeHeader } from '../../runtime/protocol/index.js'
import { decodeAnswer, encodeRequest } from '../executor/snapshot-format.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { ImportProgress } from '../executor/snapshot-import.js'
import type { ServiceClient } from '../../consensus/net/service-client.js'
import type { PeerId } from '../../consensus/net/transport.js'

export interface SyncOptions {
  client: Pick<ServiceClient, 'peers' | 'request' | 'waitForPeer'>
  /** Opened with `syncOpen`. */
  executor: Pick<ExecutorClient, 'call'>
  onProgress?: (progress: ImportProgress) => void
  /** A peer whose answer does not hash to what it must. It is not asked again. */
  onLiar?: (peer: PeerId, what: string) => void
  /** Waited for a peer that helps, all in all. */
  timeoutMs?: number
  answerMs?: number
  /** Waited for the others' offers after the first one. */
  offersMs?: number
  /** Waited until peers that give little are left out, when others are there. */
  slowMs?: number
  /** Nobody waits for the snapshot any more. */
  stop?: AbortSignal
}

interface OfferMade {
  peer: PeerId
  answer: Uint8Array
}

export class SyncError extends Error {
  constructor(
    readonly code: 'SYNC_NO_PEER' | 'SYNC_STOPPED',
    message: string,
  ) {
    super(message)
  }
}

const pauseMs = 50
/**
 * Requests that a peer answers with "another state" before it is passed over; at once when it is silent. When
 * nobody is left, a new aim is taken.
 */
const othersMax = 16
/** Parts in `slowMs`: a peer gives hundreds. Fewer from all that are left, and the others are asked anew. */
const partsMin = 60

export function throwIfStopped(stop: AbortSignal | undefined): void {
  if (stop?.aborted === true)
    throw new SyncError('SYNC_STOPPED', 'the node was sealed while it took a snapshot')
}

/** Resolves when the folder holds a chain at a certified height. Throws SyncError. */
export async function takeSnapshot(options: SyncOptions): Promise<void> {
  const run = new SyncRun(options)
  await run.finish()
}

class SyncRun {
  private readonly liars = new Set<PeerId>()
  private readonly busy = new Set<PeerId>()
  /** Peers that have another state than the one aimed at, and how often they said so. */
  private readonly others = new Map<PeerId, number>()
  private isDone = false
  private failure: Error | undefined
  private lastTaken = Date.now()
  /** Peers that held everything up while others were there. */
  private readonly slow = new Set<PeerId>()
  private pace = { since: Date.now(), parts: 0 }

  constructor(private readonly options: SyncOptions) {}

  private get peers(): PeerId[] {
    const peers = this.options.client.peers().map(({ peer }) => peer)
    return peers.filter((peer) => !this.liars.has(peer))
  }

  private get usable(): PeerId[] {
    const quick = this.peers.filter((peer) => !this.slow.has(peer))
    if (quick.length > 0) return quick
    this.slow.clear()
    return this.peers
  }

  private isPassedOver(peer: PeerId): boolean {
    return this.slow.has(peer) || (this.others.get(peer) ?? 0) >= othersMax
  }

  /**
   * Little came for long, and there are others than those who gave it: they are left out, or one slow peer
   * whose state nobody else has would hold up a join for as long as it likes.
   */
  private isHeldUp(usable: readonly PeerId[]): boolean {
    const { slowMs = 60_000 } = this.options
    if (Date.now() - this.pace.since < slowMs) return false
    const { parts } = this.pace
    this.pace = { since: Date.now(), parts: 0 }
    if (parts >= partsMin || usable.length >= this.peers.length) return false
    for (const peer of usable) this.slow.add(peer)
    return true
  }

  async finish(): Promise<void> {
    const { timeoutMs = 120_000 } = this.options
    await this.aim()
    while (!this.isDone) {
      if (this.failure !== undefined) throw this.failure
      throwIfStopped(this.options.stop)
      if (Date.now() - this.lastTaken > timeoutMs)
        throw new SyncError('SYNC_NO_PEER', `no node gave anything for ${timeoutMs / 1_000} s`)
      const usable = this.usable.filter((peer) => !this.isPassedOver(peer))
      if (usable.length === 0 || this.isHeldUp(usable)) await this.aim()
      for (const peer of usable) if (!this.busy.has(peer)) void this.work(peer)
      await pause()
    }
  }

  /**
   * The highest block that any peer proves. All are asked at once, and who has not answered shortly after the
   * first offer is not waited for: a slow or stale peer holds nobody up.
   */
  private async aim(): Promise<void> {
    const { client, executor, timeoutMs = 120_000 } = this.options
    const end = Date.now() + timeoutMs
    while (Date.now() < end) {
      throwIfStopped(this.options.stop)
      await client.waitForPeer(Math.min(1_000, end - Date.now()))
      for (const { peer, answer } of highestFirst(await this.offers())) {
        const verdict = await executor.call('syncAim', { answer })
        if (verdict === 'bad') this.lied(peer, 'an offer that no certificate covers')
        if (verdict !== 'taken') continue
        this.others.clear()
        this.lastTaken = Date.now()
        this.pace = { since: Date.now(), parts: 0 }
        return
      }
      await pause()
    }
    throw new SyncError('SYNC_NO_PEER', 'no node offers a state that is certified')
  }

  private async offers(): Promise<OfferMade[]> {
    const { client, answerMs = 15_000, offersMs = 2_000 } = this.options
    const request = encodeRequest({ kind: 'offer' })
    const made: OfferMade[] = []
    await new Promise<void>((resolve) => {
      const { usable } = this
      let open = usable.length
      if (open === 0) resolve()
      for (const peer of usable) {
        const ask = async (): Promise<void> => {
          const answer = await client.request(peer, request, answerMs)
          if (answer !== null && made.push({ peer, answer }) === 1) setTimeout(resolve, offersMs)
        }
        void ask()
          .catch(() => undefined)
          .finally(() => {
            open -= 1
            if (open === 0) resolve()
          })
      }
    })
    return [...made]
  }

  private tookPart(): void {
    this.lastTaken = Date.now()
    this.pace.parts += 1
  }

  private lied(peer: PeerId, what: string): void {
    this.liars.add(peer)
    this.options.onLiar?.(peer, what)
  }

  /** One peer, one request after the other, for as long as it helps. */
  private async work(peer: PeerId): Promise<void> {
    const { client, executor, onProgress, answerMs = 15_000 } = this.options
    this.busy.add(peer)
    try {
      while (!this.isDone && !this.liars.has(peer) && !this.isPassedOver(peer)) {
        const { requests, progress } = await executor.call('syncNext', { count: 1 })
        onProgress?.(progress)
        if (progress.phase === 'done') this.isDone = true
        const [next] = requests as (typeof requests)[number][] | []
        if (next === undefined) return
        const answer = await client.request(peer, next.request, answerMs)
        const verdict = await executor.call('syncTake', { id: next.id, answer })
        if (verdict === 'taken') this.tookPart()
        if (verdict === 'bad') this.lied(peer, 'a part that does not have the hash it must have')
        if (verdict === 'other') this.others.set(peer, (this.others.get(peer) ?? 0) + 1)
        if (verdict === 'wait') await pause()
        if (answer === null) {
          this.others.set(peer, othersMax)
          return
        }
      }
    } catch (error) {
      this.failure ??= error instanceof Error ? error : new Error(String(error))
    } finally {
      this.busy.delete(peer)
    }
  }
}

/** By what they claim: an invented height is found out by its certificate, and its peer is sent away. */
const highestFirst = (offers: readonly OfferMade[]): OfferMade[] =>
  offers
    .map((offer) => ({ ...offer, height: claimedHeight(offer.answer) }))
    .sort((left, right) => right.height - left.height)

function claimedHeight(answer: Uint8Array): number {
  const decoded = decodeAnswer(answer)
  if (decoded?.kind !== 'offer') return 0
  const header = decodeHeader(decoded.offer.block.header)
  return header.ok ? header.value.height : 0
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, pauseMs))
