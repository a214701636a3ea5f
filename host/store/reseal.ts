// After a change of the data key: re-seals old records a few at a time, so that nothing rests under the
// former key's epoch any more. Records that are rewritten anyway move to the new epoch by themselves; this
// walks over the rest. How far it has come rests in a note, so that a restart goes on there.
import type { ChainStore } from './chain-store.js'
import { StoreError } from './store-error.js'
import { chainTables, type TableId } from './tables.js'

export interface ResealCursor {
  table: TableId
  /** Stored key to go on from. */
  from: Uint8Array
}

/** A slice ends after the record that makes it so large. */
const sliceBytesMax = 4 * 2 ** 20

/**
 * Re-seals at most `countMax` records that are not of the newest epoch, looking at no more than ten times
 * as many, in one durable transaction. Returns where to go on, or undefined when all are done. Run it when
 * the node is idle.
 */
export function resealSlice(
  store: ChainStore,
  cursor: ResealCursor | undefined,
  countMax = 500,
): { cursor: ResealCursor | undefined; resealed: number; seen: number } {
  const { environment } = store
  const at = chainTables.indexOf(cursor?.table ?? chainTables[0])
  const id = chainTables[at]
  const sealer = environment.sealer(id)
  const start = cursor?.from ?? Buffer.from([id])
  const old: { storedKey: Uint8Array; trueKey: Uint8Array; value: Uint8Array }[] = []
  let seen = 0
  let bytes = 0
  let next: Uint8Array | undefined
  for (const { storedKey, record } of environment.range(start, Buffer.from([id + 1]))) {
    if (old.length >= countMax || seen >= 10 * countMax || bytes >= sliceBytesMax) {
      next = Uint8Array.from(storedKey)
      break
    }
    seen += 1
    bytes += record.length
    if (sealer.epochOf(record) === environment.epoch) continue
    old.push({ storedKey: Uint8Array.from(storedKey), ...sealer.openEntry(storedKey, record) })
  }
  if (old.length > 0) {
    environment.write(() => {
      for (const { storedKey, trueKey, value } of old) environment.put(id, storedKey, trueKey, value)
    })
  }
  const resealed = old.length
  if (next !== undefined) return { cursor: { table: id, from: next }, resealed, seen }
  const following = chainTables[at + 1] as TableId | undefined
  const after = following === undefined ? undefined : { table: following, from: Buffer.from([following]) }
  return { cursor: after, resealed, seen }
}

/** epoch u8 | records seen u64 BE | table u8 | stored key; without table and key when all are done. */
const resealNote = 'reseal'
const headBytes = 9

interface Place {
  epoch: number
  seen: number
  cursor: ResealCursor | undefined
  isDone: boolean
}

export interface ResealProgress {
  /** Records looked at, of about so many. */
  done: number
  total: number
}

/** The walk over a whole store after a key change: `step` until it says that nothing is left. */
export class Reseal {
  readonly #store: ChainStore
  #place: Place

  constructor(store: ChainStore) {
    this.#store = store
    const { epoch } = store.environment
    // Without its place it begins anew: a note that is not found costs work and nothing else.
    const noted = decodePlace(store.note(resealNote, true))
    // Nothing was ever sealed before the first epoch.
    const fresh = { epoch, seen: 0, cursor: undefined, isDone: epoch === 0 }
    this.#place = noted?.epoch === epoch ? noted : fresh
  }

  /** Undefined: every record is of the newest epoch. */
  get progress(): ResealProgress | undefined {
    if (this.#place.isDone) return undefined
    const total = this.#store.space().entryCount
    return { done: Math.min(this.#place.seen, total), total }
  }

  /**
   * One slice. The note follows the records: a crash between the two only means that some are looked at
   * again.
   */
  step(countMax: number): void {
    const before = this.#place
    if (before.isDone) return
    const { cursor, seen } = resealSlice(this.#store, before.cursor, countMax)
    this.#place = { ...before, seen: before.seen + seen, cursor, isDone: cursor === undefined }
    this.#store.putNote(resealNote, encodePlace(this.#place))
  }
}

function encodePlace({ epoch, seen, cursor, isDone }: Place): Uint8Array {
  const head = Buffer.alloc(headBytes)
  head[0] = epoch
  head.writeBigUInt64BE(BigInt(seen), 1)
  if (isDone || cursor === undefined) return head
  return Buffer.concat([head, new Uint8Array([cursor.table]), cursor.from])
}

function decodePlace(note: Uint8Array | undefined): Place | undefined {
  if (note === undefined) return undefined
  if (note.length < headBytes) throw new StoreError('STORE_DAMAGED', 'the note of re-sealing is cut')
  const bytes = Buffer.from(note)
  const table = chainTables.find((id) => id === bytes[headBytes])
  const cursor =
    table === undefined ? undefined : { table, from: new Uint8Array(bytes.subarray(headBytes + 1)) }
  return { epoch: bytes[0], seen: Number(bytes.readBigUInt64BE(1)), cursor, isDone: cursor === undefined }
}
