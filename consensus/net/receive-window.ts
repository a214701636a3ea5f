// What comes from one peer: chunks joined into messages, and the credit that it has used up. No IO.

import { creditShare, messageBytesMax, windowBytes } from './limits.js'
import { firstHeaderBytes, nextHeaderBytes, type QueueClass, type Unit } from './wire.js'

type DataUnit = Extract<Unit, { type: 'whole' | 'first' | 'next' }>

export type ReceiveResult =
  /** `frame` is a plain copy; `creditBytes` must go to `release` when it has been dealt with. */
  | { ok: true; frame: Uint8Array | null; creditBytes: number }
  | { ok: false; code: 'CREDIT_EXCEEDED' | 'MESSAGE_TOO_LARGE' | 'CHUNK_OUT_OF_ORDER' }

interface Partial {
  total: number
  chunks: Uint8Array[]
  bytes: number
  /** Credit of its chunks that has not gone back. */
  creditBytes: number
}

/**
 * One per connection. Holds at most one unfinished message a class, within its limit. Whole ones that nobody
 * has dealt with yet come to about two windows and one message: beyond a window of them, chunks keep their
 * credit.
 */
export class ReceiveWindow {
  readonly #window: readonly [number, number, number]
  readonly #partials: [Partial | null, Partial | null, Partial | null] = [null, null, null]
  readonly #usedBytes: [number, number, number] = [0, 0, 0]
  readonly #givenBytes: [number, number, number] = [0, 0, 0]
  /** Whole frames that were handed out and not released. */
  readonly #wholeBytes: [number, number, number] = [0, 0, 0]

  readonly #messageBytesMax: readonly [number, number, number]

  constructor(
    window: readonly [number, number, number] = windowBytes,
    bytesMax: readonly [number, number, number] = messageBytesMax,
  ) {
    this.#window = window
    this.#messageBytesMax = bytesMax
  }

  /** Takes one data unit. A peer that sends beyond its credit, too much or out of order is at fault. */
  receive(unit: DataUnit): ReceiveResult {
    const { queueClass, payload } = unit
    const creditBytes = payload.length + (unit.type === 'first' ? firstHeaderBytes : nextHeaderBytes)
    // The sender may start one unit whenever it is below the window: so the last one may overshoot.
    if (this.#usedBytes[queueClass] >= this.#window[queueClass])
      return { ok: false, code: 'CREDIT_EXCEEDED' }
    this.#usedBytes[queueClass] += creditBytes
    switch (unit.type) {
      case 'whole':
        return this.#whole(queueClass, payload, creditBytes)
      case 'first':
        return this.#first(queueClass, unit.total, payload, creditBytes)
      case 'next':
        return this.#next(queueClass, payload, creditBytes)
    }
  }

  #whole(queueClass: QueueClass, payload: Uint8Array, creditBytes: number): ReceiveResult {
    if (this.#partials[queueClass] !== null) return { ok: false, code: 'CHUNK_OUT_OF_ORDER' }
    this.#wholeBytes[queueClass] += payload.length
    return { ok: true, frame: new Uint8Array(payload), creditBytes }
  }

  #first(queueClass: QueueClass, total: number, payload: Uint8Array, creditBytes: number): ReceiveResult {
    if (this.#partials[queueClass] !== null) return { ok: false, code: 'CHUNK_OUT_OF_ORDER' }
    if (total > this.#messageBytesMax[queueClass]) return { ok: false, code: 'MESSAGE_TOO_LARGE' }
    // The claimed total allocates nothing.
    const chunks = [new Uint8Array(payload)]
    this.#partials[queueClass] = { total, chunks, bytes: payload.length, creditBytes }
    this.#giveChunksBack(queueClass)
    return { ok: true, frame: null, creditBytes: 0 }
  }

  #next(queueClass: QueueClass, payload: Uint8Array, creditBytes: number): ReceiveResult {
    const partial = this.#partials[queueClass]
    if (partial === null) return { ok: false, code: 'CHUNK_OUT_OF_ORDER' }
    if (partial.bytes + payload.length > partial.total) return { ok: false, code: 'MESSAGE_TOO_LARGE' }
    partial.chunks.push(new Uint8Array(payload))
    partial.bytes += payload.length
    partial.creditBytes += creditBytes
    if (partial.bytes < partial.total) {
      this.#giveChunksBack(queueClass)
      return { ok: true, frame: null, creditBytes: 0 }
    }
    this.#partials[queueClass] = null
    this.#wholeBytes[queueClass] += partial.total
    return { ok: true, frame: join(partial), creditBytes: partial.creditBytes }
  }

  /**
   * A message larger than the window arrives only if its chunks' credit goes back before it is whole: at
   * once, unless a window of whole ones waits already. Those are dealt with in the end: nothing gets stuck.
   */
  #giveChunksBack(queueClass: QueueClass): void {
    const partial = this.#partials[queueClass]
    if (partial === null || this.#wholeBytes[queueClass] >= this.#window[queueClass]) return
    this.#give(queueClass, partial.creditBytes)
    partial.creditBytes = 0
  }

  /** A frame has been dealt with: its credit bytes, as `receive` told them, may be sent again. */
  release(queueClass: QueueClass, creditBytes: number, frameBytes: number): void {
    this.#wholeBytes[queueClass] -= frameBytes
    this.#give(queueClass, creditBytes)
    this.#giveChunksBack(queueClass)
  }

  #give(queueClass: QueueClass, creditBytes: number): void {
    this.#usedBytes[queueClass] -= creditBytes
    this.#givenBytes[queueClass] += creditBytes
  }

  /** Credit worth a unit of its own now, or null; taking it resets it. */
  takeCredit(): [number, number, number] | null {
    const isDue = this.#givenBytes.some((bytes, index) => bytes * creditShare >= (this.#window[index] ?? 0))
    if (!isDue) return null
    const given: [number, number, number] = [...this.#givenBytes]
    this.#givenBytes.fill(0)
    return given
  }

  /** Bytes of unfinished messages that are held. */
  get partialBytes(): number {
    return this.#partials.reduce((sum, partial) => sum + (partial?.bytes ?? 0), 0)
  }
}

function join(partial: Partial): Uint8Array {
  const frame = new Uint8Array(partial.total)
  let offset = 0
  for (const chunk of partial.chunks) {
    frame.set(chunk, offset)
    offset += chunk.length
  }
  return frame
}
