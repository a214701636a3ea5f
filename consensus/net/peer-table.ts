// Who is connected, and by which id the core knows them: members by entity, everybody else by transport
// key.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { faultsTolerated } from '../pbft/index.js'
import type { ValidatorSet } from '../pbft/types.js'
import type { Subscription } from './frames.js'
import { badSignaturesForgivenPerS, badSignaturesMax } from './limits.js'
import type { PeerId } from './transport.js'
import type { Hello } from './wire.js'

export interface PeerEntry {
  readonly peer: PeerId
  readonly hello: Hello
  /** Address in the core's actions, 32 bytes. */
  coreId: Uint8Array
  /** Member of the present validator set, by id and vote key. */
  isMember: boolean
  subscription: Subscription
  /** Best height that it claims; nobody has checked it. */
  tipHeight: number
  /**
   * A block request of this peer is being served: further ones wait for their turn by being asked again.
   */
  isServed: boolean
  /** Blocks from this peer are taken until then, on the clock of `performance.now()`. */
  blocksWelcomeUntil: number
  /** Wrong signatures that were not yet forgiven, and since when, on the clock of `performance.now()`. */
  badSignatures: number
  badSignatureAt: number
}

const nothing: Subscription = { blocks: false, transactions: false }

/** Plain bookkeeping; sends nothing. */
export class PeerTable {
  readonly #entries = new Map<PeerId, PeerEntry>()
  #byCoreId = new Map<string, PeerEntry>()
  #validators: ValidatorSet

  constructor(validators: ValidatorSet) {
    this.#validators = validators
  }

  up(peer: PeerId, hello: Hello): PeerEntry {
    const entry: PeerEntry = {
      peer,
      hello,
      coreId: new Uint8Array(0),
      isMember: false,
      subscription: nothing,
      tipHeight: hello.tipHeight,
      isServed: false,
      blocksWelcomeUntil: 0,
      badSignatures: 0,
      badSignatureAt: 0,
    }
    this.#entries.set(peer, entry)
    this.#index()
    return entry
  }

  down(peer: PeerId): void {
    this.#entries.delete(peer)
    this.#index()
  }

  /** The set of the next height: members may have come, gone or changed their keys. */
  setValidators(validators: ValidatorSet): void {
    if (equalBytes(validators.hash, this.#validators.hash)) return
    this.#validators = validators
    this.#index()
  }

  #index(): void {
    this.#byCoreId = new Map()
    for (const entry of this.#entries.values()) {
      const { nodeId, nodeKey } = entry.hello
      entry.isMember = this.#validators.members.some(
        (member) => equalBytes(member.entity, nodeId) && equalBytes(member.voteKey, nodeKey),
      )
      // Who merely claims a member's id without its key is addressed by what the transport has proved.
      entry.coreId = entry.isMember ? nodeId : new Uint8Array(Buffer.from(entry.peer, 'hex'))
      this.#byCoreId.set(bytesToHex(entry.coreId), entry)
    }
  }

  get(peer: PeerId): PeerEntry | undefined {
    return this.#entries.get(peer)
  }

  byCoreId(id: Uint8Array): PeerEntry | undefined {
    return this.#byCoreId.get(bytesToHex(id))
  }

  all(): readonly PeerEntry[] {
    return [...this.#entries.values()]
  }

  members(): readonly PeerEntry[] {
    return this.all().filter((entry) => entry.isMember)
  }

  /** Peers that asked for blocks, or for transactions. */
  subscribers(what: keyof Subscription): readonly PeerEntry[] {
    return this.all().filter((entry) => entry.subscription[what])
  }

  /**
   * The best height that sources claim, leaving out as many of the highest claims as there may be liars.
   */
  claimedHeight(sources: readonly PeerEntry[]): number {
    const claims = sources.map((entry) => entry.tipHeight).sort((left, right) => right - left)
    const faults = faultsTolerated(this.#validators.members.length)
    return claims[Math.min(faults, claims.length - 1)] ?? 0
  }
}

/** One more wrong signature, at `now`: true when they come faster than any honest peer brings them. */
export function isForger(entry: PeerEntry, now: number): boolean {
  const forgiven = ((now - entry.badSignatureAt) * badSignaturesForgivenPerS) / 1_000
  entry.badSignatures = Math.max(0, entry.badSignatures - forgiven) + 1
  entry.badSignatureAt = now
  return entry.badSignatures > badSignaturesMax
}
