// `state-tree`: updates of random keys on sealed LMDB, blocks of 2,000, one core. Run time is from write
// set to committed transaction: hashing, sealing and the synced commit of state values and tree pages.
import { join } from 'node:path'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { StateTree, encodePointKey, type StateWrite, type TreeUpdate } from '../../runtime/state/index.js'
import { openChainStore, createKeyslotFile, treeRedoBytesMax, type BlockWrite } from './index.js'
import { leafSalt, password, temporaryFolder, testCost } from './chain-store.fixture.js'
import { createScratchHash } from './sodium.js'
import { median, percentile, type Bench, type BenchLine } from './bench.fixture.js'

const valueBytes = 100

function keyOf(number: number): Uint8Array {
  const key = new Uint8Array(16)
  new DataView(key.buffer).setUint32(12, number)
  return encodePointKey(key)
}

/** xorshift32: the same keys in every run. */
function createRandom(seed: number): () => number {
  let state = seed
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const empty = new Uint8Array(0)

function blockOf(
  height: number,
  writes: StateWrite[],
  update: TreeUpdate,
  withValues: boolean,
): BlockWrite {
  return {
    height,
    header: empty,
    payload: empty,
    result: empty,
    certificate: empty,
    receipts: [],
    bodies: [],
    attachments: [],
    transactions: [],
    writes: { state: withValues ? writes : [], index: [] },
    pages: update.pageWrites,
    redo: update.redo,
    stateRoot: update.root,
  }
}

const writeOf = (number: number, fill: number): StateWrite => ({
  store: '$record',
  key: keyOf(number),
  value: new Uint8Array(valueBytes).fill(fill),
})

interface Timings {
  root: number[]
  treeOnly: number[]
  all: number[]
  /** CPU of this process, ms: says more than the clock on a busy machine. */
  cpu: number[]
  openMs: number
}

async function measure(keyCount: number, perBlock: number, blockCount: number): Promise<Timings> {
  const { folder, remove } = temporaryFolder()
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  let store = openChainStore(folder, dataKey)
  const timings: Timings = { root: [], treeOnly: [], all: [], cpu: [], openMs: 0 }
  try {
    const tree = StateTree.open(store, createScratchHash(), leafSalt, { redoBytesMax: treeRedoBytesMax })
    let height = 0
    const apply = (writes: StateWrite[], withValues: boolean): void => {
      const cpuBefore = process.cpuUsage()
      const start = performance.now()
      const update = tree.update(writes)
      timings.root.push(performance.now() - start)
      store.applyBlock(blockOf(height, writes, update, withValues))
      tree.accept(update)
      timings[withValues ? 'all' : 'treeOnly'].push(performance.now() - start)
      const { user, system } = process.cpuUsage(cpuBefore)
      if (!withValues) timings.cpu.push((user + system) / 1_000)
      height += 1
    }
    for (let from = 0; from < keyCount; from += 20_000) {
      const count = Math.min(20_000, keyCount - from)
      apply(
        Array.from({ length: count }, (_, index) => writeOf(from + index, index)),
        true,
      )
    }
    const random = createRandom(7)
    Object.assign(timings, { root: [], treeOnly: [], all: [], cpu: [] })
    for (let count = 0; count < 2 * blockCount; count += 1) {
      const numbers = new Set<number>()
      while (numbers.size < perBlock) numbers.add(random() % keyCount)
      apply(
        [...numbers].map((number) => writeOf(number, count + number)),
        count % 2 === 1,
      )
    }
    await store.close()
    const start = performance.now()
    store = openChainStore(folder, dataKey)
    const reopened = StateTree.open(store, createScratchHash(), leafSalt, {
      redoBytesMax: treeRedoBytesMax,
    })
    timings.openMs = performance.now() - start
    if (Buffer.compare(reopened.root, tree.root) !== 0) throw new Error('another root after reopening')
    return timings
  } finally {
    await store.close()
    dataKey.close()
    remove()
  }
}

async function run(keyCount: number, perBlock: number, blockCount: number): Promise<BenchLine[]> {
  const timings = await measure(keyCount, perBlock, blockCount)
  const input = `${keyCount} keys, ${perBlock} a block, ${valueBytes} B values, sealed LMDB`
  const line = (name: string, list: number[], what: string): BenchLine => ({
    name,
    value: Math.round((perBlock / median(list)) * 1_000),
    unit: 'updates/s',
    p50: Number(median(list).toFixed(2)),
    p99: Number(percentile(list, 0.99).toFixed(2)),
    input: `${input}; ${what}; p50 and p99 in ms a block`,
  })
  return [
    line('state-tree', timings.treeOnly, 'tree: hash, seal, synced commit'),
    {
      name: 'state-tree-cpu',
      value: Math.round((perBlock / median(timings.cpu)) * 1_000),
      unit: 'updates per second of CPU',
      p50: Number(median(timings.cpu).toFixed(2)),
      input: `${input}; tree as above; p50 in ms of CPU a block`,
    },
    line('state-tree-with-values', timings.all, 'tree and state values'),
    line('state-tree-root', timings.root, 'root only, before the votes'),
    {
      name: 'state-tree-open',
      value: Math.round(timings.openMs),
      unit: 'ms',
      input: `${input}; store and tree`,
    },
  ]
}

/** As the thread that owns the tree in a node (`host/executor/executor-client.ts`). */
const youngHeapMiB = 96

/** `run` in a thread with the young heap of a node's executor: what a block makes dies young there. */
async function runInThread(keyCount: number): Promise<BenchLine[]> {
  const worker = new Worker(new URL(import.meta.url), {
    workerData: keyCount,
    resourceLimits: { maxYoungGenerationSizeMb: youngHeapMiB, maxOldGenerationSizeMb: 4_096 },
  })
  const lines = await new Promise<BenchLine[]>((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
  await worker.terminate()
  return lines
}

if (!isMainThread) parentPort?.postMessage(await run(workerData as number, 2_000, 20))

export const benches: Bench[] = [
  {
    name: 'state-tree',
    run: async () => {
      const lines = await runInThread(100_000)
      if (process.env['WARD_BENCH_LARGE'] === '1') lines.push(...(await runInThread(1_000_000)))
      return lines
    },
  },
]
