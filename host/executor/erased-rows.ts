// Which blocks take rows of an erased patient away. What such a block removes must not stay in an undo
// journal, nor its hashes in the redo records of the tree.
import { encodeUndo, undoOf } from '../../runtime/execution/index.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import { patientStatus, readPatient } from '../../runtime/execution/record-rows.js'
import {
  decodeStateKey,
  orderMax,
  type IndexReader,
  type StateReader,
  type StateWrite,
  type WriteSet,
} from '../../runtime/state/index.js'

/** As `runtime/execution/chores.ts` has them in `$queue`: its table, how many a block looks at, the tag. */
const choreTable = 1
const choresPerBlock = 64
const eraseTag = 0

/**
 * Does a block on this state that writes this take rows of an erased patient away? They go in slices, in the
 * blocks after the one that erased the patient too.
 */
export function forgetsRows(state: StateReader, writes: readonly StateWrite[]): boolean {
  if (erasedPatients(writes).length > 0) return true
  const chores = state.scan(tables.queue, choreTable, new Uint8Array(0), 0n, orderMax, choresPerBlock)
  return chores.some(({ value }) => value[0] === eraseTag)
}

/** What takes a block back; nothing may bring back rows that it took away for good. */
export function undoBytes(
  state: StateReader & IndexReader,
  writes: WriteSet,
  height: number,
): Uint8Array | undefined {
  return forgetsRows(state, writes.state) ? undefined : encodeUndo(undoOf(state, writes, height))
}

/** Patients that this block erased: their keys are destroyed in the same transaction. */
export function erasedPatients(writes: readonly StateWrite[]): Uint8Array[] {
  return writes.flatMap(({ store, key, value }) => {
    const place = store === tables.patient && value !== undefined ? decodeStateKey(key) : undefined
    if (place?.kind !== 'point') return []
    const head = readPatient({ get: () => value, scan: () => [] }, place.key)
    return head?.status === patientStatus.erased ? [place.key] : []
  })
}
