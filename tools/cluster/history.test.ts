// What clients of a real network were told, as the simulator's history checker sees it: each kind of lie
// shows.

import t from 'tap'
import { checkHistory } from '../../consensus/sim/history.js'
import { eventsOf, type Acknowledged } from './history.js'

const sent = (id: string, sentAt: number, client = 'one') => ({ id, client, sentAt })
const told = (id: string, height: number, sentAt: number, answeredAt: number): Acknowledged => ({
  ...{ id, client: 'one', height, code: 'OK', sentAt, answeredAt, node: 'validator-1' },
})

const invoked = [sent('a', 1), sent('b', 6), sent('nobody was told', 7, 'two')]
const acknowledged = [told('a', 4, 1, 5), told('b', 9, 6, 12)]
const order = (a: number, b: number, code = 'OK') => ({
  places: new Map([
    ['a', a],
    ['b', b],
    ['nobody was told', 9],
  ]),
  codes: new Map([
    ['a', code],
    ['b', 'OK'],
    ['nobody was told', 'OK'],
  ]),
})

t.test('a history that one order explains, and four that none does', async (t) => {
  const faultOf = (found: ReturnType<typeof order>, from = acknowledged) =>
    checkHistory(eventsOf({ invoked, acknowledged: from }, found))[0] ?? ''
  t.equal(faultOf(order(4, 9)), '')
  t.match(faultOf(order(5, 9)), /a was told at 4/)
  t.match(faultOf(order(4, 9, 'STREAM_UNKNOWN')), /a was told OK, a replay says STREAM_UNKNOWN/)
  const lost = { places: new Map([['a', 4]]), codes: new Map([['a', 'OK']]) }
  t.match(faultOf(lost), /b was told final and is in no block/)
  const late = [told('a', 9, 1, 5), told('b', 4, 6, 12)]
  t.match(faultOf(order(9, 4), late), /b was sent after a had returned and is ordered before it/)
})
