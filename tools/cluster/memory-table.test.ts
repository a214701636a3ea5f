// The table "Memory of a node" of consensus/README.md says what the constants say, row by row and in sum.
import { readFileSync } from 'node:fs'
import t from 'tap'
import { candidatesMax, futureBytesMax, syncBytesMax } from '../../consensus/pbft/config.js'
import { intakeBytesMax, messageBytesMax, visitorsMax } from '../../consensus/net/limits.js'
import { gossipMissedBytesMax, queueBytesMax, windowBytes } from '../../consensus/net/limits.js'
import { documentCountMax } from '../../host/api/page-cache.js'
import { batchRequestBytesMax } from '../../host/api/routes.js'
import { bufferedBytesMax, socketCountMax } from '../../host/api/subscriptions.js'
import { cachedBytesMax } from '../../host/executor/bundle-cache.js'
import { heapMiBMax, stackMiB, youngHeapMiB } from '../../host/executor/executor-client.js'
import { candidateCountMax } from '../../host/executor/executor-core.js'
import { heapMiBDefault, stackMiB as readerStackMiB } from '../../host/executor/reader-client.js'
import { rowBytesMax, rowCountMax } from '../../host/executor/row-cache.js'
import { poolLimitsDefault } from '../../host/pool/transaction-pool.js'
import { treeRedoBytesMax } from '../../host/store/tables.js'
import { attachmentBytesMax, payloadBytesMax } from '../../runtime/protocol/limits.js'
import { pageCacheBytesDefault } from '../../runtime/state/state-tree.js'
import { slackBytes } from './rogues.js'

const mib = (bytes: number): number => Math.ceil(bytes / 2 ** 20)
/** Of the ballot, the lock and the decision: they are kept beside the newest ones. */
const pinnedCandidates = 3
/** A waiting page for 64 bytes of redo records at the most: runtime/state/README.md. */
const pageBytesOfRedoByte = 18
/** `maxConnections` of host/api/server.ts. */
const requestCountMax = 256
/** A bound of secret-stream. */
const encryptedFrameBytes = 2 ** 24

/** The table of consensus/net/README.md, over the three classes. */
const connectionBytes =
  [0, 1, 2]
    .map(
      (each) =>
        Math.max(queueBytesMax[each], messageBytesMax[each]) +
        2 * (messageBytesMax[each] + windowBytes[each]),
    )
    .reduce((left, right) => left + right) +
  2 * gossipMissedBytesMax +
  intakeBytesMax +
  encryptedFrameBytes

const expected: Record<string, number> = {
  'waiting transactions': mib(poolLimitsDefault.bytesMax),
  'blocks in the core': mib((candidatesMax + pinnedCandidates + 2) * payloadBytesMax),
  'messages ahead, catch-up': mib(futureBytesMax + syncBytesMax),
  'what screens have not read': mib(socketCountMax * bufferedBytesMax),
  'applications that were opened': mib(documentCountMax * attachmentBytesMax),
  'bundles that were checked': mib(cachedBytesMax),
  'rows of the kernel': mib(rowCountMax * rowBytesMax),
  'tree pages that were read': mib(pageCacheBytesDefault),
  'tree pages that wait': mib(pageBytesOfRedoByte * treeRedoBytesMax),
  'blocks that were executed': mib(candidateCountMax * payloadBytesMax),
  'executor: heap and stack': heapMiBMax + youngHeapMiB + stackMiB,
  'reader: heap and stack': heapMiBDefault + readerStackMiB,
  'bodies of requests': mib(requestCountMax * batchRequestBytesMax),
  visitors: mib(visitorsMax * encryptedFrameBytes),
  'garbage not yet collected': mib(slackBytes),
}

t.test('the memory table of a node is that of the constants', async (t) => {
  const [, after] = readFileSync('consensus/README.md', 'utf8').split('### Memory of a node\n')
  const [section] = after.split('\n## ')
  const rows = section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, name, , value]) => [name, value.replace(' MiB', '')] as const)
  const sum = Object.values(expected).reduce((left, right) => left + right, 0)
  const whole = { ...expected, 'together, without peers': sum, 'each connection': mib(connectionBytes) }
  const named = Object.entries(whole).map(([name, value]) => [name, value.toLocaleString('en-US')])
  t.same(Object.fromEntries(rows), Object.fromEntries(named))
})
