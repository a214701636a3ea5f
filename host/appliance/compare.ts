// `ward doctor --compare`: why do two nodes not have the same results? Both are stopped. Each gives either
// the report that it kept when it stopped for a divergence, or what its store says of the same block.
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { equalBytes } from '../../runtime/protocol/index.js'
import {
  compareReports,
  storedReport,
  type ReportDifference,
  type WriteReport,
} from '../executor/write-report.js'
import { nodeFiles } from '../node/node-config.js'
import { openChainStore, openKeyslot, StoreError, type ChainStore } from '../store/index.js'
import { ApplianceError } from './appliance-error.js'

export interface CompareOptions {
  /** Folder of the node at hand. */
  folder: string
  /** Folder of another node, or the report of one. */
  other: string
  /** Store passwords; whoever gave them zeroes them. Asked only when a store has to be opened. */
  passwordOf: (folder: string) => Promise<Uint8Array>
}

export interface Comparison extends ReportDifference {
  height: number
  isSame: boolean
  left: WriteReport
  right: WriteReport
  /** Hex of the encoded state key of `write`, when one of the two stores could name it. */
  key: string | undefined
}

/** Null: both have the same result at every height that both have. */
export async function compareNodes(options: CompareOptions): Promise<Comparison | null> {
  const { folder, other } = options
  const own = divergenceOf(folder)
  if (!existsSync(other)) throw new ApplianceError('REPORT_UNUSABLE', `${other} does not exist`)
  const isReport = statSync(other).isFile()
  const told = isReport ? readReport(other) : divergenceOf(other)
  if (told !== undefined && own?.height === told.height) return comparisonOf(own, told)
  if (told !== undefined) {
    return withStore(folder, options, (store) => comparisonOf(stored(store, told.height), told))
  }
  if (own !== undefined) {
    return withStore(other, options, (store) => comparisonOf(own, stored(store, own.height)))
  }
  return withStore(folder, options, (left) =>
    withStore(other, options, (right) => {
      const height = firstDifference(left, right)
      if (height === undefined) return null
      return comparisonOf(stored(left, height), stored(right, height))
    }),
  )
}

type Side = WriteReport | { report: WriteReport; keys: Map<string, Uint8Array> }

function comparisonOf(one: Side, other: Side): Comparison {
  const [left, right] = [one, other].map((side) => ('report' in side ? side.report : side))
  const difference = compareReports(left, right)
  const { write } = difference
  const name = write && `${write.store}\n${write.path}`
  const keys = [one, other].flatMap((side) => ('keys' in side && name ? [side.keys.get(name)] : []))
  const key = keys.find((found) => found !== undefined)
  return {
    ...difference,
    height: left.height,
    isSame: left.resultHash === right.resultHash && left.blockHash === right.blockHash,
    left,
    right,
    key: key && Buffer.from(key).toString('hex'),
  }
}

function stored(store: ChainStore, height: number): Side {
  const found = storedReport(store, height)
  if (found) return found
  const tip = store.applied()?.height ?? 0
  throw new ApplianceError(
    'REPORT_UNUSABLE',
    `it is of block ${height}; this store is at ${tip} and keeps what blocks changed from ${store.undoFirst()} on`,
  )
}

/** Lowest height of both at which stored results differ, by halving: what differs once differs for good. */
function firstDifference(left: ChainStore, right: ChainStore): number | undefined {
  const isSame = (height: number): boolean => {
    const [one, other] = [left.blockAt(height), right.blockAt(height)]
    return one !== undefined && other !== undefined && equalBytes(one.header, other.header)
      ? equalBytes(one.result, other.result)
      : false
  }
  let high = Math.min(left.applied()?.height ?? 0, right.applied()?.height ?? 0)
  if (isSame(high)) return undefined
  // A node that came by a snapshot, or that pruned, has no blocks below its first one.
  let low = Math.max(left.firstBlock(), right.firstBlock(), 1) - 1
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2)
    if (isSame(middle)) low = middle
    else high = middle
  }
  return high
}

async function withStore<T>(
  folder: string,
  { passwordOf }: CompareOptions,
  work: (store: ChainStore) => T | Promise<T>,
): Promise<T> {
  const files = nodeFiles(folder)
  const isFounded = existsSync(files.keyslots) && existsSync(path.join(files.chain, 'chain.lmdb'))
  if (!isFounded) throw new ApplianceError('NODE_ABSENT', folder)
  const dataKey = await openKeyslot(files.keyslots, await passwordOf(folder))
  try {
    const store = openStopped(files.chain, dataKey)
    try {
      return await work(store)
    } finally {
      await store.close()
    }
  } finally {
    dataKey.close()
  }
}

function openStopped(...[folder, dataKey]: Parameters<typeof openChainStore>): ChainStore {
  try {
    return openChainStore(folder, dataKey)
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== 'STORE_LOCKED') throw error
    throw new ApplianceError('NODE_RUNNING', error.message, error)
  }
}

function divergenceOf(folder: string): WriteReport | undefined {
  const file = nodeFiles(folder).divergence
  return existsSync(file) ? readReport(file) : undefined
}

function readReport(file: string): WriteReport {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as WriteReport
    const isOne = report.version === 1 && Number.isSafeInteger(report.height)
    if (isOne && Array.isArray(report.writes) && Array.isArray(report.receipts)) return report
  } catch {
    // Said below.
  }
  throw new ApplianceError('REPORT_UNUSABLE', `${file} is not a report of a divergence`)
}
