import t from 'tap'
import { checkHistory, type HistoryEvent } from './history.js'

const block = (
  height: number,
  names: readonly string[],
  values: Record<string, string> = {},
): HistoryEvent => ({
  event: 'block',
  height,
  operations: names.map((operation) => ({ operation, answer: 'done' })),
  values,
})
const invoked = (operation: string, at: number, client = 'nurse'): HistoryEvent => ({
  ...{ event: 'invoked', operation, client, at },
})
const returned = (operation: string, at: number, height: number, position = 0, answer = 'done') =>
  ({ event: 'returned', operation, client: 'nurse', at, height, position, answer }) as const
const read = (at: number, height: number, answer: string, client = 'nurse') =>
  ({ event: 'read', client, at, key: 'pulse', height, answer }) as const

t.test('a history that one order explains', async (t) => {
  const events = [
    ...[invoked('a', 1), returned('a', 5, 1), invoked('b', 6), returned('b', 9, 2, 1)],
    ...[invoked('c', 2), block(1, ['a'], { pulse: '60' }), block(2, ['c', 'b'], { pulse: '80' })],
    ...[read(6, 1, '60'), read(10, 2, '80'), invoked('never final', 11)],
  ]
  t.same(checkHistory(events), [])
})

t.test('each kind of fault is found', async (t) => {
  const order = [block(1, ['a'], { pulse: '60' }), block(2, ['b'], { pulse: '80' })]
  const faultOf = (...events: HistoryEvent[]) => checkHistory([...order, ...events])[0] ?? ''
  t.match(checkHistory([...order, block(3, ['a'])])[0], /again at 3/, 'twice')
  t.match(faultOf(returned('x', 5, 1)), /in no block/)
  t.match(faultOf(returned('a', 5, 2)), /was told at 2/)
  t.match(faultOf(returned('a', 5, 1, 0, 'refused')), /a replay says done/)
  t.match(
    faultOf(invoked('b', 1), returned('b', 4, 2), invoked('a', 5)),
    /a was sent after b had returned/,
    'real time',
  )
  t.match(faultOf(read(3, 2, '80'), read(4, 1, '60')), /saw height 2 and then read at 1/)
  t.same(faultOf(read(3, 2, '80'), read(4, 1, '60', 'somebody else')), '', 'another client may be behind')
  t.match(faultOf(read(3, 1, '80')), /it is 60/)
  const linear = (since: number, at: number, height: number, answer: string) =>
    ({ ...read(at, height, answer, 'doctor'), since }) as const
  const shown = returned('b', 4, 2)
  t.match(faultOf(shown, linear(5, 9, 1, '60')), /asked at 5 .* got height 1, after nurse .* shown 2/)
  t.match(faultOf(read(4, 2, '80'), linear(5, 9, 1, '60')), /got height 1/, 'a read shows it too')
  t.same(faultOf(shown, linear(4, 9, 1, '60')), '', 'asked for before the outcome was told')
  t.same(faultOf(shown, linear(5, 9, 2, '80')), '')
  t.same(faultOf(shown, read(9, 1, '60', 'doctor')), '', 'a local read may be behind')
  t.match(faultOf(returned('b', 3, 2), read(4, 1, '60')), /saw height 2/, 'an own answer counts as seen')
})
