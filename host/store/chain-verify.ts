// Offline check of a chain store: every seal, every tree page against the root, every state record against
// its leaf, every block's chain of records. It changes nothing and goes on after a finding, so that one
// run names all damage.
import { StateTree, type StateTreeOptions } from '../../runtime/state/index.js'
import { patientBytes } from '../../runtime/protocol/record.js'
import type { Hash } from '../../runtime/protocol/hash.js'
import type { ChainStore } from './chain-store.js'
import { bodySealed } from './chain-reads.js'
import { splitStateKey } from './path-index.js'
import { StoreError } from './store-error.js'
import { chainTables, table, tableName, type TableId, type TableName } from './tables.js'

export interface Finding {
  table: TableName | 'unknown'
  /** Hex of the stored key, or empty when the finding is about a whole table. */
  storedKey: string
  code: string
  message: string
}

export interface VerifyProgress {
  table: TableName | 'unknown'
  /** Records of this table checked so far. */
  checked: number
}

export interface VerifyReport {
  height: number
  recordCounts: Partial<Record<TableName, number>>
  /** Records by key epoch: an epoch without records can be dropped. */
  epochCounts: number[]
  stateRoot: Uint8Array
  /** False: the tree did not open, a finding says why, and `stateRoot` is none. */
  isTreeOpen: boolean
  findings: Finding[]
}

export interface VerifyOptions {
  hash: Hash
  leafSalt: Uint8Array
  tree?: StateTreeOptions
  onProgress?: (progress: VerifyProgress) => void
  /**
   * Checks one block beyond its seal (hashes, certificate); a text names what is wrong. The host knows the
   * formats.
   */
  checkBlock?: (block: NonNullable<ReturnType<ChainStore['blockAt']>>) => string | undefined
  findingCountMax?: number
}

const progressEvery = 1_000

export function verifyChainStore(store: ChainStore, options: VerifyOptions): VerifyReport {
  const check = new Verification(store, options)
  for (const id of chainTables) check.table(id)
  check.tree()
  check.blocks()
  return check.report
}

class Verification {
  readonly report: VerifyReport
  readonly #store: ChainStore
  readonly #options: VerifyOptions
  #stateRecords = new Map<string, number>()

  constructor(store: ChainStore, options: VerifyOptions) {
    this.#store = store
    this.#options = options
    this.report = {
      height: -1,
      recordCounts: {},
      epochCounts: [],
      stateRoot: new Uint8Array(32),
      isTreeOpen: false,
      findings: [],
    }
  }

  /** Opens every record of a table; state records are kept in count for the comparison with the tree. */
  table(id: TableId): void {
    const name = tableName(id)
    const sealer = this.#store.environment.sealer(id)
    let checked = 0
    try {
      for (const { storedKey, record } of this.#store.environment.range(
        Buffer.from([id]),
        Buffer.from([id + 1]),
      )) {
        checked += 1
        if (checked % progressEvery === 0) this.#options.onProgress?.({ table: name, checked })
        this.#attempt(id, storedKey, () => {
          const { trueKey, value } = sealer.openEntry(storedKey, record)
          const epoch = sealer.epochOf(record)
          this.report.epochCounts[epoch] = (this.report.epochCounts[epoch] ?? 0) + 1
          if (id === table.statePoint || id === table.stateOrdered) this.#countState(trueKey)
          if (id === table.body && value[0] === bodySealed) this.#openBody(trueKey)
        })
      }
    } catch (error) {
      this.#find(id, '', error)
    }
    if (name !== 'unknown') this.report.recordCounts[name] = checked
    this.#options.onProgress?.({ table: name, checked })
  }

  /** The tree opens, has the applied root, and agrees with every state record; none is missing. */
  tree(): void {
    this.#attempt(table.meta, undefined, () => {
      this.report.height = this.#store.applied()?.height ?? -1
    })
    this.#attempt(table.treePage, undefined, () => {
      const tree = StateTree.open(
        this.#store,
        this.#options.hash,
        this.#options.leafSalt,
        this.#options.tree,
      )
      this.report.stateRoot = tree.root
      this.report.isTreeOpen = true
      const applied = this.#store.applied()
      if (applied !== undefined && Buffer.compare(applied.stateRoot, tree.root) !== 0) {
        throw new StoreError('STORE_DAMAGED', 'the tree pages do not give the applied state root')
      }
      for (const store of new Set([...tree.stores(), ...this.#stateRecords.keys()])) {
        const [leaves, records] = [tree.leafCount(store), this.#stateRecords.get(store) ?? 0]
        if (leaves !== records) {
          throw new StoreError(
            'STORE_DAMAGED',
            `a store has ${records} records and ${leaves} leaves in the tree`,
          )
        }
      }
      this.#compareState(tree)
    })
  }

  #compareState(tree: StateTree): void {
    for (const id of [table.statePoint, table.stateOrdered]) {
      const sealer = this.#store.environment.sealer(id)
      for (const { storedKey, record } of this.#store.environment.range(
        Buffer.from([id]),
        Buffer.from([id + 1]),
      )) {
        this.#attempt(id, storedKey, () => {
          const { trueKey, value } = sealer.openEntry(storedKey, record)
          const { store, key } = splitStateKey(trueKey)
          if (!tree.agrees(store, key, value)) {
            throw new StoreError('RECORD_ALTERED', 'a state record is not the one that the root commits to')
          }
        })
      }
    }
  }

  /** Every height up to the applied one is there, and passes the host's own check. */
  blocks(): void {
    const first = this.#firstBlock()
    for (let height = first; height <= this.report.height; height += 1) {
      if (height % progressEvery === 0) this.#options.onProgress?.({ table: 'block', checked: height })
      this.#attempt(table.block, undefined, () => {
        const block = this.#store.blockAt(height)
        if (block === undefined) throw new StoreError('STORE_DAMAGED', `block ${height} is missing`)
        const wrong = this.#options.checkBlock?.(block)
        if (wrong !== undefined) throw new StoreError('RECORD_ALTERED', `block ${height}: ${wrong}`)
      })
    }
  }

  /** By the note; where it, or what lies beside its place, is damaged: the lowest that is here. */
  #firstBlock(): number {
    try {
      return this.#store.firstBlock()
    } catch (error) {
      this.#find(table.note, '', error)
    }
    const [start, end] = [Buffer.from([table.block]), Buffer.from([table.block + 1])]
    for (const { storedKey } of this.#store.environment.range(start, end, { isVouchedFor: true, limit: 1 }))
      return Number(storedKey.readBigUInt64BE(1))
    return 0
  }

  #countState(trueKey: Uint8Array): void {
    const { store } = splitStateKey(trueKey)
    this.#stateRecords.set(store, (this.#stateRecords.get(store) ?? 0) + 1)
  }

  #openBody(trueKey: Uint8Array): void {
    const read = this.#store.patientBody(trueKey.subarray(0, patientBytes), trueKey.subarray(patientBytes))
    if (!read.ok && read.code === 'BODY_ABSENT')
      throw new StoreError('STORE_DAMAGED', 'a listed body is absent')
  }

  #attempt(id: TableId, storedKey: Uint8Array | undefined, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#find(id, storedKey === undefined ? '' : Buffer.from(storedKey).toString('hex'), error)
    }
  }

  #find(id: TableId, storedKey: string, error: unknown): void {
    if (this.report.findings.length >= (this.#options.findingCountMax ?? 1_000)) return
    const { code, message } = error as { code?: string; message: string }
    this.report.findings.push({ table: tableName(id), storedKey, code: code ?? 'STORE_DAMAGED', message })
  }
}
