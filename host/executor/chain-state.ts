// The final state as execution reads it: the sealed store, the state tree, and bodies under their hashes.
import type { RecordBody } from '../../runtime/protocol/index.js'
import type { ParentState } from '../../runtime/execution/index.js'
import { decodeRecordRow, type RecordRow } from '../../runtime/execution/record-rows.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import type {
  OrderedEntry,
  StateReader,
  StateTree,
  StateWrite,
  TreeUpdate,
} from '../../runtime/state/index.js'
import type { ChainReader } from '../store/store-types.js'

export class ChainState implements ParentState {
  constructor(
    private readonly store: ChainReader,
    private readonly tree: StateTree,
  ) {}

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    return this.store.get(table, key)
  }

  scan(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    return this.store.scan(...scan)
  }

  scanIndex(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    return this.store.scanIndex(...scan)
  }

  bodyOf(recordId: Uint8Array): RecordBody | 'erased' | undefined {
    const row = this.recordRow(recordId)
    if (!row) return undefined
    const body = this.store.bodyByHash(row.header.bodyHash)
    if (!body.ok) return body.code === 'BODY_ERASED' ? 'erased' : undefined
    return { salt: body.value.slice(0, 16), content: body.value.slice(16) }
  }

  recordRow(recordId: Uint8Array): RecordRow | undefined {
    const row = this.store.get(tables.record, recordId)
    return row === undefined ? undefined : decodeRecordRow(row)
  }

  attachmentOf(hash: Uint8Array): Uint8Array | undefined {
    return this.store.attachmentByHash(hash)
  }

  subRoot(table: string): Uint8Array {
    return this.tree.subRoot(table)
  }

  updateTree(writes: readonly StateWrite[]): TreeUpdate {
    return this.tree.update(writes)
  }
}
