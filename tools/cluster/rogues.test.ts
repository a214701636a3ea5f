// Memory of real daemons is bounded with one peer that never reads and one that floods, and readings of
// others become final meanwhile. `npm run bench -- memory-bound` measures it for longer.
import t from 'tap'
import { createBareNetwork } from '../benches/load.js'
import { perPeerBytesMax, runRogues, slackBytes } from './rogues.js'

t.setTimeout(600_000)

t.test('a deaf peer and a flooding one cost what the bound says', async (t) => {
  const load = await createBareNetwork(1, { validators: 4, followers: true }, () => () => ({}))
  t.teardown(() => load.close())
  const report = await runRogues(load, await load.enrolPoor(), 6)
  const { calmBytes, rogueBytes, calmMs, rogueMs, flooded } = report
  t.comment(JSON.stringify({ ...report, calmMs: calmMs.length, rogueMs: rogueMs.length }))
  t.ok(flooded > 100, `${flooded} frames`)
  t.ok(rogueBytes <= calmBytes + 2 * perPeerBytesMax + slackBytes, `${rogueBytes} after ${calmBytes}`)
  t.ok(rogueMs.length > 0, 'readings of others become final meanwhile')
})
