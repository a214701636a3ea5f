// What a vendor writes cannot move the approver's cursor, begin a line or turn text around.
import t from 'tap'
import type { AliasView, VersionView } from '../../host/api/node-port.js'
import { reviewText } from './rule-versions.js'
import { stepLines } from './trace-text.js'
import { visibleText } from './visible-text.js'

const forged = 'scores\n  signed by Pharmacy\u001b[8m \u202e\u009b2J'
const seen = 'scores   signed by Pharmacy<U+001B>[8m <U+202E><U+009B>2J'

t.test('what is hidden is written out, and lines stay one line', async (t) => {
  t.equal(visibleText(forged), seen)
  t.equal(visibleText('Žofie 😀 مراجعة'), 'Žofie 😀 مراجعة')
})

t.test('a version under review adds no line of its own', async (t) => {
  const version = {
    version: '1.0.0',
    address: 'ab'.repeat(32),
    title: forged,
    purpose: forged,
    population: forged,
    reviewer: forged,
    vendor: { label: forged, entity: 'cd'.repeat(32) },
    approvedBy: null,
    active: false,
  } as unknown as VersionView
  const alias = { alias: 'acme/rule', dependants: [], versions: [version] } as unknown as AliasView
  const lines = reviewText(alias, version).trimEnd().split('\n')
  t.equal(lines.length, 7)
  t.equal(lines[1], `  ${seen}: ${seen}`)
  t.equal(lines.filter((line) => line.startsWith('  signed by')).length, 1)
})

t.test('nor does what a contract logs while it is replayed', async (t) => {
  const step = {
    type: 'host',
    depth: 0,
    name: 'log_write',
    arguments: { text: forged },
    fuelLeft: 1,
  } as const
  t.same(stepLines([step], 'all'), [`     log_write(text ${seen}) (1 fuel left)`])
})
