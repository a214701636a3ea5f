// `ward network recover make` asks for the statement about destroyed keys whenever two epochs could go on.
import t from 'tap'
import { startApi } from '../../host/api/server.js'
import { createNodeLogger } from '../../host/node/node-logger.js'
import { createSingleNode } from '../../host/node/single-node.fixture.js'
import { patienceMs, ward } from './appliance.fixture.js'
import { forkVerdict } from './recovery-fork.js'

const set = (letters: string): string[] => [...letters]
const mayFork = (old: string, next: string, gone = ''): boolean =>
  forkVerdict(set(old), set(next), set(gone)).mayFork

t.test('old and new quorums must share an honest member', async (t) => {
  t.equal(mayFork('ABCD', 'AB'), false, 'two of four go on: both are needed')
  t.equal(mayFork('ABCD', 'AEFG'), true, 'B, C, D are an old quorum, whoever was named lost')
  t.equal(mayFork('ABCD', 'ABEF'), true, 'A, E, F go on while B, C, D have not been told')
  t.equal(mayFork('ABCD', 'EFGH'), true)
  t.equal(mayFork('ABCD', 'ABCE'), true, 'A, B, D and B, C, E share B alone, who may lie')
  t.equal(mayFork('ABCD', 'ABC'), false)
  t.equal(mayFork('ABCDEFG', 'ABCD'), true, 'one liar among the four is enough')
  t.equal(mayFork('A', 'B'), true)
})

t.test('destroyed keys of enough members end the old epoch; of too few they do not', async (t) => {
  t.equal(mayFork('ABCD', 'ABEF', 'CD'), false)
  t.equal(mayFork('ABCD', 'AEFG', 'CD'), false)
  t.equal(mayFork('ABCD', 'EFGH', 'D'), true, 'A, B, C may still sign')
  t.equal(mayFork('ABCDEFG', 'ABCD', 'EFG'), false)
  t.equal(forkVerdict(set('ABCD'), set('AEFG'), []).outside, 3)
})

t.test(
  'without institution keys no manifest is made that nobody could sign',
  { timeout: patienceMs },
  async (t) => {
    const single = await createSingleNode()
    t.teardown(() => single.close())
    const screens = { port: 0, host: '127.0.0.1', staticFolder: 'dist/shell' } as const
    const api = await startApi(screens, single.node, createNodeLogger('test', 'silent'))
    t.teardown(() => api.close())
    const parts = ['--validator', 'only', '--reason', 'a test', '--out', '/nowhere/manifest']
    t.match(await ward(['network', 'recover', 'make', ...parts, '--api', api.url]), {
      ...{ status: 1, stderr: /founded without institution keys.* \[NO_INSTITUTION_KEYS\]/ },
    })
  },
)
