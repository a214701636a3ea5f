// What one node has open at one peer stays below what that peer takes for abuse.
import t from 'tap'
import { Asks } from './asks.js'
import { decodeFrame } from './frames.js'
import { openAsksMax, openRequestsMax } from './limits.js'

const body = new Uint8Array([4])

t.test('a peer that does not answer is asked no more, others are', async (t) => {
  const sent: [string, number][] = []
  const asks = new Asks((to, frame) => {
    const decoded = decodeFrame(frame)
    if (decoded.ok && decoded.frame.kind === 'request') sent.push([to, decoded.frame.id])
    return true
  })
  const givenUp = Array.from({ length: 40 }, () => asks.ask('slow', body, 1))
  t.same(new Set(await Promise.all(givenUp)), new Set([null]))
  t.equal(sent.length, openAsksMax)
  t.ok(openAsksMax < openRequestsMax)
  t.equal(await asks.ask('slow', body, 60_000), null, 'what it was asked is still open there')
  const other = asks.ask('quick', body, 60_000)
  asks.answered('quick', sent[openAsksMax][1], body)
  t.same(await other, body)

  asks.answered('slow', sent[0][1], body)
  const again = asks.ask('slow', body, 60_000)
  t.equal(sent.length, openAsksMax + 2, 'a late answer makes room')
  asks.answered('slow', sent[openAsksMax + 1][1], new Uint8Array(0))
  t.equal(await again, null, 'an empty answer is none, and at once')

  asks.down('slow')
  const fresh = asks.ask('slow', body, 60_000)
  t.equal(sent.length, openAsksMax + 3, 'a new connection owes nothing')
  asks.close()
  t.equal(await fresh, null)
})
