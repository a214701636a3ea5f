// Part of the thousand short seeds of every test run: network, disk, clocks, crashes, membership, no
// attackers. More of them, longer and with others: `npm run simulate` (consensus/README.md).

import t from 'tap'
import { runSeed, simDefaults } from './run.js'

t.test('three hundred short seeds without attackers', async (t) => {
  let heights = 0
  for (let seed = 1; seed <= 300; seed += 1) {
    const verdict = runSeed({ ...simDefaults, faultMs: 1_500, seed })
    heights += verdict.heights
    if (!verdict.ok) t.fail(`seed ${seed} --minutes 0.025: ${verdict.invariant} ${verdict.detail}`)
  }
  t.ok(heights > 300, `${heights} blocks`)
})
