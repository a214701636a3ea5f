// Replay protection: a window of 1,024 sequences per (key, stream), so that lost and reordered readings do
// no harm. Row: highest sequence u64 BE ‖ 1,024 bits; bit (sequence mod 1,024) is set when that sequence
// was used.
import { concatBytes } from '../protocol/bytes.js'
import { sequenceJumpMax, sequenceWindow } from '../protocol/limits.js'
import { assert } from '../protocol/result.js'
import type { Overlay } from '../state/overlay.js'
import type { StateReader } from '../state/store-interface.js'
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

/** Checks and marks a sequence in one step. */
export function useSequence(
  overlay: Overlay,
  keyId: Uint8Array,
  stream: number,
  sequence: number,
): SequenceVerdict {
  const key = rowKey(keyId, stream)
  const row = overlay.get(store.sequence, key)
  const verdict = verdictOf(row, sequence)
  if (verdict === 'OK') overlay.set(store.sequence, key, advance(row, sequence))
  return verdict
}

function advance(row: Uint8Array | undefined, sequence: number): Uint8Array {
  const next = row === undefined ? new Uint8Array(rowBytes) : row.slice()
  assert(next.length === rowBytes, 'a sequence row has 136 bytes')
  const highest = row === undefined ? -1 : highestOf(row)
  // Sequences that enter the window replace those 1,024 below them, so their bits start clear.
  const from = Math.max(highest + 1, sequence - sequenceWindow + 1)
  for (let entering = from; entering <= sequence; entering += 1) setBit(next, entering, false)
  if (sequence > highest) new DataView(next.buffer).setBigUint64(0, BigInt(sequence))
  setBit(next, sequence, true)
  return next
}

const highestOf = (row: Uint8Array): number =>
  Number(new DataView(row.buffer, row.byteOffset, row.byteLength).getBigUint64(0))

function isUsed(row: Uint8Array, sequence: number): boolean {
  const bit = sequence % sequenceWindow
  return (row[highestBytes + (bit >>> 3)] & (1 << (bit & 7))) !== 0
}

function setBit(row: Uint8Array, sequence: number, used: boolean): void {
  const bit = sequence % sequenceWindow
  const at = highestBytes + (bit >>> 3)
  row[at] = used ? row[at] | (1 << (bit & 7)) : row[at] & ~(1 << (bit & 7))
}
