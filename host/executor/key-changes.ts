// What a final block did to keys, so that the main thread can tell which waiting transactions are dead
// without reading state: read from the block's own writes.
import { bytesToHex, type ErrorCode } from '../../runtime/protocol/index.js'
import { readKey } from '../../runtime/execution/index.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import { checkSequence } from '../../runtime/execution/replay-window.js'
import { decodeStateKey, type StateWrite, type WriteSet } from '../../runtime/state/index.js'

const keyIdBytes = 16

/** A replay window that moved. */
export interface MovedWindow {
  keyId: Uint8Array
  stream: number
  /** The window's row as it is now (replay-window.ts). */
  row: Uint8Array
}

export interface KeyChanges {
  windows: MovedWindow[]
  /** Hex ids of keys that are revoked from now on. */
  revoked: string[]
}

export function keyChanges(writes: WriteSet): KeyChanges {
  const changes: KeyChanges = { windows: [], revoked: [] }
  for (const write of writes.state) {
    const key = pointKeyOf(write)
    if (!key || !write.value) continue
    const { value } = write
    if (write.store === tables.sequence) {
      const keyId = key.slice(0, keyIdBytes)
      changes.windows.push({ keyId, stream: key[keyIdBytes], row: value.slice() })
    } else if (readKey({ get: () => value, scan: () => [] }, key)?.revoked) {
      changes.revoked.push(bytesToHex(key))
    }
  }
  return changes
}

function pointKeyOf(write: StateWrite): Uint8Array | undefined {
  if (write.store !== tables.sequence && write.store !== tables.key) return undefined
  const key = decodeStateKey(write.key)
  return key?.kind === 'point' ? key.key : undefined
}

/** Why a transaction with this sequence can no longer become final, or undefined when it still can. */
export function deadInWindow(window: MovedWindow, sequence: number): ErrorCode | undefined {
  const state = { get: () => window.row, scan: () => [] }
  const verdict = checkSequence(state, window.keyId, window.stream, sequence)
  return verdict === 'OK' || verdict === 'SEQUENCE_JUMP' ? undefined : verdict
}
