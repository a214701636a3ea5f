// The core set of `npm run tier-equality` in all three tiers, and proof that a difference would be found.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { compareModes } from './conformance/tier-compare.js'

const command = fileURLToPath(new URL('./tier-equality.js', import.meta.url))

t.test('the core set is equal in every tier, cold and warm, fresh and reused', async (t) => {
  const ended = spawnSync(process.execPath, [command, '--core', '--json'], { encoding: 'utf8' })
  t.equal(ended.status, 0, ended.stderr)
  const summary = JSON.parse(ended.stdout.trim().split('\n').at(-1) ?? '') as Record<string, number>
  t.equal(summary['differing'], 0)
  t.ok(summary['cases'] > 150, `${summary['cases']} cases`)
})

t.test('what differs is told by name', async (t) => {
  const lines = ['a\tcold\t1', 'a\twarm\t1', 'b\tcold\t2']
  const compare = (other: readonly string[]): string[] =>
    compareModes(
      new Map([
        ['one', lines],
        ['two', other],
      ]),
    ).differing.map(({ name }) => name)
  t.same(compare(lines), [])
  t.same(compare(['a\tcold\t1', 'a\twarm\t3', 'b\tcold\t2']), ['a'], 'another result')
  t.same(compare(['a\tcold\t1', 'b\tcold\t2']), ['a'], 'a run is missing')
  t.same(compare([...lines, 'c\tcold\t1']), ['c'], 'a case of one mode only')
  t.same(
    compareModes(new Map([['one', ['a\tcold\t1', 'a\twarm\t2']]])).differing.length,
    1,
    'cold and warm',
  )
})
