// Replay protection: a window of 1,024 sequences per (key, stream), so that lost and reordered readings do
// no harm. Row: highest sequence u64 BE ‖ 1,024 bits; bit (sequence mod 1,024) is set when that sequence
// was used.
import { concatBytes } from '../protocol/bytes.js'
import { sequenceJumpMax, sequenceWindow } from '../protocol/limits.js'
import { assert } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
import { byteText } from './byte-text.js'
import { store } from './kernel-tables.js'

const highestBytes = 8
const rowBytes = highestBytes + sequenceWindow / 8

export type SequenceVerdict = 'OK' | 'SEQUENCE_REUSED' | 'SEQUENCE_TOO_OLD' | 'SEQUENCE_JUMP'

const rowKey = (keyId: Uint8Array, stream: number): Uint8Array =>
  concatBytes(keyId, new Uint8Array([stream]))

/**
 * May this sequence be used next? An unused stream starts below 0, so that the first may be 0..2^20 - 1.
 */
export function checkSequence(
  state: StateReader,
  keyId: Uint8Array,
  stream: number,
  sequence: number,
): SequenceVerdict {
  return verdictOf(state.get(store.sequence, rowKey(keyId, stream)), sequence)
}

function verdictOf(row: Uint8Array | undefined, sequence: number): SequenceVerdict {
  const highest = row === undefined ? -1 : highestOf(row)
  if (sequence > highest + sequenceJumpMax) return 'SEQUENCE_JUMP'
  if (row === undefined || sequence > highest) return 'OK'
  if (sequence <= highest - sequenceWindow) return 'SEQUENCE_TOO_OLD'
  return isUsed(row, sequence) ? 'SEQUENCE_REUSED' : 'OK'
}

interface Window {
  key: Uint8Array
  /** The state's row, and a copy of it from the first sequence on that is marked. */
  row: Uint8Array | undefined
  isOwn: boolean
}

/** Windows of one block: read once a stream, marked in place, written once. */
export class SequenceBook {
  readonly #state: StateReader
  readonly #windows = new Map<string, Window>()

  constructor(state: StateReader) {
    this.#state = state
  }

  check(keyId: Uint8Array, stream: number, sequence: number): SequenceVerdict {
    return verdictOf(this.#window(keyId, stream).row, sequence)
  }

  /** Checks and marks a sequence in one step. */
  use(keyId: Uint8Array, stream: number, sequence: number): SequenceVerdict {
    const window = this.#window(keyId, stream)
    const verdict = verdictOf(window.row, sequence)
    if (verdict !== 'OK') return verdict
    const highest = window.row === undefined ? -1 : highestOf(window.row)
    if (!window.isOwn) window.row = window.row?.slice()
    window.row ??= new Uint8Array(rowBytes)
    window.isOwn = true
    advance(window.row, highest, sequence)
    return verdict
  }

  /** Writes the windows of the streams that were used. */
  flush(overlay: Overlay): void {
    for (const { key, row, isOwn } of this.#windows.values()) {
      if (isOwn) overlay.set(store.sequence, key, row as Uint8Array)
    }
  }

  #window(keyId: Uint8Array, stream: number): Window {
    const name = `${byteText(keyId)}${stream}`
    let window = this.#windows.get(name)
    if (window === undefined) {
      const key = rowKey(keyId, stream)
      window = { key, row: this.#state.get(store.sequence, key), isOwn: false }
      this.#windows.set(name, window)
    }
    return window
  }
}

/** Marks a sequence in a row whose highest one, -1 for none, is `highest`. */
function advance(row: Uint8Array, highest: number, sequence: number): void {
  assert(row.length === rowBytes, 'a sequence row has 136 bytes')
  // Sequences that enter the window replace those 1,024 below them, so their bits start clear.
  const from = Math.max(highest + 1, sequence - sequenceWindow + 1)
  for (let entering = from; entering <= sequence; entering += 1) setBit(row, entering, false)
  if (sequence > highest) {
    for (let index = 0, rest = sequence; index < highestBytes; index += 1) {
      row[highestBytes - 1 - index] = rest % 256
      rest = Math.floor(rest / 256)
    }
  }
  setBit(row, sequence, true)
}

/** A safe integer, because `sequence` is one. */
function highestOf(row: Uint8Array): number {
  let highest = 0
  for (let index = 0; index < highestBytes; index += 1) highest = highest * 256 + row[index]
  return highest
}

function isUsed(row: Uint8Array, sequence: number): boolean {
  const bit = sequence % sequenceWindow
  return (row[highestBytes + (bit >>> 3)] & (1 << (bit & 7))) !== 0
}

function setBit(row: Uint8Array, sequence: number, used: boolean): void {
  const bit = sequence % sequenceWindow
  const at = highestBytes + (bit >>> 3)
  row[at] = used ? row[at] | (1 << (bit & 7)) : row[at] & ~(1 << (bit & 7))
}
