// NEWS2 against the chart: every vector through the compiled rule in the real runtime.
import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { buildContracts } from './build-contracts.js'
import { ContractChain, createSigner } from './contract-chain.fixture.js'

interface Case {
  name: string
  in: {
    rr?: number
    spo2?: number
    scale: number
    o2?: boolean
    sbp?: number
    pulse?: number
    acvpu: string
    tempTenths?: number
  }
  out: Record<string, unknown>
}

// Compiling on a busy machine takes longer than the default of 30 seconds.
t.setTimeout(600_000)
await buildContracts({ quiet: true })
const chain = new ContractChain([createSigner(1, 'admin')])

/** Points, total, red and risk as the vectors write them; absent stays null. */
function scored(given: Case['in']): Record<string, unknown> {
  return chain.view<Record<string, unknown>>('ward/deterioration', 'score', given)
}

const own = JSON.parse(readFileSync('contracts-as/vectors/news2.json', 'utf8')) as Case[]

t.test('vectors of this repository', async (t) => {
  for (const vector of own) {
    const { missing, ...answer } = scored(vector.in)
    const expected = vector.out
    t.match(answer, expected, vector.name)
    const absent = Object.values(answer).filter((value) => value === null).length
    t.equal((missing as string[]).length > 0, absent > 0, `${vector.name}: what is absent is named`)
  }
})

const shared = '../shared/data/news2/vectors.json'
t.test(
  'vectors made from Chart 1',
  { skip: existsSync(shared) ? false : `${shared} is not here` },
  async (t) => {
    const vectors = JSON.parse(readFileSync(shared, 'utf8')) as Case[]
    t.ok(vectors.length >= 43, 'all cases are there')
    for (const vector of vectors) {
      const { missing, ...answer } = scored(vector.in)
      t.same(answer, vector.out, vector.name)
      t.same(missing, [], `${vector.name}: nothing is missing`)
    }
  },
)

t.test('values that no chart has are refused by name', async (t) => {
  const normal = { rr: 16, spo2: 98, scale: 1, o2: false, sbp: 120, pulse: 75, acvpu: 'A', tempTenths: 370 }
  const impossible: [string, object][] = [
    ['rr 121', { rr: 121 }],
    ['spo2 101', { spo2: 101 }],
    ['spo2 0', { spo2: 0 }],
    ['sbp 19', { sbp: 19 }],
    ['sbp 321', { sbp: 321 }],
    ['pulse 351', { pulse: 351 }],
    ['tempTenths 199', { tempTenths: 199 }],
    ['tempTenths 451', { tempTenths: 451 }],
    ['acvpu is one of A C V P U', { acvpu: 'X' }],
    ['scale is 1 or 2', { scale: 3 }],
  ]
  for (const [, change] of impossible) {
    t.throws(() => scored({ ...normal, ...change }), { message: /^CONTRACT_ABORTED 116/ })
  }
  // The edges themselves are possible.
  const edges = [
    { rr: 120 },
    { rr: 0 },
    { spo2: 100 },
    { spo2: 1 },
    { sbp: 20 },
    { sbp: 320 },
    { pulse: 350 },
  ]
  for (const change of edges) t.equal(scored({ ...normal, ...change }).risk !== 'incomplete', true)
})

t.test('an incomplete set never has a total', async (t) => {
  const normal: Case['in'] = {
    rr: 16,
    spo2: 98,
    scale: 1,
    o2: false,
    sbp: 120,
    pulse: 75,
    acvpu: 'A',
    tempTenths: 370,
  }
  for (const name of ['rr', 'spo2', 'o2', 'sbp', 'pulse', 'tempTenths'] as const) {
    const answer = scored({ ...normal, [name]: undefined })
    t.equal(answer.total, null, `without ${name} there is no total`)
    t.equal(answer.risk, 'incomplete')
    t.equal((answer.missing as string[]).length, 1)
  }
  t.equal(scored({ ...normal, acvpu: '' }).risk, 'incomplete')
  t.equal(scored({ ...normal, rr: undefined, sbp: 80 }).red, true, 'a single red value still shows')
})
