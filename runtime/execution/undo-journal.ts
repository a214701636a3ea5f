// The undo journal of a block: what its keys held before, so that the state before it can be had again. New
// records are left out: their rows tell the height they came with, and their index rows follow from them.
//
//   journal   version u8 = 1 | state count u32 LE | entry* | index count u32 LE | entry*
//   entry     store length u8 | store ASCII | key length u32 LE | key | 0, or 1 | value length u32 LE | value
import type { StateReader, IndexReader, StateWrite, WriteSet } from '../state/store-interface.js'
import { decodeStateKey } from '../state/state-keys.js'
import { assert } from '../protocol/result.js'
import { byteText, asciiBytes } from './byte-text.js'
import { ByteWriter, RowReader } from './byte-writer.js'
import { store as tables } from './kernel-tables.js'
import { decodeRecordRow } from './record-rows.js'

type Scan = StateReader['scan']

const journalVersion = 1

/**
 * The write set that takes block `height` back: for each key it wrote, what `state` (before the block) has
 * there. Rows of records that the block itself appended are not in it.
 */
export function undoOf(state: StateReader & IndexReader, writes: WriteSet, height: number): WriteSet {
  const stateWrites = writes.state.filter((write) => !isNewRecord(write, height))
  const indexWrites = writes.index.filter(({ store }) => store !== tables.record)
  return {
    state: stateWrites.map((write) => before(write, state, (...scan) => state.scan(...scan))),
    index: indexWrites.map((write) => before(write, state, (...scan) => state.scanIndex(...scan))),
  }
}

/** A record keeps the height it came with: a row of this height was not there before. */
function isNewRecord({ store, value }: StateWrite, height: number): boolean {
  return store === tables.record && value !== undefined && decodeRecordRow(value).height === height
}

function before({ store, key }: StateWrite, state: StateReader, scan: Scan): StateWrite {
  const place = decodeStateKey(key)
  assert(place !== undefined, 'a write has an encoded key')
  if (place.kind === 'point') return { store, key, value: state.get(store, place.key) }
  const { table, partition, order, sequence } = place
  const rows = scan(store, table, partition, order, order, sequence + 1)
  return { store, key, value: rows.find((row) => row.sequence === sequence)?.value }
}

export function encodeUndo(undo: WriteSet): Uint8Array {
  const writer = new ByteWriter(4_096)
  writer.u8(journalVersion)
  for (const writes of [undo.state, undo.index]) {
    writer.u32(writes.length)
    for (const { store, key, value } of writes) {
      const name = asciiBytes(store)
      writer.u8(name.length)
      writer.raw(name)
      writer.bytes(key)
      writer.u8(value === undefined ? 0 : 1)
      if (value !== undefined) writer.bytes(value)
    }
  }
  return writer.finish()
}

/** For bytes of `encodeUndo` that authenticated: a wrong shape is our own bug. */
export function decodeUndo(bytes: Uint8Array): WriteSet {
  const reader = new RowReader(bytes)
  assert(reader.u8() === journalVersion, 'an undo journal of a version that is known')
  const undo = { state: readWrites(reader), index: readWrites(reader) }
  assert(reader.done, 'an undo journal has no bytes left over')
  return undo
}

function readWrites(reader: RowReader): StateWrite[] {
  const writes: StateWrite[] = []
  for (let count = reader.u32(); count > 0; count -= 1) {
    const store = byteText(reader.raw(reader.u8()))
    const key = reader.bytes()
    writes.push({ store, key, value: reader.u8() === 1 ? reader.bytes() : undefined })
  }
  return writes
}
