// Real daemons on loopback, under load: killed, frozen, cut off, all killed at once, wiped, joined
// anew. Nothing acknowledged is lost, and every node tells one history. `npm run cluster` does it for hours.
import t from 'tap'
import { Cluster, promises } from './cluster.js'
import { returns, tour } from './nemesis.js'

t.setTimeout(600_000)

t.test('kill, freeze, partition, the whole site at once, wipe and rejoin', async (t) => {
  // A shared machine is slower than a hospital's; the bench `leader-failover` holds the system to 3 s.
  const patient = { failoverMs: promises.failoverMs * 4, healMs: promises.healMs * 3, restartMs: 120_000 }
  const cluster = await Cluster.start({ validators: 4, followers: true }, patient, (text) =>
    t.comment(text),
  )
  t.teardown(() => cluster.close())
  await tour(cluster)
  await returns(cluster, false)
  for (const { fault, ms, boundMs } of cluster.measured) t.ok(ms <= boundMs, `${fault}: ${ms} ms`)
  const verdict = await cluster.verdict()
  t.same(verdict.problems, [])
  t.ok(verdict.acknowledged > 50, `${verdict.acknowledged} acknowledged`)
})
