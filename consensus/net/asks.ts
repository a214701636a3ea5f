// Requests that this node has sent to single peers' hosts and that nobody has answered yet.
import { encodeServiceFrame } from './frames.js'
import type { PeerId } from './transport.js'

interface Waiting {
  peer: PeerId
  done(answer: Uint8Array | null): void
}

export class Asks {
  readonly #waiting = new Map<number, Waiting>()
  readonly #send: (to: PeerId, frame: Uint8Array) => boolean
  #nextId = 1

  constructor(send: (to: PeerId, frame: Uint8Array) => boolean) {
    this.#send = send
  }

  /** Null: no answer in time, or the peer went away. */
  ask(to: PeerId, body: Uint8Array, timeoutMs: number): Promise<Uint8Array | null> {
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
      if (!this.#send(to, encodeServiceFrame('request', id, body))) end(null)
    })
  }

  /** An answer that was not asked of this peer is dropped. */
  answered(from: PeerId, id: number, body: Uint8Array): void {
    const entry = this.#waiting.get(id)
    if (entry?.peer === from) entry.done(body)
  }

  down(peer: PeerId): void {
    for (const entry of [...this.#waiting.values()]) if (entry.peer === peer) entry.done(null)
  }

  close(): void {
    for (const entry of [...this.#waiting.values()]) entry.done(null)
  }
}
