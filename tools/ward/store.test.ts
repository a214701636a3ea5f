// `ward store` on a real node's folder: while the node runs and while it does not.
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import t from 'tap'
import { examineNode } from '../../host/appliance/doctor.js'
import type { NodeStatus } from '../../host/api/node-port.js'
import { nodeFiles, readNodeConfig } from '../../host/node/node-config.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { WardNode } from '../../host/node/ward-node.js'
import { openKeyslot, rotateDataKey } from '../../host/store/index.js'
import { bedCount, growRecordChain, RecordChain, recordChainPassword } from '../benches/record-chain.js'
import { readingsPerSet } from '../benches/vital-series.js'
import { patienceMs, temporaryFolder, ward } from './appliance.fixture.js'
import { storeLines } from './status.js'

t.setTimeout(patienceMs)

const perRound = bedCount * readingsPerSet
const rounds = 3
const emptyBlocks = 300

/** A chain of a few full blocks and many empty ones, as after a quiet night. */
async function grownNode(folder: string): Promise<number> {
  await growRecordChain({ folder, recordCount: rounds * perRound, seed: 3 })
  const dataKey = await openKeyslot(nodeFiles(folder).keyslots, recordChainPassword.slice())
  const chain = await RecordChain.open(folder, dataKey, 3)
  for (let count = 1; count <= emptyBlocks; count += 1)
    chain.addBlock([], RecordChain.startTime + 365 * 86_400_000 + count * 1_000)
  const { height } = chain
  await chain.close()
  dataKey.close()
  return height
}

async function until(
  node: WardNode,
  condition: (store: NonNullable<NodeStatus['store']>) => boolean,
): Promise<NonNullable<NodeStatus['store']>> {
  for (;;) {
    const { store } = node.status()
    if (store !== undefined && condition(store)) return store
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

t.test('a running node prunes, seals anew after a key change, and gives disk back', async (t) => {
  const { folder: home, remove } = temporaryFolder()
  t.teardown(remove)
  const folder = path.join(home, 'node')
  const height = await grownNode(folder)
  const stat = async (): Promise<{ fileBytes: number; tables: { table: string; bytes: number }[] }> => {
    const { status, stdout, stderr } = await ward(['store', 'stat', '--dir', folder, '--json'])
    t.equal(status, 0, stderr)
    return JSON.parse(stdout) as never
  }
  const bytesOf = ({ tables }: Awaited<ReturnType<typeof stat>>, table: string): number =>
    tables.find((each) => each.table === table)?.bytes ?? 0
  const before = await stat()
  t.ok(bytesOf(before, 'block') > rounds * perRound * 50, 'the blocks hold signed transactions')
  t.match(await ward(['store', 'prune', '--dir', folder, '--keep-blocks', '10']), {
    status: 2,
    stderr: /from 256 on/,
  })
  t.match(await ward(['store', 'prune', '--dir', folder, '--keep-blocks', '256']), { status: 0 })
  t.equal(readNodeConfig(folder).keepBlocks, 256)
  const plain = JSON.parse(readFileSync(nodeFiles(folder).config, 'utf8')) as object
  writeFileSync(nodeFiles(folder).config, JSON.stringify({ ...plain, heapMiB: 700 }))
  ;(await rotateDataKey(nodeFiles(folder).keyslots, recordChainPassword.slice())).close()

  const node = new WardNode(folder, createNodeLogger('store test', 'silent'))
  t.teardown(() => node.close())
  t.equal((await node.unlock(recordChainPassword.slice())).ok, true)
  const pruned = await until(node, (store) => store.pruning === null && store.resealing === null)
  t.equal(pruned.firstPayload, height + 1 - 256)
  t.equal(pruned.failure, null)
  const [heap] = pruned.heap ?? []
  t.match(heap, { thread: 'executor', isHigh: false })
  t.ok(heap.limitBytes >= 700 * 2 ** 20 && heap.limitBytes < 1_400 * 2 ** 20, 'as node.json says')
  t.match(storeLines({ ...pruned, heap: [{ ...heap, isHigh: true }] }), [
    ['store', /MiB/],
    ['HEAP', /^executor: \d+ % of .*"heapMiB" in node\.json.*\[HEAP_HIGH\]$/],
  ])
  t.match(storeLines({ ...pruned, resealing: { done: 1, total: 4 } }), [
    ['store', /MiB/],
    ['re-sealing', /25 %/],
  ])
  const failure = { code: 'RECORD_ALTERED', detail: 'record 06' }
  t.match(storeLines({ ...pruned, failure }), [['store'], ['STORE', /record 06; .* `ward doctor`/]])
  t.equal(node.status().height, height)
  const compacted = await ward(['store', 'compact', '--dir', folder])
  t.match(compacted, { status: 0, stdout: /compacted by the running node/ }, compacted.stderr)
  const after = await stat()
  t.ok(after.fileBytes < before.fileBytes, `${before.fileBytes} -> ${after.fileBytes}`)
  t.ok(bytesOf(after, 'block') < bytesOf(before, 'block') / 2)
  t.equal(bytesOf(after, 'receipts') >= bytesOf(before, 'receipts'), true, 'receipts stay')
  t.equal(node.health().healthy, true)
  await node.close()

  const report = await examineNode({ folder, password: recordChainPassword.slice() })
  t.same(report.findings, [])
  t.equal(report.prunedBelow, pruned.firstPayload)
  t.equal(report.height, height)
  t.match(await ward(['store', 'compact', '--dir', folder]), { status: 0, stdout: /while no node runs/ })
  t.match(await ward(['store', 'stat', '--dir', folder]), { status: 0, stdout: /treePage/ })
  t.match(await ward(['store', 'prune', '--dir', folder, '--keep-blocks', 'all']), { status: 0 })
  t.equal(readNodeConfig(folder).keepBlocks, undefined)
  t.same((await examineNode({ folder, password: recordChainPassword.slice() })).findings, [])

  const config = JSON.parse(readFileSync(nodeFiles(folder).config, 'utf8')) as object
  for (const wrong of [{ keepBlocks: 3 }, { heapMiB: 511 }, { heapMiB: 65_537 }, { heapMiB: '2048' }]) {
    writeFileSync(nodeFiles(folder).config, JSON.stringify({ ...config, ...wrong }))
    t.throws(() => readNodeConfig(folder), { code: 'CONFIG_MALFORMED' }, JSON.stringify(wrong))
  }
})
