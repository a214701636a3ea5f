// Where the disk of a node goes, and giving some of it back: what of the chain store can be done without a
// password, because it looks at stored keys and copies sealed bytes only.
import { existsSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { open } from 'lmdb'
import { nodeFiles, readNodeConfig, writeNodeConfig } from '../node/node-config.js'
import { compactClosed, listKeyslots, spaceOf, StoreError, type SpaceReport } from '../store/index.js'
import { table, tableName } from '../store/tables.js'
import { ApplianceError } from './appliance-error.js'

export interface StoreSpace extends SpaceReport {
  /** Sealed records and their bytes, by table; of what is stored, without the engine's own overhead. */
  tables: { table: string; records: number; bytes: number }[]
  votesBytes: number
  /** Key epochs that the keyslot file holds, and the records of the chain store under each. */
  epochs: { epoch: number; records: number }[]
}

const chainFile = (folder: string): string => {
  const file = path.join(nodeFiles(folder).chain, 'chain.lmdb')
  if (!existsSync(nodeFiles(folder).keyslots)) throw new ApplianceError('NODE_ABSENT', folder)
  if (!existsSync(file)) throw new ApplianceError('GENESIS_UNKNOWN', folder)
  return file
}

/**
 * Then the next read transaction begins, about a tenth of a second later: a node that runs cannot use pages
 * again that a reading still holds, and its file grows instead.
 */
const recordsPerRead = 20_000

/**
 * Reads while a node runs or not; what blocks add meanwhile may be counted or not. Throws NODE_ABSENT,
 * GENESIS_UNKNOWN.
 */
export async function storeSpace(
  folder: string,
  onProgress?: (label: string, done: number, total: number) => void,
): Promise<StoreSpace> {
  const file = chainFile(folder)
  const engine = open<Buffer, Buffer>({
    path: file,
    noSubdir: true,
    pageSize: 4_096,
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly: true,
    cache: false,
  })
  try {
    const space = spaceOf(engine.getStats() as Parameters<typeof spaceOf>[0], statSync(file).size)
    const tables = new Map<string, { records: number; bytes: number }>()
    const byEpoch = new Map(listKeyslots(nodeFiles(folder).keyslots).epochs.map((epoch) => [epoch, 0]))
    let done = 0
    let next: Buffer | undefined = Buffer.alloc(1)
    while (next !== undefined) {
      let last: Buffer | undefined
      for (const { key, value } of engine.getRange({ start: next, limit: recordsPerRead })) {
        const name = tableName(key[0])
        const sum = tables.get(name) ?? { records: 0, bytes: 0 }
        tables.set(name, { records: sum.records + 1, bytes: sum.bytes + key.length + value.length })
        if (key[0] !== table.label) byEpoch.set(value[0] >>> 4, (byEpoch.get(value[0] >>> 4) ?? 0) + 1)
        done += 1
        last = key
      }
      next = last === undefined ? undefined : Buffer.concat([last, Buffer.alloc(1)])
      onProgress?.('looking at records', done, space.entryCount)
      engine.resetReadTxn()
    }
    const votes = path.join(nodeFiles(folder).votes, 'votes.lmdb')
    const votesBytes = existsSync(votes) ? statSync(votes).size : 0
    const list = [...tables].map(([name, sum]) => ({ table: name, ...sum }))
    const epochs = [...byEpoch].map(([epoch, records]) => ({ epoch, records }))
    return { ...space, tables: list.sort((left, right) => right.bytes - left.bytes), votesBytes, epochs }
  } finally {
    await engine.close()
  }
}

/** Null: all blocks. A running node follows within seconds, a stopped one when it runs again. */
export function setKeepBlocks(folder: string, keepBlocks: number | null): void {
  const { keepBlocks: _former, ...config } = readNodeConfig(folder)
  writeNodeConfig(folder, keepBlocks === null ? config : { ...config, keepBlocks })
}

export interface CompactOptions {
  onProgress?: (label: string, done: number, total: number) => void
  /** How long a running node may take, ms; it goes on by itself after that. */
  patienceMs?: number
}

/**
 * Gives free pages back to the file system: by itself where no node runs, else by asking the node for it.
 * Throws STORE_NOT_COMPACTED, STORE_FULL; the store is as it was then.
 */
export async function compactStore(
  folder: string,
  { onProgress, patienceMs = Infinity }: CompactOptions = {},
): Promise<{ before: number; after: number; byNode: boolean }> {
  const file = chainFile(folder)
  const { size: before, ino } = statSync(file)
  const copying = (): void => {
    const copy = `${file}.compact`
    onProgress?.('compacting', existsSync(copy) ? statSync(copy).size : 0, before)
  }
  const timer = setInterval(copying, 500)
  try {
    const byNode = await isHeld(() => compactClosed(nodeFiles(folder).chain, 'chain'))
    if (byNode) await askNode(nodeFiles(folder).compact, patienceMs)
    if (statSync(file).ino === ino) throw new ApplianceError('STORE_NOT_COMPACTED')
    return { before, after: statSync(file).size, byNode }
  } finally {
    clearInterval(timer)
  }
}

async function isHeld(work: () => Promise<void>): Promise<boolean> {
  try {
    await work()
    return false
  } catch (error) {
    if (error instanceof StoreError && error.code === 'STORE_LOCKED') return true
    throw error
  }
}

async function askNode(request: string, patienceMs: number): Promise<void> {
  writeFileSync(request, '')
  const end = performance.now() + patienceMs
  while (existsSync(request)) {
    if (performance.now() > end)
      throw new ApplianceError('STORE_NOT_COMPACTED', 'the node has not got to it yet')
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}
