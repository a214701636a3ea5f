// Part of the thousand short seeds of every test run: attackers, twins, seven
// validators.

import t from 'tap'
import { nodeFaultIds } from './faults.js'
import { runSeed, simDefaults } from './run.js'

const short = { ...simDefaults, faultMs: 1_500 }

t.test('two hundred and fifty seeds with attackers, a hundred with twins, fifty with seven', async (t) => {
  const runs = [
    ...Array.from({ length: 250 }, (_, at) => ({ ...short, seed: at + 1, byzantine: true })),
    ...Array.from({ length: 100 }, (_, at) => ({ ...short, seed: at + 1, twins: true })),
    ...Array.from({ length: 50 }, (_, at) => ({ ...short, seed: at + 1, byzantine: true, validators: 7 })),
  ]
  const silent = new Set<string>(nodeFaultIds)
  for (const options of runs) {
    const verdict = runSeed(options)
    for (const id of Object.keys(verdict.faults)) silent.delete(id)
    const flags = `${options.byzantine ? '--byzantine' : '--twins'} --validators ${options.validators}`
    if (!verdict.ok) {
      t.fail(`seed ${options.seed} ${flags} --minutes 0.025: ${verdict.invariant} ${verdict.detail}`)
    }
  }
  t.equal(runs.length, 400)
  t.same([...silent], [], 'each attack of the catalogue happened')
})
