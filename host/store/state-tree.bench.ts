// `state-tree`: updates of random keys on sealed LMDB, blocks of 2,000, one core. Run time is from write
// set to committed transaction: hashing, sealing and the synced commit of state values and tree pages.
import { join } from 'node:path'
import { StateTree, encodePointKey, type StateWrite } from '../../runtime/state/index.js'
import { openChainStore, createKeyslotFile, type BlockWrite } from './index.js'
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

function block(height: number, writes: StateWrite[], tree: StateTree, withValues: boolean): BlockWrite {
  const update = tree.update(writes)
  const empty = new Uint8Array(0)
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
    stateRoot: update.root,
  }
}

async function run(keyCount: number, perBlock: number, blockCount: number): Promise<BenchLine[]> {
  const { folder, remove } = temporaryFolder()
  const dataKey = await createKeyslotFile(join(folder, 'keyslots'), password, { cost: testCost })
  const store = openChainStore(folder, dataKey)
  try {
    const tree = StateTree.open(store, createScratchHash(), leafSalt)
    let height = 0
    const random = createRandom(7)
    for (let from = 0; from < keyCount; from += 20_000) {
      const writes: StateWrite[] = []
      for (let number = from; number < Math.min(keyCount, from + 20_000); number += 1) {
        writes.push({
          store: '$record',
          key: keyOf(number),
          value: new Uint8Array(valueBytes).fill(number),
        })
      }
      const update = tree.update(writes)
      store.applyBlock({ ...block(height, writes, tree, true), pages: update.pageWrites })
      tree.accept(update)
      height += 1
    }
    const timings = { root: [] as number[], treeOnly: [] as number[], all: [] as number[] }
    for (let count = 0; count < 2 * blockCount; count += 1) {
      const withValues = count % 2 === 1
      const numbers = new Set<number>()
      while (numbers.size < perBlock) numbers.add(random() % keyCount)
      const writes = [...numbers].map((number) => ({
        store: '$record',
        key: keyOf(number),
        value: new Uint8Array(valueBytes).fill(count + number),
      }))
      const start = performance.now()
      const update = tree.update(writes)
      const hashed = performance.now()
      const empty = new Uint8Array(0)
      store.applyBlock({
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
        stateRoot: update.root,
      })
      tree.accept(update)
      height += 1
      const end = performance.now()
      timings.root.push(hashed - start)
      timings[withValues ? 'all' : 'treeOnly'].push(end - start)
    }
    const input = `${keyCount} keys, ${perBlock} a block, ${valueBytes} B values, sealed LMDB`
    const rate = (ms: number): number => Math.round((perBlock / ms) * 1_000)
    const line = (name: string, list: number[], what: string): BenchLine => ({
      name,
      value: rate(median(list)),
      unit: 'updates/s',
      p50: Number(median(list).toFixed(2)),
      p99: Number(percentile(list, 0.99).toFixed(2)),
      input: `${input}; ${what}; p50 and p99 in ms a block`,
    })
    return [
      line('state-tree', timings.treeOnly, 'tree: hash, seal, synced commit'),
      line('state-tree-with-values', timings.all, 'tree and state values'),
      line('state-tree-root', timings.root, 'root only, before the votes'),
    ]
  } finally {
    await store.close()
    dataKey.close()
    remove()
  }
}

export const benches: Bench[] = [
  {
    name: 'state-tree',
    run: async () => {
      const lines = await run(100_000, 2_000, 20)
      if (process.env['WARD_BENCH_LARGE'] === '1') lines.push(...(await run(1_000_000, 2_000, 20)))
      return lines
    },
  },
]
