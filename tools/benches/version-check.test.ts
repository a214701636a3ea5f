// The judge of the bench `version-switch` must see what it is there to see.
import t from 'tap'
import { countSwitch, faultsOf, type SwitchRecords } from './switch-judge.js'
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

const readings: [string, JudgedReading][] = [
  ['t1', reading(9, ['a1', 'b1'])],
  ['t2', reading(10, ['a1', 'b1'])],
  ['t3', reading(12, ['a2', 'b2'])],
]
const whole: SwitchRecords = {
  ...{ from: 8, to: 12, present: [8, 9, 10, 11, 12], acknowledged: ['t1', 't2', 't3'] },
  readings: new Map<string, JudgedReading>(readings),
  switchedAt: new Map([
    ['ward/a', [10]],
    ['ward/b', [10]],
  ]),
}
const good = {
  ...{ skipped: 0, lost: 0, mixed: 0, unjudged: 0, apart: 0, before: 2, after: 1, carriedOver: 0 },
}

t.test('a chain without a fault counts nothing', async (t) => {
  const counts = countSwitch(whole, former, next)
  t.same(counts, good)
  t.same(faultsOf(counts), [])
})

t.test('each planted fault is found, and said in a sentence', async (t) => {
  const planted: [keyof typeof good, Partial<SwitchRecords>, RegExp][] = [
    ['skipped', { present: [8, 9, 10, 12] }, /^1 heights have no block/],
    ['skipped', { present: [8, 9, 10, 11] }, /^1 heights/],
    ['lost', { acknowledged: ['t1', 't2', 't3', 't4'] }, /^1 acknowledged transactions are not/],
    ['lost', { readings: new Map([...readings, ['t1', null]]) }, /^1 acknowledged/],
    ['mixed', { readings: new Map([...readings, ['t3', reading(12, ['a2', 'b1'])]]) }, /^1 .*mixture/],
    ['unjudged', { readings: new Map([...readings, ['t3', reading(12, ['a2'])]]) }, /^1 .*exactly once/],
    ['apart', { switchedAt: new Map([['ward/a', [10]]]) }, /^1 aliases/],
  ]
  planted.push([
    'apart',
    {
      switchedAt: new Map([
        ['ward/a', [10]],
        ['ward/b', [11]],
      ]),
    },
    /^1 aliases did not switch once/,
  ])
  for (const [name, part, sentence] of planted) {
    const counts = countSwitch({ ...whole, ...part }, former, next)
    t.equal(counts[name], 1, name)
    t.match(faultsOf(counts)[0], sentence)
  }
  t.match(faultsOf({ ...good, before: 0 }), [/nothing was shown/])
})
