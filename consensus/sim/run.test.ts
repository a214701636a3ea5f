// A few seeds of each kind on every test run; `npm run simulate` runs many more.

import t from 'tap'
import { faultIds } from './faults.js'
import { runSeed, simDefaults } from './run.js'
import { runTwinScenario, twinScenarioCount } from './twins-sweep.js'

const short = { ...simDefaults, faultMs: 4_000 }

t.test('plain faults: safety always, progress after healing', async (t) => {
  let reads = 0
  for (let seed = 1; seed <= 12; seed += 1) {
    const verdict = runSeed({ ...short, seed })
    t.ok(verdict.ok, `seed ${seed}: ${verdict.invariant} ${verdict.detail}`)
    t.ok(verdict.heights > 0, 'blocks were made')
    reads += verdict.linearizableReads
  }
  t.ok(reads > 120, `${reads} linearizable reads were answered (R29)`)
})

t.test('Byzantine nodes and twins, four and seven validators', async (t) => {
  let copies = 0
  for (let seed = 1; seed <= 6; seed += 1) {
    const attacked = runSeed({ ...short, seed, byzantine: true })
    t.ok(attacked.ok, `byzantine ${seed}: ${attacked.invariant} ${attacked.detail}`)
    const twins = runSeed({ ...short, seed, twins: true })
    t.ok(twins.ok, `twins ${seed}: ${twins.invariant} ${twins.detail}`)
    copies += twins.faults.F30 ?? 0
  }
  t.ok(copies > 0, 'both copies of a key spoke at one place')
  const seven = runSeed({ ...short, seed: 3, validators: 7, byzantine: true })
  t.ok(seven.ok, `${seven.invariant} ${seven.detail}`)
})

t.test('seeds that once failed', async (t) => {
  const regressions = [
    // An own proposal that only peers remembered was handed out after a lost record.
    { ...simDefaults, seed: 37 },
    // Overdue transactions drove views apart.
    { ...simDefaults, seed: 176 },
    // A single complaint in an idle height, and a block that reached the disk just before a crash.
    { ...simDefaults, seed: 34, byzantine: true },
    { ...simDefaults, seed: 43, twins: true },
    // A forged lock, signed four times by one member, that no wire carries; a correct node had to hand it on.
    { ...simDefaults, seed: 51, byzantine: true, only: ['F26', 'F2', 'F13', 'F6'] },
    { ...simDefaults, seed: 234, byzantine: true, only: ['F26', 'F2', 'F13', 'F6'] },
    {
      ...simDefaults,
      seed: 1032,
      byzantine: true,
      only: ['F26', 'F27', 'F9', 'F2', 'F13'],
      faultMs: 12_000,
    },
  ]
  for (const options of regressions) {
    const verdict = runSeed(options)
    t.ok(verdict.ok, `seed ${options.seed}: ${verdict.invariant} ${verdict.detail}`)
    if (options.seed === 51) t.ok(verdict.unsendable > 0, 'what no wire carries ended where it was made')
  }
})

t.test('a few scenarios of the systematic twins sweep', async (t) => {
  for (let number = 11; number < twinScenarioCount; number += 4_001) {
    const verdict = runTwinScenario(number)
    t.ok(verdict.ok, `scenario ${number}: ${verdict.invariant} ${verdict.detail}`)
  }
})

t.test('one seed, one run: twice the same, event by event', async (t) => {
  const lines: string[][] = [[], []]
  const verdicts = lines.map((log) =>
    runSeed({ ...short, seed: 77, byzantine: true, trace: (line) => void log.push(line) }),
  )
  t.strictSame(verdicts[0], verdicts[1])
  t.strictSame(lines[0], lines[1])
  t.ok(lines[0].length > 100)
})

t.test('every switch does something', async (t) => {
  // F35 happens in the mode `--recovery` only, where seeds-modes.test.ts counts it.
  const silent = new Set<string>(faultIds.filter((id) => id !== 'F35'))
  // Several at a time, as in real runs; what stays silent is tried alone.
  for (let seed = 1; seed <= 8; seed += 1) {
    const verdict = runSeed({ ...short, seed, only: faultIds, byzantine: true })
    t.ok(verdict.ok, `all faults, seed ${seed}: ${verdict.invariant} ${verdict.detail}`)
    for (const id of Object.keys(verdict.faults)) silent.delete(id)
  }
  for (const id of [...silent]) {
    for (let seed = 1; seed <= 8 && silent.has(id); seed += 1) {
      const verdict = runSeed({ ...short, seed, only: [id], byzantine: true })
      t.ok(verdict.ok, `${id} seed ${seed}: ${verdict.invariant} ${verdict.detail}`)
      if ((verdict.faults[id] ?? 0) > 0) silent.delete(id)
    }
  }
  t.strictSame([...silent], [])
})
