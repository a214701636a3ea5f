// `ward network recover make` asks for the statement about destroyed keys whenever two epochs could go on.
import t from 'tap'
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
