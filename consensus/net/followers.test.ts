// Whom to ask, whom to follow, whom to tell, whose turn it is: the decisions without sockets.

import t from 'tap'
import fc from 'fast-check'
import { CatchUp } from '../driver/catch-up.js'
import { decodeFrame } from './frames.js'
import { Gossip, packBundles, type GossipPeer } from './gossip.js'
import { Inbox } from './inbox.js'
import {
  blocksAnswerCountMax,
  catchUpPatienceMs,
  gossipLowQueueBytesMax,
  gossipMissedBytesMax,
  transactionsFrameBytes,
  upstreamLagMs,
  urgentBundleBytesMax,
} from './limits.js'
import type { Urgency } from './ports.js'
import { UpstreamChoice } from '../driver/upstream.js'

t.test('catch-up: one request at a time, a full window, the next source when one is silent', async (t) => {
  const catchUp = new CatchUp<string>()
  const sources = [
    { peer: 'a', tipHeight: 100 },
    { peer: 'b', tipHeight: 90 },
  ]
  const first = catchUp.next(sources, 0, 0)
  t.same(first, { peer: 'a', fromHeight: 1, count: blocksAnswerCountMax })
  t.equal(catchUp.next(sources, 0, 1), null, 'asked already')
  catchUp.received([1, 2, 3])
  t.same(catchUp.next(sources, 2, 2), { peer: 'a', fromHeight: 4, count: blocksAnswerCountMax - 1 })
  const later = 2 + catchUpPatienceMs
  t.same(
    catchUp.next(sources, 3, later),
    { peer: 'b', fromHeight: 4, count: blocksAnswerCountMax },
    'silence: ask another',
  )
})

t.test(
  'catch-up: one block behind waits for the vote on its way, invented blocks are asked for again',
  async (t) => {
    const catchUp = new CatchUp<string>()
    const one = [{ peer: 'a', tipHeight: 8 }]
    t.equal(catchUp.next(one, 7, 0), null)
    t.equal(catchUp.next(one, 7, catchUpPatienceMs - 1), null)
    t.same(catchUp.next(one, 7, catchUpPatienceMs), { peer: 'a', fromHeight: 8, count: 1 })
    t.equal(catchUp.next(one, 8, catchUpPatienceMs + 1), null, 'reached')

    const fooled = new CatchUp<string>()
    const far = [
      { peer: 'liar', tipHeight: 1000 },
      { peer: 'b', tipHeight: 20 },
    ]
    fooled.next(far, 0, 0)
    fooled.received([20, 30, 32])
    t.equal(fooled.next(far, 0, 10), null, 'the window is full of something')
    t.same(
      fooled.next(far, 0, 4 * catchUpPatienceMs),
      { peer: 'b', fromHeight: 1, count: 20 },
      'which led nowhere',
    )
  },
)

t.test('upstream: kept while it moves, left at a standstill, a liar is left as well', async (t) => {
  const choice = new UpstreamChoice('00'.repeat(32))
  const tips = (a: number, b: number) => [
    { peer: 'aa'.repeat(32), tipHeight: a },
    { peer: 'bb'.repeat(32), tipHeight: b },
  ]
  const first = choice.choose(tips(5, 5), 5, 0)
  t.equal(first, 'aa'.repeat(32))
  t.equal(choice.choose(tips(5, 9), 6, upstreamLagMs), first, 'slow but moving')
  t.equal(choice.choose(tips(5, 9), 7, 2 * upstreamLagMs), first)
  t.equal(
    choice.choose(tips(5, 9), 7, 3 * upstreamLagMs),
    'bb'.repeat(32),
    'a standstill below a known tip',
  )
  t.equal(choice.choose(tips(9, 9), 9, 3 * upstreamLagMs + 1), 'bb'.repeat(32))

  const fooled = new UpstreamChoice('00'.repeat(32))
  let now = 0
  const lie = tips(7, 1_000_000)
  fooled.choose(lie, 7, now)
  const used = new Set<string | null>()
  for (let turn = 0; turn < 20; turn++) used.add(fooled.choose(lie, 7, (now += upstreamLagMs)))
  const settled = fooled.current
  for (let turn = 0; turn < 5; turn++)
    t.equal(fooled.choose(lie, 7, (now += 100)), settled, 'no endless switching')
  t.equal(choice.choose([], 9, now), null, 'nobody there')
  t.equal(
    choice.choose(tips(9, 9), 9, now),
    'bb'.repeat(32),
    'the one that was left is not the first choice',
  )
})

t.test('upstream: followers spread over upstreams', async (t) => {
  const peers = ['1', '5', '9', 'd'].map((digit) => digit.repeat(64))
  const counts = new Map<string, number>()
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 32, maxLength: 32 }), (key) => {
      const choice = new UpstreamChoice(Buffer.from(key).toString('hex'))
      const candidates = peers.map((peer) => ({ peer, tipHeight: 1 }))
      const chosen = choice.choose(candidates, 1, 0) ?? ''
      counts.set(chosen, (counts.get(chosen) ?? 0) + 1)
      return peers.includes(chosen)
    }),
    { numRuns: 400, seed: 1 },
  )
  t.equal(counts.size, 4)
  t.ok(
    [...counts.values()].every((count) => count > 40),
    JSON.stringify([...counts.values()]),
  )
})

function gossipTo(peers: GossipPeer[], hasRoom: (bound: number) => boolean = () => true) {
  const told: [string, number, number][] = []
  const waiting = Uint8Array.of(99)
  const gossip = new Gossip({
    peers: () => peers,
    send: (to, frame, queueClass, bound) => {
      if (queueClass === 1 && !hasRoom(bound)) return false
      const decoded = decodeFrame(frame)
      if (!decoded.ok || decoded.frame.kind !== 'transactions') throw new Error('not a transactions frame')
      told.push([to, decoded.frame.bundles.length, queueClass])
      return true
    },
    resend: () => [waiting],
  })
  const fresh = (
    bundle: Uint8Array,
    from: string | null,
    fromUpstream: boolean,
    urgency: Urgency = 'normal',
  ) => gossip.add([{ bundle, from, fromUpstream, urgency }])
  return { gossip, told, fresh }
}

const validator = (peer: string): GossipPeer => ({ peer, isUpstream: true, isSubscriber: false })

t.test('gossip: validators are told once, subscribers by their upstream', async (t) => {
  const { gossip, told, fresh } = gossipTo([
    validator('v2'),
    validator('v3'),
    { peer: 'o1', isUpstream: false, isSubscriber: true },
    { peer: 'o2', isUpstream: false, isSubscriber: false },
  ])
  fresh(Uint8Array.of(1), null, false)
  gossip.flush()
  t.same(
    told.splice(0),
    [
      ['v2', 1, 1],
      ['v3', 1, 1],
      ['o1', 1, 1],
    ],
    'submitted here',
  )
  fresh(Uint8Array.of(2), 'v2', true)
  gossip.flush()
  t.same(told.splice(0), [['o1', 1, 1]], 'heard from a validator')
  fresh(Uint8Array.of(3), 'o1', false)
  fresh(Uint8Array.of(4), null, false)
  gossip.flush()
  t.same(
    told.splice(0),
    [
      ['v2', 2, 1],
      ['v3', 2, 1],
      ['o1', 1, 1],
    ],
    'whoever told it is not told again',
  )
  const packed = packBundles([new Uint8Array(transactionsFrameBytes), new Uint8Array(1), new Uint8Array(1)])
  t.equal(packed.length, 2, 'frames stay of moderate size')
})

t.test('gossip: an emergency travels with the votes; what finds no room is remembered', async (t) => {
  let hasRoom = false
  const { gossip, told, fresh } = gossipTo([validator('v2')], () => hasRoom)
  fresh(new Uint8Array(urgentBundleBytesMax), null, false, 'urgent')
  fresh(new Uint8Array(urgentBundleBytesMax + 1), null, false, 'urgent')
  fresh(Uint8Array.of(1), null, false)
  gossip.flush()
  t.same(told.splice(0), [['v2', 1, 0]], 'small emergencies only')
  t.equal(gossip.missedBytes('v2'), urgentBundleBytesMax + 2)
  fresh(Uint8Array.of(2), null, false)
  hasRoom = true
  gossip.flush()
  t.same(told.splice(0), [], 'nothing overtakes')
  gossip.writable('v2')
  t.same(told.splice(0), [['v2', 3, 1]])
  t.equal(gossip.missedBytes('v2'), 0)

  hasRoom = false
  for (let count = 0; count < 60; count++) fresh(new Uint8Array(100_000).fill(count), null, false)
  gossip.flush()
  t.ok(gossip.missedBytes('v2') <= gossipMissedBytesMax)
  hasRoom = true
  gossip.writable('v2')
  const bundles = told.splice(0).reduce((sum, [, count]) => sum + count, 0)
  t.ok(bundles > 35 && bundles < 60, 'the rest is for the pool to show')
  gossip.forget('v2')
  t.equal(gossip.missedBytes('v2'), 0)
})

t.test('gossip: an import that finds no room keeps no vital sign back', async (t) => {
  const { gossip, told, fresh } = gossipTo([validator('v2')], (bound) => bound > gossipLowQueueBytesMax)
  for (let index = 0; index < 100; index += 1) fresh(new Uint8Array(100_000), null, false, 'low')
  gossip.flush()
  t.same(told.splice(0), [])
  t.ok(gossip.missedBytes('v2') > gossipMissedBytesMax - 100_000)
  fresh(Uint8Array.of(1), null, false)
  gossip.flush()
  t.same(told.splice(0), [['v2', 1, 1]])
})

t.test('inbox: a flooding peer delays itself and nobody else', async (t) => {
  const inbox = new Inbox()
  const put = (from: string, mark: number, queueClass: 0 | 1 | 2) =>
    inbox.put({ from, frame: Uint8Array.of(mark), queueClass, release: () => undefined })
  for (let index = 0; index < 2000; index++) put('flood', 1, 0)
  put('b', 2, 1)
  put('b', 3, 0)
  put('c', 4, 2)
  const marks = Array.from({ length: 6 }, () => inbox.take()?.frame[0])
  t.same(marks, [1, 3, 4, 1, 2, 1], 'turns go round, a peer gets its lowest class')
  let left = 0
  while (inbox.take() !== null) left += 1
  t.equal(left, 1997)
  t.equal(inbox.count, 0)
})
