// Part of the thousand short seeds of every test run: network, disk, clocks, crashes, membership, no
// attackers. More of them, longer and with others: `npm run simulate` (consensus/README.md).

import t from 'tap'
import { faultIds, nodeFaultIds } from './faults.js'
import { runSeed, simDefaults } from './run.js'

t.test('three hundred short seeds without attackers', async (t) => {
  let heights = 0
  // F35 has a mode of its own (seeds-modes.test.ts).
  const silent = new Set<string>(faultIds.filter((id) => id !== 'F35' && !nodeFaultIds.includes(id)))
  for (let seed = 1; seed <= 300; seed += 1) {
    const verdict = runSeed({ ...simDefaults, faultMs: 1_500, seed })
    heights += verdict.heights
    for (const id of Object.keys(verdict.faults)) silent.delete(id)
    if (!verdict.ok) t.fail(`seed ${seed} --minutes 0.025: ${verdict.invariant} ${verdict.detail}`)
  }
  t.ok(heights > 300, `${heights} blocks`)
  t.same([...silent], [], 'each fault of the catalogue without attackers happened')
})
