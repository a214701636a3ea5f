// Requests that this node has sent to single peers' hosts and that nobody has answered yet.
import { encodeServiceFrame } from './frames.js'
import { openAsksMax } from './limits.js'
import type { PeerId } from './transport.js'

interface Waiting {
  peer: PeerId
  done(answer: Uint8Array | null): void
}

export class Asks {
  readonly #waiting = new Map<number, Waiting>()
  /** What each peer still has to answer, whether anybody here waits for it any more or not. */
  readonly #open = new Map<PeerId, Set<number>>()
  readonly #send: (to: PeerId, frame: Uint8Array) => boolean
  #nextId = 1

  constructor(send: (to: PeerId, frame: Uint8Array) => boolean) {
    this.#send = send
  }

  /** Null: no answer in time, the peer went away, or it has not answered enough of what was asked before. */
  ask(to: PeerId, body: Uint8Array, timeoutMs: number): Promise<Uint8Array | null> {
    const open = this.#open.get(to) ?? new Set()
    // One more, and the peer would cut this node off.
    if (open.size >= openAsksMax) return Promise.resolve(null)
    return new Promise((resolve) => {
      const id = this.#nextId
      this.#nextId = (this.#nextId + 1) >>> 0
      const timer = setTimeout(() => end(null), timeoutMs)
      const end = (answer: Uint8Array | null): void => {
        this.#waiting.delete(id)
        clearTimeout(timer)
        resolve(answer)
      }
      this.#waiting.set(id, { peer: to, done: end })
      if (!this.#send(to, encodeServiceFrame('request', id, body))) return end(null)
      this.#open.set(to, open.add(id))
    })
  }

  /** An answer that was not asked of this peer is dropped; an empty one says that there is none. */
  answered(from: PeerId, id: number, body: Uint8Array): void {
    const open = this.#open.get(from)
    if (open?.delete(id) === true && open.size === 0) this.#open.delete(from)
    const entry = this.#waiting.get(id)
    if (entry?.peer === from) entry.done(body.length === 0 ? null : body)
  }

  down(peer: PeerId): void {
    this.#open.delete(peer)
    for (const entry of [...this.#waiting.values()]) if (entry.peer === peer) entry.done(null)
  }

  close(): void {
    for (const entry of [...this.#waiting.values()]) entry.done(null)
  }
}
