// The final state as execution reads it: the sealed store, the state tree, and bodies under their hashes.
import type { RecordBody } from '../../runtime/protocol/index.js'
import type { ExecutedBlock, ParentState } from '../../runtime/execution/index.js'
import { decodeRecordRow, type RecordRow } from '../../runtime/execution/record-rows.js'
import { store as tables } from '../../runtime/execution/kernel-tables.js'
import {
  orderMax,
  type OrderedEntry,
  type StateReader,
  type StateTree,
  type StateWrite,
  type TreeUpdate,
} from '../../runtime/state/index.js'
import type { ChainReader } from '../store/store-types.js'
import { forgetsRows } from './erased-rows.js'
import { checkIndexRows } from './index-rows.js'
import { RecordCache } from './record-cache.js'
import { RowCache } from './row-cache.js'

export class ChainState implements ParentState {
  private readonly cache = new RecordCache()
  private readonly rows = new RowCache()

  constructor(
    private readonly store: ChainReader,
    private readonly tree: Pick<StateTree, 'subRoot' | 'update'>,
  ) {}

  get(table: string, key: Uint8Array): Uint8Array | undefined {
    if (table !== tables.record) return this.rows.get(table, key, () => this.store.get(table, key))
    return this.cache.row(key, () => this.store.get(table, key))
  }

  scan(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    return this.store.scan(...scan)
  }

  scanIndex(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    const [store, table, partition, from, to, limit, descending] = scan
    if (store !== tables.record || descending !== true) return this.checked(...scan)
    const cached = this.cache.newest(table, partition, { from, to, limit }, (count) =>
      this.checked(store, table, partition, 0n, orderMax, count, true),
    )
    return cached ?? this.checked(...scan)
  }

  /** Index rows of the store, each one compared with what it leads to. */
  private checked(...scan: Parameters<StateReader['scan']>): OrderedEntry[] {
    const [store, table, partition] = scan
    const rows = this.store.scanIndex(...scan)
    checkIndexRows({ store, table, partition }, rows, {
      record: (id) => this.recordRow(id),
      get: (...key) => this.get(...key),
    })
    return rows
  }

  /** A block became final: what it added is likely to be read next. */
  onCommit(executed: ExecutedBlock, hasErasure: boolean): void {
    this.cache.onCommit(executed, hasErasure)
    this.rows.onCommit(executed.writeSet.state, hasErasure)
  }

  bodyOf(recordId: Uint8Array): RecordBody | 'erased' | undefined {
    return this.cache.body(recordId, () => this.storedBody(recordId))
  }

  private storedBody(recordId: Uint8Array): RecordBody | 'erased' | undefined {
    const row = this.recordRow(recordId)
    if (!row) return undefined
    const body = this.store.patientBody(row.header.patient, row.header.bodyHash)
    if (!body.ok) return body.code === 'BODY_ERASED' ? 'erased' : undefined
    return { salt: body.value.slice(0, 16), content: body.value.slice(16) }
  }

  recordRow(recordId: Uint8Array): RecordRow | undefined {
    const row = this.get(tables.record, recordId)
    return row === undefined ? undefined : decodeRecordRow(row)
  }

  attachmentOf(hash: Uint8Array): Uint8Array | undefined {
    return this.store.attachmentByHash(hash)
  }

  subRoot(table: string): Uint8Array {
    return this.tree.subRoot(table)
  }

  updateTree(writes: readonly StateWrite[]): TreeUpdate {
    return this.tree.update(writes, forgetsRows(this, writes))
  }
}
