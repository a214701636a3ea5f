// What a block changed, told without the values: for finding out why two nodes got different results from the
// same block. A report is a plain file that may leave the hospital: it names stores and transactions; keys
// are hashed as in the state tree, values with the chain's secret salt.
import {
  bytesToHex,
  concatBytes,
  decodeGenesis,
  decodeHeader,
  decodeReceipt,
  decodeResult,
  encodeResult,
  resultHash,
  type BlockResult,
} from '../../runtime/protocol/index.js'
import { decodeUndo, RewoundState, store as tables, undoOf } from '../../runtime/execution/index.js'
import type { ExecutedBlock } from '../../runtime/execution/index.js'
import { compareWrites, encodePointKey, type StateWrite } from '../../runtime/state/index.js'
import { sha256 } from '../keys/crypto.js'
import type { ChainStore } from '../store/index.js'
import { genesisNote } from './block-write.js'
import { ChainState } from './chain-state.js'

export interface WriteReport {
  version: 1
  height: number
  /** Hex, as all that follows. */
  blockHash: string
  resultHash: string
  /** What a quorum got; absent when this is it. */
  certifiedResult?: string
  /** Parts of the result, by name. */
  result: Record<string, string>
  /** In the order of execution: transaction id, and SHA-256 of its receipt. */
  receipts: { id: string; hash: string }[]
  /** Sorted by store and key. `path` and `value` as in the state tree; a null value: removed. */
  writes: { store: string; path: string; value: string | null }[]
  writesLeftOut: number
}

/** 20 MB of file; a block with the most readings writes a third of it. */
const writesMax = 100_000

const hexOf = (bytes: Uint8Array): string => bytesToHex(bytes)
const pathOf = (key: Uint8Array): string => hexOf(sha256(key))

interface ReportParts {
  height: number
  blockHash: Uint8Array
  result: BlockResult
  receipts: readonly Uint8Array[]
  writes: readonly StateWrite[]
  leafSalt: Uint8Array
}

function reportOf({ height, blockHash, result, receipts, writes, leafSalt }: ReportParts): WriteReport {
  const sorted = [...writes].sort(compareWrites).slice(0, writesMax)
  return {
    version: 1,
    height,
    blockHash: hexOf(blockHash),
    resultHash: hexOf(resultHash(sha256, encodeResult(result))),
    result: Object.fromEntries(
      Object.entries(result).map(([name, part]: [string, unknown]) => [
        name,
        part instanceof Uint8Array ? hexOf(part) : String(part),
      ]),
    ),
    receipts: receipts.map((bytes) => {
      const receipt = decodeReceipt(bytes)
      return { id: receipt.ok ? hexOf(receipt.value.transactionId) : '', hash: hexOf(sha256(bytes)) }
    }),
    writes: sorted.map(({ store, key, value }) => ({
      store,
      path: pathOf(key),
      value: value === undefined ? null : hexOf(sha256(concatBytes(leafSalt, key, value))),
    })),
    writesLeftOut: writes.length - sorted.length,
  }
}

function leafSaltOf(store: Pick<ChainStore, 'note'>): Uint8Array {
  const bytes = store.note(genesisNote)
  const genesis = bytes && decodeGenesis(bytes)
  if (!genesis?.ok) throw Object.assign(new Error('no founding document'), { code: 'STORE_DAMAGED' })
  return genesis.value.leafSalt
}

/** Of a block that was executed on the tip and not stored. Null: it is not held any more. */
export function candidateReport(
  store: Pick<ChainStore, 'note' | 'applied'>,
  candidates: ReadonlyMap<string, { executed: ExecutedBlock }>,
  blockHash: Uint8Array,
): WriteReport | null {
  const candidate = candidates.get(hexOf(blockHash))
  if (candidate === undefined) return null
  const { result, receipts, writeSet } = candidate.executed
  const height = (store.applied()?.height ?? 0) + 1
  return reportOf({
    height,
    blockHash,
    result,
    receipts,
    writes: writeSet.state,
    leafSalt: leafSaltOf(store),
  })
}

interface StoredReport {
  report: WriteReport
  /** Encoded state keys by store and path: only whoever has the store can name them. */
  keys: Map<string, Uint8Array>
}

/** Of a stored block, by the journals from the tip down to it. Undefined: they are not kept that far. */
export function storedReport(store: ChainStore, height: number): StoredReport | undefined {
  const stored = store.blockAt(height)
  const tip = store.applied()?.height ?? 0
  if (!stored || height < 1 || height < store.undoFirst()) return undefined
  const header = decodeHeader(stored.header)
  const result = decodeResult(stored.result)
  const journal = store.undoAt(height)
  if (!header.ok || !result.ok || journal === undefined) return undefined
  const after = new RewoundState(stateOf(store), height + 1)
  for (let above = tip; above > height; above -= 1) {
    const undo = store.undoAt(above)
    if (undo === undefined) return undefined
    after.addOlder(decodeUndo(undo))
  }
  const records = stored.receipts.flatMap((bytes) => {
    const receipt = decodeReceipt(bytes)
    return receipt.ok ? receipt.value.records : []
  })
  const written = [
    ...decodeUndo(journal).state,
    ...records.map((id) => ({ store: tables.record, key: encodePointKey(id), value: undefined })),
  ]
  // What `after` has at these keys; no height is -1, so nothing is left out as new.
  const writes = undoOf(after, { state: written, index: [] }, -1).state
  const blockHash = sha256(stored.header)
  const parts = { height, blockHash, result: result.value, receipts: stored.receipts, writes }
  const keys = new Map(writes.map(({ store: name, key }) => [`${name}\n${pathOf(key)}`, key]))
  return { report: reportOf({ ...parts, leafSalt: leafSaltOf(store) }), keys }
}

const noTree = (): never => {
  throw new Error('a report needs no tree')
}

const stateOf = (store: ChainStore): ChainState =>
  new ChainState(store, { subRoot: noTree, update: noTree })

// --------------------------------------------------------------------------------------------- comparison

/** `absent`: this node wrote nothing there. */
interface WriteDifference {
  store: string
  path: string
  left: string
  right: string
}

export interface ReportDifference {
  isSameBlock: boolean
  /** Names of the parts of the result that differ. */
  fields: string[]
  /** First transaction, in the order of execution, whose receipt differs. */
  transaction: { index: number; left: string; right: string } | undefined
  /** First in the order of stores and keys. */
  write: WriteDifference | undefined
  writeCount: number
}

export function compareReports(left: WriteReport, right: WriteReport): ReportDifference {
  const fields = Object.keys({ ...left.result, ...right.result }).filter(
    (name) => left.result[name] !== right.result[name],
  )
  const count = Math.max(left.receipts.length, right.receipts.length)
  const index = Array.from({ length: count }, (_, place) => place).find(
    (place) => left.receipts.at(place)?.hash !== right.receipts.at(place)?.hash,
  )
  const writes = differingWrites(left, right)
  return {
    isSameBlock: left.blockHash === right.blockHash,
    fields,
    transaction:
      index === undefined
        ? undefined
        : {
            index,
            left: left.receipts.at(index)?.id ?? 'none',
            right: right.receipts.at(index)?.id ?? 'none',
          },
    write: writes.at(0),
    writeCount: writes.length,
  }
}

function differingWrites(left: WriteReport, right: WriteReport): WriteDifference[] {
  const place = ({ store, path }: { store: string; path: string }): string => `${store}\n${path}`
  const told = ({ value }: { value: string | null }): string => value ?? 'removed'
  const ofRight = new Map(right.writes.map((write) => [place(write), told(write)]))
  const ofLeft = new Set(left.writes.map(place))
  const differing: WriteDifference[] = []
  for (const write of left.writes) {
    const other = ofRight.get(place(write)) ?? 'absent'
    if (other === told(write)) continue
    differing.push({ store: write.store, path: write.path, left: told(write), right: other })
  }
  for (const write of right.writes) {
    if (ofLeft.has(place(write))) continue
    differing.push({ store: write.store, path: write.path, left: 'absent', right: told(write) })
  }
  // By place in the tree: which key comes first is not told by a hash.
  const order = (one: string, other: string): number => (one < other ? -1 : one > other ? 1 : 0)
  return differing.sort((one, other) => order(one.store, other.store) || order(one.path, other.path))
}
