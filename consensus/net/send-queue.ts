// What waits to go to one peer: three byte-bounded queues, cut into chunks, held by the peer's credit. No
// IO.

import { chunkBytesMax, messageBytesMax, queueBytesMax, windowBytes } from './limits.js'
import { encodeFirst, encodeNext, encodeWhole, type QueueClass } from './wire.js'

interface Lane {
  frames: Uint8Array[]
  /** Position of the first waiting frame in `frames`; consumed slots are cut off now and then. */
  head: number
  /** Bytes of the frame at `head` that have already gone out as chunks. */
  sent: number
  queuedBytes: number
  /** Unit bytes sent and not yet given back by the receiver. */
  outstandingBytes: number
  /** A frame was refused at this bound: tell the owner when half of that is free again. 0: none was. */
  refusedAtBytes: number
}

export interface SendQueueLimits {
  queueBytes: readonly [number, number, number]
  windowBytes: readonly [number, number, number]
}

const classes: readonly QueueClass[] = [0, 1, 2]

/** One per connection. Order inside a class is kept; a lower class always goes first. */
export class SendQueue {
  readonly #limits: SendQueueLimits
  readonly #lanes: readonly [Lane, Lane, Lane] = [createLane(), createLane(), createLane()]

  constructor(limits: SendQueueLimits = { queueBytes: queueBytesMax, windowBytes }) {
    this.#limits = limits
  }

  /**
   * False: empty, longer than a message may be, or the queue of its class is full. The frame is not copied.
   * `boundBytes` below the queue's own bound is for frames that others must be able to pass.
   */
  offer(
    frame: Uint8Array,
    queueClass: QueueClass,
    boundBytes = this.#limits.queueBytes[queueClass],
  ): boolean {
    const lane = this.#lanes[queueClass]
    if (frame.length === 0 || frame.length > messageBytesMax[queueClass]) return false
    if (lane.queuedBytes > 0 && lane.queuedBytes + frame.length > boundBytes) {
      lane.refusedAtBytes = Math.max(lane.refusedAtBytes, boundBytes)
      return false
    }
    lane.frames.push(frame)
    lane.queuedBytes += frame.length
    return true
  }

  /** The next unit that may go out now, or null. Class 2 moves only when nothing of 0 and 1 waits (N6). */
  next(): Uint8Array | null {
    for (const queueClass of classes) {
      const lane = this.#lanes[queueClass]
      if (lane.queuedBytes === 0) continue
      if (queueClass === 2 && (this.#lanes[0].queuedBytes > 0 || this.#lanes[1].queuedBytes > 0))
        return null
      const unit = this.#cut(lane, queueClass)
      if (unit !== null) return unit
    }
    return null
  }

  #cut(lane: Lane, queueClass: QueueClass): Uint8Array | null {
    // With nothing outstanding one unit may always go, so that a window smaller than a chunk cannot lock
    // up.
    if (lane.outstandingBytes > 0 && lane.outstandingBytes >= this.#limits.windowBytes[queueClass])
      return null
    const frame = lane.frames[lane.head]
    if (frame === undefined) return null
    const from = lane.sent
    const to = Math.min(from + chunkBytesMax, frame.length)
    const payload = frame.subarray(from, to)
    let unit: Uint8Array
    if (from > 0) unit = encodeNext(queueClass, payload)
    else if (to < frame.length) unit = encodeFirst(queueClass, frame.length, payload)
    else unit = encodeWhole(queueClass, payload)
    lane.sent = to
    lane.queuedBytes -= payload.length
    lane.outstandingBytes += unit.length
    if (to === frame.length) dropHead(lane)
    return unit
  }

  /** The receiver gives bytes back. False: it gives back more than was sent. */
  grant(given: readonly [number, number, number]): boolean {
    for (const queueClass of classes) {
      const lane = this.#lanes[queueClass]
      if (given[queueClass] > lane.outstandingBytes) return false
      lane.outstandingBytes -= given[queueClass]
    }
    return true
  }

  /** True once after a refusal, when a class has come down to half of the bound that refused. */
  takeWritable(): boolean {
    let writable = false
    for (const queueClass of classes) {
      const lane = this.#lanes[queueClass]
      if (lane.refusedAtBytes === 0 || lane.queuedBytes * 2 > lane.refusedAtBytes) continue
      lane.refusedAtBytes = 0
      writable = true
    }
    return writable
  }

  /** Payload bytes that wait here, all classes. */
  get queuedBytes(): number {
    return this.#lanes[0].queuedBytes + this.#lanes[1].queuedBytes + this.#lanes[2].queuedBytes
  }

  /** Unit bytes that the peer has not given back, all classes. */
  get outstandingBytes(): number {
    return (
      this.#lanes[0].outstandingBytes + this.#lanes[1].outstandingBytes + this.#lanes[2].outstandingBytes
    )
  }
}

function createLane(): Lane {
  return { frames: [], head: 0, sent: 0, queuedBytes: 0, outstandingBytes: 0, refusedAtBytes: 0 }
}

function dropHead(lane: Lane): void {
  lane.frames[lane.head] = new Uint8Array(0) // lets the frame go even while the slot stays
  lane.head += 1
  lane.sent = 0
  if (lane.head === lane.frames.length) {
    lane.frames = []
    lane.head = 0
  } else if (lane.head >= 1024) {
    lane.frames.splice(0, lane.head)
    lane.head = 0
  }
}
