// What a reader keeps over several questions, a replay's height and the patients' keys, ends by time and with
// an erasure, whether or not anybody asks again.
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { hexToBytes } from '../../runtime/protocol/index.js'
import type { Proposal } from '../api/node-port.js'
import { nodeFiles } from '../node/node-config.js'
import { createSingleNode, storePassword } from '../node/single-node.fixture.js'
import { openChainStore, openKeyslot } from '../store/index.js'
import { ReaderCore } from './reader-core.js'

t.setTimeout(600_000)
const lisa = 'a1'.repeat(16)
const finding: Proposal = {
  type: 'append',
  records: [
    {
      kind: 'finding',
      patient: lisa,
      code: 'wound-assessment',
      body: { concepts: ['redness'], site: 'abdomen', text: 'warm' },
    },
  ],
}

t.test('a replay that nobody goes on with ends by itself; an erasure ends every replay', async (t) => {
  const single = await createSingleNode()
  t.teardown(() => single.close())
  const nurse = await single.signIn('nurse')
  const { transactionId, height } = await single.sign(nurse, finding)
  const id = hexToBytes(transactionId) ?? new Uint8Array(32)
  await single.node.close()
  const dataKey = await openKeyslot(nodeFiles(single.folder).keyslots, storePassword.slice())
  const chain = nodeFiles(single.folder).chain
  const store = openChainStore(chain, dataKey)
  // No step ever has time for a journal: such a replay is always under way.
  const abandoned = new ReaderCore({ stepMs: -1, replayMsMax: 20 })
  const core = new ReaderCore({ stepMs: -1 })
  t.teardown(async () => {
    await Promise.all([abandoned.close(), core.close()])
    await store.close()
    dataKey.close()
  })
  abandoned.open(chain, dataKey.toBytes())
  t.match(abandoned.handle('replay', { id }), { state: 'working' })
  while (abandoned.pinnedCount > 0) await setTimeout(10)

  core.open(chain, dataKey.toBytes())
  t.match(core.handle('replay', { id }), { state: 'working' })
  const block = store.blockAt(height)
  const applied = store.applied()
  if (block === undefined || applied === undefined) throw new Error('no block')
  store.applyBlock({
    ...block,
    height: applied.height + 1,
    bodies: [],
    attachments: [],
    transactions: [],
    writes: { state: [], index: [] },
    pages: [],
    redo: { sequence: 0, record: undefined, dropFrom: 0, dropTo: 0 },
    stateRoot: applied.stateRoot,
    erasedPatients: [hexToBytes(lisa) ?? new Uint8Array(16)],
  })
  t.equal(core.pinnedCount, 1)
  core.forget()
  t.equal(core.pinnedCount, 0, 'the height before the erasure is let go')
  t.match(core.handle('replay', { id }), { state: 'refused', code: 'REPLAY_UNAVAILABLE' })
  t.match(core.handle('record', { id }), { record: null }, 'and it goes on reading')
})
