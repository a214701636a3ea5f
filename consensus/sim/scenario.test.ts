// Each scenario file is a test. Run one: node dist/consensus/sim/scenario.test.js normal-case

import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { runScenario } from './scenario.js'

const folder = 'consensus/sim/scenarios'
const wanted = process.argv.slice(2).filter((word) => !word.startsWith('-'))

for (const file of readdirSync(folder).sort()) {
  if (!file.endsWith('.txt') || (wanted.length > 0 && !wanted.includes(file.replace('.txt', '')))) continue
  t.test(file, async (t) => {
    const verdict = runScenario(readFileSync(`${folder}/${file}`, 'utf8'))
    t.ok(verdict.ok, verdict.ok ? file : `${file}:${verdict.line} ${verdict.message}`)
  })
}

t.test('a broken expectation fails with its line', async (t) => {
  t.strictSame(runScenario('# nothing waits\n\nexpect 0 tip 1'), {
    ok: false,
    line: 3,
    message: 'expect 0 tip 1: node 0: it is 0',
  })
  t.notOk(runScenario('expect 0 nonsense').ok)
  t.notOk(runScenario('nonsense').ok)
  t.notOk(runScenario('deliver commit 0 -> 1').ok, 'a letter that was never sent')
})
