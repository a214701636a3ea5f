// Memory of real daemons is bounded with one peer that never reads and one that floods, and every reading of
// others becomes final meanwhile, at whichever validator. What is refused is the
// flooder's alone. `npm run bench -- memory-bound` measures it for longer, and how long the readings take.
import t from 'tap'
import { createBareNetwork } from '../benches/load.js'
import { perPeerBytesMax, runRogues, slackBytes } from './rogues.js'

t.setTimeout(600_000)

/** Of the honest device, in turn at each validator. */
const readings = 8

t.test('a deaf peer and a flooding one cost what the bound says', async (t) => {
  const load = await createBareNetwork(1, { validators: 4, followers: true }, () => () => ({}))
  t.teardown(() => load.close())
  const report = await runRogues(load, await load.enrolPoor(), 6, readings)
  const { calmBytes, rogueBytes, calmMs, rogueMs, flooded, floodedMeanwhile, honestRefused, refusedOf } =
    report
  t.comment(JSON.stringify({ ...report, calmMs: calmMs.length, rogueMs: rogueMs.length }))
  t.ok(flooded > 100, `${flooded} frames`)
  t.ok(rogueBytes <= calmBytes + 2 * perPeerBytesMax + slackBytes, `${rogueBytes} after ${calmBytes}`)
  t.ok(floodedMeanwhile > readings, `${floodedMeanwhile} frames beside the readings of others`)
  t.ok(rogueMs.length >= readings, `${rogueMs.length} readings of others became final meanwhile`)
  t.same(honestRefused, [], 'not one of them was refused or lost')
  t.same(Object.keys(refusedOf), ['gateway'], 'what was refused came of the flooder alone')
  t.ok(refusedOf['gateway'] > 16, 'and was counted')
})
