// What shows that a validator lives, what evidence convicts it, how a leader leaves on purpose, and what is
// kept of messages ahead.

import t from 'tap'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf } from '../sim/fake-crypto.js'
import { alarmSubjectsMax, coreDefaults, evidencePerSenderMax, futureBytesMax } from './config.js'
import { chainId, sampleBlock, sampleSet, signed } from './sample.fixture.js'
import { createCore, type CoreState } from './state.js'
import { step } from './step.js'
import type { Action, CoreMessage, HeartbeatMessage, SignedMessage, VoteMessage } from './types.js'

const startTime = 1_767_225_600_000
const zero = new Uint8Array(32)
const other = new Uint8Array(32).fill(7)

function started(index: number, memberCount = 4, amnesia = false): CoreState {
  const config = { ...coreDefaults, chainId, epoch: 0, version: 1, appVersion: 1, self: entityOf(index) }
  const state = createCore(config, {
    hash: fakeHash,
    sign: (bytes) => fakeSign(keyOf(index, 0), bytes),
    verify: fakeVerify,
    payloadMatches: () => true,
  })
  const set = sampleSet(memberCount)
  const result = {
    ...{ stateRoot: zero, receiptsRoot: zero, fuelUsed: 0, nextDueTime: 0 },
    nextValidatorsHash: set.hash,
  }
  step(state, {
    ...{ type: 'start', now: startTime, safety: null, amnesia, validators: set },
    tip: {
      ...{ epoch: 0, height: 0, blockHash: zero, resultHash: zero, result, time: startTime - 1_000 },
      ...{ proposer: zero, certificate: null, validators: set, skipped: [] },
    },
    waiting: { normal: false, emergency: false },
  })
  return state
}

const receive = (state: CoreState, message: CoreMessage, afterMs = 0, from = 2): Action[] =>
  step(state, { type: 'message', now: startTime + afterMs, from: entityOf(from), message })

const head = (sender: number) => ({ epoch: 0, height: 1, view: 0, sender: entityOf(sender) })

function beat(sender: number, time: number, height = 0, blockHash = zero): HeartbeatMessage {
  const message = { type: 'heartbeat' as const, ...head(sender), height, blockHash, resultHash: zero, time }
  return signed(sender, message)
}

function prepare(sender: number, resultHash: Uint8Array, view = 0): VoteMessage {
  const message = { type: 'prepare' as const, ...head(sender), view, blockHash: other, resultHash }
  return signed(sender, message)
}

const kinds = (actions: readonly Action[]) => actions.map((action) => action.type)
const heardAt = (state: CoreState, index: number) =>
  state.lastHeard.get([...entityOf(index)].map((byte) => byte.toString(16).padStart(2, '0')).join(''))

t.test('a recorded message does not make a dead leader look alive (F7, R24)', async (t) => {
  const state = started(1)
  const first = beat(0, startTime)
  receive(state, first)
  t.equal(heardAt(state, 0), startTime)
  receive(state, first, 500)
  t.equal(heardAt(state, 0), startTime, 'the same heartbeat again')
  receive(state, beat(0, startTime - 1), 600)
  t.equal(heardAt(state, 0), startTime, 'an older one')
  receive(state, beat(0, startTime + 700), 700)
  t.equal(heardAt(state, 0), startTime + 700, 'a newer one')
  receive(state, beat(0, startTime + 701), 700 + 10_002)
  t.equal(heardAt(state, 0), startTime + 700, 'one that was held back for ten seconds')
  receive(state, beat(0, startTime + 40_000), 11_000)
  t.equal(heardAt(state, 0), startTime + 700, 'one from the future')
  const vote = prepare(0, zero)
  receive(state, vote, 12_000)
  t.equal(heardAt(state, 0), startTime + 12_000, 'a vote that is new')
  receive(state, vote, 13_000)
  t.equal(heardAt(state, 0), startTime + 12_000, 'the same vote again')
})

t.test('own heartbeats rise in time though the clock stands still or is set back', async (t) => {
  const state = started(1)
  const times: number[] = []
  for (let round = 0; round < 4; round += 1) {
    const timer = state.timers.get('heartbeat')!
    state.lastBroadcastAt = -1_000
    const actions = step(state, {
      ...{ type: 'timerExpired', id: 'heartbeat', token: timer.token },
      now: startTime - round * 1_000,
    })
    for (const action of actions) {
      if (action.type === 'send' && action.message.type === 'heartbeat') times.push(action.message.time)
    }
  }
  t.equal(times.length, 4)
  t.ok(
    times.every((time, at) => at === 0 || time > times[at - 1]),
    String(times),
  )
})

t.test('evidence: found here, told to all; told by others, believed for its signatures only', async (t) => {
  const [first, second] = [prepare(3, zero), prepare(3, other)]
  const finder = started(1)
  receive(finder, first, 0, 3)
  const found = receive(finder, second, 0, 3)
  t.match(kinds(found), ['evidence', 'alarm', 'send'])
  const message = found.flatMap((action) => (action.type === 'send' ? [action.message] : []))[0]
  t.equal(message.type, 'evidence')
  t.notOk(kinds(receive(finder, second, 0, 3)).includes('evidence'), 'once')

  const told = started(2)
  t.match(kinds(receive(told, message)), ['evidence', 'alarm'])
  t.notOk(kinds(receive(told, message)).includes('evidence'), 'once')

  const forged = { ...first, signature: new Uint8Array(64) } as SignedMessage
  const stranger = signed(9, { ...second, sender: entityOf(9) }) as SignedMessage
  const twice = { type: 'evidence' as const, epoch: 0, first, second: first }
  for (const bad of [
    { ...twice, second: forged },
    { ...twice, first: forged, second },
    twice,
    { ...twice, first: stranger, second: stranger },
    { ...twice, second: prepare(2, other) },
    { ...twice, second: prepare(3, other, 1) },
  ]) {
    t.notOk(kinds(receive(started(2), bad)).includes('evidence'), 'frames nobody')
  }
})

t.test('two view changes and two tips of one validator are evidence as well', async (t) => {
  const state = started(1)
  const change = { type: 'viewChange' as const, ...head(3), view: 1, prepared: null, lastCertificate: null }
  receive(state, signed(3, change))
  const lock = {
    ...{ height: 1, view: 0, blockHash: other, resultHash: other },
    ...{ signers: [0, 1, 2], signatures: [0, 1, 2].map(() => new Uint8Array(64)) },
  }
  t.ok(kinds(receive(state, signed(3, { ...change, prepared: lock }))).includes('evidence'))
  const beats = {
    type: 'evidence' as const,
    epoch: 0,
    first: beat(2, startTime, 1),
    second: beat(2, 1, 1, other),
  }
  t.ok(kinds(receive(state, beats)).includes('evidence'))
})

t.test('evidence against one validator leaves room for that against another', async (t) => {
  const state = started(1)
  let reported = 0
  for (let view = 0; view < evidencePerSenderMax + 3; view += 1) {
    const pair = { type: 'evidence' as const, epoch: 0 }
    const actions = receive(state, {
      ...pair,
      first: prepare(3, zero, view),
      second: prepare(3, other, view),
    })
    reported += kinds(actions).filter((kind) => kind === 'evidence').length
  }
  t.equal(reported, evidencePerSenderMax)
  const last = { type: 'evidence' as const, epoch: 0, first: prepare(2, zero), second: prepare(2, other) }
  t.ok(kinds(receive(state, last)).includes('evidence'))
})

t.test('alarms of one kind are bounded in a height', async (t) => {
  const state = started(1)
  let alarms = 0
  for (let view = 0; view < 4 * (alarmSubjectsMax + 8); view += 4) {
    const block = sampleBlock({ height: 1 })
    const proposal = { type: 'proposal' as const, ...head(0), view: view + 4, block }
    const message = signed(0, { ...proposal, parentCertificate: null, justification: [] })
    const actions = receive(state, message, 0, 0)
    alarms += actions.filter((action) => action.type === 'alarm' && action.code === 'LEADER_INVALID').length
  }
  t.equal(alarms, 1, 'one leader, one alarm, whatever views it invents')
})

t.test('a leader that leaves on purpose is followed without a timeout', async (t) => {
  const [leader, follower] = [started(0), started(1)]
  const left = step(leader, { type: 'standDown', now: startTime })
  t.match(kinds(left).slice(0, 3), ['alarm', 'persist', 'send'])
  const message = left.flatMap((action) => (action.type === 'send' ? [action.message] : []))[0]
  const actions = receive(follower, message, 0, 0)
  t.ok(
    actions.some((action) => action.type === 'send' && action.message.type === 'viewChange'),
    'the follower asks for the next view at once',
  )
  t.equal(follower.view, 1)
  t.same(
    step(started(1), { type: 'standDown', now: startTime }),
    [],
    'who does not lead has nothing to give',
  )
  t.notOk(kinds(step(started(0, 1), { type: 'standDown', now: startTime })).includes('send'), 'nobody else')
})

t.test('one lie about a height does not silence a validator that lost its record (R17)', async (t) => {
  const state = started(0, 7, true)
  for (const index of [1, 2, 3, 4, 5]) receive(state, beat(index, startTime, 4), 0, index)
  receive(state, beat(6, startTime, 2 ** 40), 0, 6)
  receive(state, beat(1, startTime + 8_001, 4), 8_001, 1)
  t.equal(state.amnesia, null)
  t.equal(state.voteFloor, 7, 'the five lowest claims decide')
})

t.test('bodies of the next height are bounded, and the leader to come finds room (R26)', async (t) => {
  const state = started(1)
  const payload = new Uint8Array(futureBytesMax / 2)
  const propose = (sender: number) => {
    const block = { ...sampleBlock({ height: 2 }), payload }
    const message = { type: 'proposal' as const, ...head(sender), height: 2, block }
    return signed(sender, { ...message, parentCertificate: null, justification: [] })
  }
  for (const index of [2, 3, 4, 5, 6]) receive(state, propose(index % 4), 0, index % 4)
  const kept = () => [...state.future.values()].map(({ message }) => message as SignedMessage)
  const bytes = () =>
    kept().reduce((sum, item) => sum + (item.type === 'proposal' ? item.block.payload.length : 0), 0)
  t.ok(bytes() <= futureBytesMax, `${bytes()} bytes`)
  receive(state, propose(0), 0, 0)
  t.ok(bytes() <= futureBytesMax)
  t.ok(kept().some((item) => item.sender.every((byte, at) => byte === entityOf(0)[at])))
})
