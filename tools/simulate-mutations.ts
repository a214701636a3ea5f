// Plants known bugs into a scratch copy of the compiled core, one at a time, and lets the simulator find
// them. Run: node dist/tools/simulate-mutations.js [name...] [--seeds N]; one line of JSON for each, exit
// code 1 when one was not found. With --table: every row of the table in consensus/README.md at its seed, exit
// code 1 when one lives or breaks something else (some three minutes).

import { readFileSync } from 'node:fs'
import { mutations } from './simulation/planted-bugs.js'
import { rowsOf } from './simulation/planted-table.js'
import { Scratch } from './simulation/scratch.js'

function runTable(): number {
  const scratch = new Scratch()
  let untrue = 0
  try {
    for (const { name, breaks, seed } of rowsOf(readFileSync('consensus/README.md', 'utf8'))) {
      const bug = mutations.find((candidate) => candidate.name === name)
      const invariant = bug && scratch.find(bug, Number(seed), Number(seed)).invariant
      if (invariant !== breaks) untrue += 1
      const outcome = invariant === breaks ? 'found' : invariant ? `breaks ${invariant}` : 'LIVES'
      process.stdout.write(`${name.padEnd(48)} ${breaks.padEnd(8)} seed ${seed.padEnd(4)} ${outcome}\n`)
    }
  } finally {
    scratch.remove()
  }
  return untrue === 0 ? 0 : 1
}

function main(words: readonly string[]): number {
  if (words[0] === '--table') return runTable()
  const seedsAt = words.indexOf('--seeds')
  const seedsMax = seedsAt < 0 ? 100 : Number(words[seedsAt + 1])
  const names = words.filter((_, at) => at !== seedsAt && (seedsAt < 0 || at !== seedsAt + 1))
  const unknown = names.filter((name) => mutations.every((bug) => bug.name !== name))
  if (unknown.length > 0 || !Number.isInteger(seedsMax) || seedsMax < 1) {
    const known = mutations.map(({ name }) => name).join(' ')
    process.stderr.write(`usage: [name...] [--seeds N]; no bug ${unknown.join(', ')}; known: ${known}\n`)
    return 2
  }
  const scratch = new Scratch()
  let missed = 0
  try {
    for (const bug of mutations) {
      if (names.length > 0 && !names.includes(bug.name)) continue
      const outcome = scratch.find(bug, 1, seedsMax)
      if (!outcome.found) missed += 1
      process.stdout.write(`${JSON.stringify(outcome)}\n`)
    }
  } finally {
    scratch.remove()
  }
  return missed === 0 ? 0 : 1
}

process.exitCode = main(process.argv.slice(2))
