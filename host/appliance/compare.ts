// `ward doctor --compare`: why do two nodes not have the same results? Both are stopped. Each gives the
// report that it kept when it stopped for a divergence, as long as it stands there, or what its store says of
// the same block. A report in a plain file was written by `ward doctor --report`.
import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { equalBytes } from '../../runtime/protocol/index.js'
import {
  compareReports,
  storedReport,
  type ReportDifference,
  type WriteReport,
} from '../executor/write-report.js'
import { divergenceFiles } from '../node/divergence-file.js'
import { nodeFiles } from '../node/node-config.js'
import {
  openChainStore,
  openKeyslot,
  readSealedFile,
  StoreError,
  type ChainStore,
  type DataKey,
} from '../store/index.js'
import { ApplianceError } from './appliance-error.js'

export interface CompareOptions {
  /** Folder of the node at hand. */
  folder: string
  /** Folder of another node, or the report of one. */
  other: string
  /** Store passwords; whoever gave them zeroes them. */
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
  if (!existsSync(other)) throw new ApplianceError('REPORT_UNUSABLE', `${other} does not exist`)
  const told = statSync(other).isFile() ? readReport(other) : undefined
  return withNode(folder, options, (left) => {
    if (told !== undefined) return comparisonOf(sideAt(left, told.height), told)
    return withNode(other, options, (right) => {
      // A node that stopped has nothing above: the lower block is the one that both have.
      const stoppedAt = [left, right].flatMap(({ own }) => (own ? [own.height] : []))
      const height =
        stoppedAt.length > 0 ? Math.min(...stoppedAt) : firstDifference(left.store, right.store)
      return height === undefined ? null : comparisonOf(sideAt(left, height), sideAt(right, height))
    })
  })
}

/** What a node kept of its last divergence, as text of a file for `--compare` at another place. */
export async function divergenceReport(
  folder: string,
  passwordOf: CompareOptions['passwordOf'],
): Promise<string> {
  if (!existsSync(nodeFiles(folder).keyslots)) throw new ApplianceError('NODE_ABSENT', folder)
  const [newest] = divergenceFiles(folder)
  if (newest === undefined) throw new ApplianceError('REPORT_UNUSABLE', `${folder} never stopped for one`)
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, await passwordOf(folder))
  try {
    return `${JSON.stringify(readSealedReport(newest, dataKey))}\n`
  } finally {
    dataKey.close()
  }
}

interface OpenNode {
  store: ChainStore
  /** Of the block at which it stands still; a node that got past its divergence has a store to ask. */
  own: WriteReport | undefined
}

const sideAt = ({ store, own }: OpenNode, height: number): Side =>
  own?.height === height ? own : stored(store, height)

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

async function withNode<T>(
  folder: string,
  { passwordOf }: CompareOptions,
  work: (node: OpenNode) => T | Promise<T>,
): Promise<T> {
  const files = nodeFiles(folder)
  const isFounded = existsSync(files.keyslots) && existsSync(path.join(files.chain, 'chain.lmdb'))
  if (!isFounded) throw new ApplianceError('NODE_ABSENT', folder)
  const dataKey = await openKeyslot(files.keyslots, await passwordOf(folder))
  try {
    const store = openStopped(files.chain, dataKey)
    try {
      const [newest] = divergenceFiles(folder)
      const kept = newest === undefined ? undefined : readSealedReport(newest, dataKey)
      const isStuck = kept !== undefined && kept.height > (store.applied()?.height ?? 0)
      return await work({ store, own: isStuck ? kept : undefined })
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

function readSealedReport(file: string, dataKey: DataKey): WriteReport {
  return reportOf(file, Buffer.from(readSealedFile(file, dataKey) ?? []).toString('utf8'))
}

const readReport = (file: string): WriteReport => reportOf(file, readFileSync(file, 'utf8'))

function reportOf(file: string, text: string): WriteReport {
  try {
    const report = JSON.parse(text) as WriteReport
    const isOne = report.version === 1 && Number.isSafeInteger(report.height)
    if (isOne && Array.isArray(report.writes) && Array.isArray(report.receipts)) return report
  } catch {
    // Said below.
  }
  throw new ApplianceError('REPORT_UNUSABLE', `${file} is not a report of a divergence`)
}
