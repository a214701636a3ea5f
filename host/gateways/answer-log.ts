// In which order answers were stored, so that old ones can be found and removed: the notes of the store
// cannot be listed. A log in segments; only the newest is held in memory.
//
// A segment is up to `segmentMax` lines of key (32 bytes) and time (u64 BE, ms). The note "ends" holds the
// numbers of the first and the last segment, u32 BE each.
import { bytesToHex, utf8 } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'

const table = 'hl7-answer-log'
const endsPlace = { table, key: utf8('ends') }
const lineBytes = 32 + 8
/** 5 kB a segment: one is written again with each answer. */
const segmentMax = 128
/** Bound of the log: four million answers, seven in a second for a whole week. */
const segmentsMax = 32_768

/** Bytes of a key's hex; the keys are our own digests. */
export const bytesOfHex = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

const removed = undefined as unknown as Uint8Array // see hl7-notes.ts

interface Line {
  key: string
  timeMs: number
}

export class AnswerLog {
  private tail: Line[] = []
  /** Only one purge at a time: two would both move the first segment on. */
  private purging: Promise<void> = Promise.resolve()

  private constructor(
    private readonly executor: ExecutorClient,
    private first: number,
    private last: number,
  ) {}

  static async open(executor: ExecutorClient): Promise<AnswerLog> {
    const ends = await executor.call('get', endsPlace)
    const view = ends && new DataView(ends.buffer, ends.byteOffset, ends.length)
    const log = new AnswerLog(executor, view?.getUint32(0) ?? 0, view?.getUint32(4) ?? 0)
    log.tail = await log.segment(log.last)
    return log
  }

  /**
   * Written before the answer: a line without an answer does no harm, an answer without a line stays for
   * ever.
   */
  async add(key: string, timeMs: number): Promise<void> {
    if (this.tail.length >= segmentMax) {
      this.last += 1
      this.tail = []
      if (this.last - this.first >= segmentsMax) throw new Error('the log of answers is full')
      await this.putEnds()
    }
    this.tail.push({ key, timeMs })
    await this.put(this.last, encode(this.tail))
  }

  /** Hands out every key of the segments that hold nothing newer than `before`, then removes the segments. */
  purge(before: number, remove: (key: string) => Promise<void>): Promise<void> {
    const own = this.purging.then(() => this.purgeSegments(before, remove))
    this.purging = own.catch(() => undefined)
    return own
  }

  private async purgeSegments(before: number, remove: (key: string) => Promise<void>): Promise<void> {
    for (;;) {
      const isTail = this.first === this.last
      const lines = isTail ? this.tail : await this.segment(this.first)
      if (lines.length === 0 && isTail) return
      if (lines.some(({ timeMs }) => timeMs >= before)) return
      if (isTail) {
        // The tail is closed first, so that answers of this moment go into a new one.
        this.last += 1
        this.tail = []
        await this.putEnds()
      }
      for (const { key } of lines) await remove(key)
      const done = this.first
      this.first += 1
      await this.putEnds()
      await this.put(done, removed)
    }
  }

  private async segment(number: number): Promise<Line[]> {
    const bytes =
      (await this.executor.call('get', { table, key: utf8(String(number)) })) ?? new Uint8Array()
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const lines: Line[] = []
    for (let at = 0; at + lineBytes <= bytes.length; at += lineBytes) {
      const timeMs = Number(view.getBigUint64(at + 32))
      lines.push({ key: bytesToHex(bytes.subarray(at, at + 32)), timeMs })
    }
    return lines
  }

  private async put(number: number, value: Uint8Array): Promise<void> {
    await this.executor.call('put', { table, key: utf8(String(number)), value })
  }

  private async putEnds(): Promise<void> {
    const value = new Uint8Array(8)
    const view = new DataView(value.buffer)
    view.setUint32(0, this.first)
    view.setUint32(4, this.last)
    await this.executor.call('put', { ...endsPlace, value })
  }
}

function encode(lines: readonly Line[]): Uint8Array {
  const bytes = new Uint8Array(lines.length * lineBytes)
  const view = new DataView(bytes.buffer)
  lines.forEach(({ key, timeMs }, index) => {
    bytes.set(bytesOfHex(key), index * lineBytes)
    view.setBigUint64(index * lineBytes + 32, BigInt(timeMs))
  })
  return bytes
}
