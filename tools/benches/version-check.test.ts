// The judge of the bench `version-switch` must see what it is there to see.
import t from 'tap'
import { judgeSwitch, type JudgedReading } from './version-check.js'

const former = new Map([
  ['ward/a', 'a1'],
  ['ward/b', 'b1'],
])
const next = new Map([
  ['ward/a', 'a2'],
  ['ward/b', 'b2'],
])

const reading = (height: number, addresses: string[], ranAt = height): JudgedReading => ({
  height,
  runs: addresses.map((address) => ({ alias: `ward/${address[0]}`, address, height: ranAt })),
})
const clean = { before: 0, after: 0, mixed: 0, unjudged: 0, carriedOver: 0 }

t.test('one set for each reading, by its side of the switch', async (t) => {
  const readings = [reading(9, ['a1', 'b1', 'x1']), reading(10, ['a1', 'b1']), reading(11, ['a2', 'b2'])]
  t.same(judgeSwitch(readings, 10, former, next), { ...clean, before: 2, after: 1 })
  const carried = [reading(10, ['a1', 'b1'], 12)]
  t.same(judgeSwitch(carried, 10, former, next), { ...clean, before: 1, carriedOver: 1 })
})

t.test('a mixture, a version on the wrong side, a rule left out or run twice are seen', async (t) => {
  t.equal(judgeSwitch([reading(11, ['a2', 'b1'])], 10, former, next).mixed, 1)
  t.equal(judgeSwitch([reading(11, ['a1', 'b1'])], 10, former, next).mixed, 1)
  t.equal(judgeSwitch([reading(10, ['a2', 'b2'])], 10, former, next).mixed, 1)
  t.same(judgeSwitch([reading(11, ['a2'])], 10, former, next), { ...clean, after: 1, unjudged: 1 })
  t.equal(judgeSwitch([reading(11, ['a2', 'a2', 'b2'])], 10, former, next).unjudged, 1)
  t.equal(judgeSwitch([reading(10, ['a1', 'a2', 'b1'])], 10, former, next).mixed, 1)
})
