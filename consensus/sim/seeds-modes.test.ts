// The other modes of the simulator, in every test run: a bounded twins sweep, recovery, a tree of
// observers.

import t from 'tap'
import { runAccountability } from './accountability.js'
import { runObserverTree } from './observer-tree.js'
import { runRecovery } from './recovery.js'
import { runTwinScenario, twinScenarioCount } from './twins-sweep.js'

t.test('a bounded sweep of the twin scenarios', async (t) => {
  let count = 0
  for (let number = 5; number < twinScenarioCount; number += 211) {
    const verdict = runTwinScenario(number)
    count += 1
    if (!verdict.ok) t.fail(`scenario ${number}: ${verdict.invariant} ${verdict.detail}`)
  }
  t.ok(count > 120, `${count} scenarios`)
})

t.test('more than f validators are lost, and the institution recovers (F35, L8)', async (t) => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const verdict = runRecovery(seed)
    t.ok(verdict.ok, `recovery ${seed}: ${verdict.invariant} ${verdict.detail}`)
    t.ok((verdict.faults.F35 ?? 0) >= 3, 'validators were lost and came back')
  }
})

t.test('f + 1 liars make a fork: the messages prove who, and accuse nobody else (S1, S16)', async (t) => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const verdict = runAccountability(seed)
    t.ok(verdict.ok, `accountability ${seed}: ${verdict.invariant} ${verdict.detail}`)
    t.equal(verdict.faults.F30 === undefined, false, 'two honest nodes finalized different blocks')
  }
})

t.test('a hundred observers in two levels: relays die and hold blocks back (F36, L7, S14)', async (t) => {
  const verdict = runObserverTree({ seed: 1, observers: 100 })
  t.ok(verdict.ok, `${verdict.invariant} ${verdict.detail}`)
  t.ok(verdict.switches > 0, 'somebody left an upstream that withheld')
  t.ok(verdict.fanOutMax <= 32)
})
