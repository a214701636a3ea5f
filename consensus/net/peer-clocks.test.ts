// Estimates of other clocks: what a late message may do to them, and what not.
import t from 'tap'
import { PeerClocks } from './peer-clocks.js'

t.test('the furthest ahead counts, for a late message only looks older', (t) => {
  const clocks = new PeerClocks()
  t.equal(clocks.aheadMs('a', 1_000), null, 'never heard')
  clocks.onHeartbeat('a', 13_000, 1_000)
  t.equal(clocks.aheadMs('a', 1_000), 12_000)
  clocks.onHeartbeat('a', 13_000, 9_000)
  t.equal(clocks.aheadMs('a', 9_000), 12_000, 'held back: not less')
  clocks.onHeartbeat('b', 500, 1_000)
  clocks.onHeartbeat('b', 900, 1_300)
  t.equal(clocks.aheadMs('b', 1_300), -400, 'behind')
  t.end()
})

t.test('what was mended is seen after two spans, and silence is no estimate', (t) => {
  const clocks = new PeerClocks()
  const hear = (now: number, ahead: number): void => clocks.onHeartbeat('a', now + ahead, now)
  hear(1_000, 2_000)
  hear(30_999, 0)
  t.equal(clocks.aheadMs('a', 30_999), 2_000)
  hear(31_000, 0)
  t.equal(clocks.aheadMs('a', 31_000), 2_000, 'the span before still counts')
  hear(61_000, 0)
  t.equal(clocks.aheadMs('a', 61_000), 0)
  t.equal(clocks.aheadMs('a', 120_999), 0)
  t.equal(clocks.aheadMs('a', 121_000), null, 'not heard for two spans')
  hear(200_000, 5)
  t.equal(clocks.aheadMs('a', 200_000), 5, 'what came before is forgotten')
  hear(150_000, 7)
  t.equal(clocks.aheadMs('a', 150_000), 7, 'the own clock was set back')
  clocks.keep(new Set())
  t.equal(clocks.aheadMs('a', 150_000), null)
  t.end()
})
