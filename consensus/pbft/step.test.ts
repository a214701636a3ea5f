import fc from 'fast-check'
import t from 'tap'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf } from '../sim/fake-crypto.js'
import { coreDefaults } from './config.js'
import {
  chainId,
  hashOf,
  sampleBlock,
  sampleCertificate,
  sampleMessages,
  sampleSet,
  signed,
} from './sample.fixture.js'
import { createCore, senderKey, type CoreState } from './state.js'
import { step } from './step.js'
import type {
  Action,
  BlockResult,
  CoreConfig,
  CoreEvent,
  CoreMessage,
  SafetyRecord,
  Tip,
  Waiting,
} from './types.js'

const startTime = 1_767_225_600_000
const zero = new Uint8Array(32)
const none: Waiting = { normal: false, emergency: false }

function tipOf(over: Partial<Tip> = {}, result: Partial<BlockResult> = {}): Tip {
  return {
    epoch: 0,
    height: 0,
    blockHash: zero,
    resultHash: zero,
    result: {
      stateRoot: zero,
      receiptsRoot: zero,
      nextValidatorsHash: sampleSet(4).hash,
      fuelUsed: 0,
      nextDueTime: 0,
      ...result,
    },
    time: startTime - 1_000,
    proposer: zero,
    certificate: null,
    validators: sampleSet(4),
    skipped: [],
    ...over,
  }
}

function started(
  index: number,
  options: {
    tip?: Tip
    config?: Partial<CoreConfig>
    amnesia?: boolean
    safety?: SafetyRecord
    leavesProposal?: boolean
  } = {},
) {
  const config = { ...coreDefaults, chainId, epoch: 0, version: 1, appVersion: 1, self: entityOf(index) }
  const state = createCore(
    { ...config, ...options.config },
    {
      hash: fakeHash,
      sign: (bytes) => fakeSign(keyOf(index, 0), bytes),
      verify: fakeVerify,
      payloadMatches: () => true,
    },
  )
  const actions = step(state, {
    type: 'start',
    now: startTime,
    safety: options.safety ?? null,
    amnesia: options.amnesia ?? false,
    leavesProposal: options.leavesProposal,
    tip: options.tip ?? tipOf(),
    validators: sampleSet(4),
    waiting: none,
  })
  return { state, actions }
}

const typesOf = (actions: readonly Action[]) => actions.map((action) => action.type)
const find = <T extends Action['type']>(actions: readonly Action[], type: T) =>
  actions.find((action): action is Extract<Action, { type: T }> => action.type === type)

function expire(
  state: CoreState,
  id: 'view' | 'batch' | 'due' | 'heartbeat' | 'emergency',
  now: number,
): Action[] {
  return step(state, { type: 'timerExpired', now, id, token: state.timers.get(id)?.token ?? -1 })
}

t.test('nothing happens before start, and start happens once', async (t) => {
  const config = { ...coreDefaults, chainId, epoch: 0, version: 1, appVersion: 1, self: entityOf(0) }
  const ports = { hash: fakeHash, sign: () => zero, verify: () => true, payloadMatches: () => true }
  t.strictSame(step(createCore(config, ports), { type: 'transactionOverdue', now: 1 }), [])
  const { state } = started(0)
  const again: CoreEvent = {
    type: 'start',
    now: startTime,
    safety: null,
    amnesia: false,
    tip: tipOf(),
    validators: sampleSet(4),
    waiting: none,
  }
  t.strictSame(step(state, again), [])
})

t.test(
  'idle: a heartbeat timer and silence of the leader, no view timer, no block (R24, R25)',
  async (t) => {
    const { actions } = started(1)
    const timers = actions.flatMap((action) => (action.type === 'setTimer' ? [action.id] : []))
    t.strictSame(timers.sort(), ['heartbeat', 'silence'])
  },
)

t.test(
  'an emergency is proposed at once, ordinary traffic in a busy pipeline after the window (R4)',
  async (t) => {
    const busy = started(0).state
    busy.lastProposalAt = startTime
    const normal = step(busy, {
      type: 'transactionsWaiting',
      now: startTime + 5,
      waiting: { normal: true, emergency: false },
    })
    t.notOk(find(normal, 'buildPayload'))
    const batch = normal.find((action) => action.type === 'setTimer' && action.id === 'batch')
    t.match(batch, { afterMs: coreDefaults.batchWindowMs - 5 })
    const urgent = step(busy, {
      type: 'transactionsWaiting',
      now: startTime + 6,
      waiting: { normal: true, emergency: true },
    })
    t.match(find(urgent, 'buildPayload'), { height: 1, view: 0, emergency: true, time: startTime + 6 })

    const idle = started(0).state
    const first = step(idle, {
      type: 'transactionsWaiting',
      now: startTime + 500,
      waiting: { normal: true, emergency: false },
    })
    t.ok(find(first, 'buildPayload'), 'an idle pipeline waits for nothing')
  },
)

t.test('a pool that had nothing after all does not block the next proposal', async (t) => {
  const { state } = started(0)
  const ask = (now: number) =>
    step(state, { type: 'transactionsWaiting', now, waiting: { normal: true, emergency: false } })
  t.ok(find(ask(startTime), 'buildPayload'))
  const empty = { height: 1, view: 0, payload: null, transactionRoots: [] }
  t.notOk(find(step(state, { type: 'payloadReady', now: startTime + 1, ...empty }), 'buildPayload'))
  t.ok(find(ask(startTime + 2), 'buildPayload'))
})

t.test('a full pool skips the window', async (t) => {
  const { state } = started(0)
  state.lastProposalAt = startTime
  const waiting = { normal: true, emergency: false, full: true }
  t.ok(find(step(state, { type: 'transactionsWaiting', now: startTime + 1, waiting }), 'buildPayload'))
})

t.test(
  'the record is persisted before the proposal is sent, and sent before it is executed (R4, R16)',
  async (t) => {
    const { state } = started(0)
    step(state, {
      type: 'transactionsWaiting',
      now: startTime,
      waiting: { normal: true, emergency: false },
    })
    const roots = Array.from({ length: 5 }, () => zero)
    const actions = step(state, {
      type: 'payloadReady',
      now: startTime,
      height: 1,
      view: 0,
      payload: new Uint8Array([1]),
      transactionRoots: roots,
    })
    const order = typesOf(actions).filter((type) => ['persist', 'send', 'execute'].includes(type))
    t.strictSame(order, ['persist', 'send', 'execute'])
    const message = find(actions, 'send')?.message
    t.equal(message?.type, 'proposal')
    if (message?.type === 'proposal') {
      t.strictSame(find(actions, 'persist')?.record.proposal?.signature, message.signature)
      t.equal(message.block.header.time, startTime)
    }
  },
)

t.test(
  'due work: the leader asks for a block at its time, followers get nervous after the skew (R25)',
  async (t) => {
    const tip = tipOf({}, { nextDueTime: startTime + 5_000 })
    const leader = started(0, { tip })
    const due = leader.actions.find((action) => action.type === 'setTimer' && action.id === 'due')
    t.match(due, { afterMs: 5_000 })
    t.match(find(expire(leader.state, 'due', startTime + 5_000), 'buildPayload'), { due: true })

    const follower = started(1, { tip }).state
    const late = startTime + 5_000 + coreDefaults.clockSkewMsMax
    t.notOk(follower.timers.has('view'))
    expire(follower, 'due', late)
    t.ok(follower.timers.has('view'))
  },
)

t.test('a leader that died of its own proposal leaves that view by a VIEW-CHANGE (R18)', async (t) => {
  const { state } = started(0)
  const recordOf = (actions: readonly Action[]) => find(actions, 'persist')?.record
  step(state, { type: 'transactionsWaiting', now: startTime, waiting: { ...none, normal: true } })
  const built = { payload: new Uint8Array([1]), transactionRoots: Array.from({ length: 5 }, () => zero) }
  const proposed = step(state, { type: 'payloadReady', now: startTime, height: 1, view: 0, ...built })
  const safety = recordOf(proposed)
  t.match(safety, { view: 0, prepare: null, commit: null })
  const again = started(0, { safety })
  t.ok(again.state.proposal !== null && find(again.actions, 'execute'), 'any other death: the same again')

  const left = started(0, { safety, leavesProposal: true })
  t.ok(left.state.proposal === null && !find(left.actions, 'execute'), 'neither run nor sent again')
  t.match(recordOf(left.actions), { view: 1, proposal: null, viewChange: { view: 1 } })
  const order = typesOf(left.actions).filter((type) => type === 'persist' || type === 'send')
  t.strictSame(order, ['persist', 'send'], 'on the disk first')
  t.match(find(left.actions, 'send')?.message, { type: 'viewChange', view: 1 })
  const third = started(0, { safety: recordOf(left.actions), leavesProposal: false })
  t.match(third.state, { view: 1, proposal: null }, 'it never comes back')

  const { blockHash } = find(proposed, 'execute') ?? { blockHash: zero }
  const { result } = tipOf()
  const executed = step(state, {
    ...{ type: 'executed', now: startTime, blockHash, ok: true, resultHash: zero, result },
  })
  const voted = recordOf(executed)
  t.ok(voted?.prepare, 'it lived to vote on the block')
  const stays = started(0, { safety: voted, leavesProposal: true })
  t.match(
    stays.state,
    { view: 0, own: { prepare: voted?.prepare } },
    'then it is no suspect: the vote stands',
  )
})

t.test('a stale timer token does nothing (F11)', async (t) => {
  const { state } = started(1)
  step(state, { type: 'transactionsWaiting', now: startTime, waiting: { normal: true, emergency: false } })
  const token = state.timers.get('view')!.token
  const stale = step(state, {
    type: 'timerExpired',
    now: startTime + 9_000,
    id: 'view',
    token: token + 1_000,
  })
  t.strictSame(stale, [])
  t.equal(state.view, 0)
  step(state, { type: 'timerExpired', now: startTime + 9_000, id: 'view', token })
  t.equal(state.view, 1)
})

t.test('timeouts double per view up to the cap, and follow the measured latencies (R22)', async (t) => {
  const { viewTimeout } = await import('./timers.js')
  const { state } = started(1)
  t.strictSame(
    [0, 1, 2, 3, 4, 40].map((view) => viewTimeout(state, view)),
    [1_000, 2_000, 4_000, 8_000, 8_000, 8_000],
  )
  step(state, { type: 'measured', now: startTime, commitP99Ms: 300, loopLagP99Ms: 10 })
  t.equal(viewTimeout(state, 0), 1_500)
  step(state, { type: 'measured', now: startTime, commitP99Ms: 3, loopLagP99Ms: 1 })
  t.equal(viewTimeout(state, 0), 1_000, 'never below the floor')
})

t.test('the soft stage of an emergency: re-send to all and say so (R20)', async (t) => {
  const { state } = started(2)
  step(state, { type: 'transactionsWaiting', now: startTime, waiting: { normal: true, emergency: true } })
  const actions = expire(state, 'emergency', startTime + 150)
  t.ok(find(actions, 'resendEmergency'))
  t.match(find(actions, 'alarm'), { code: 'EMERGENCY_LATE' })
})

t.test('an invalid proposal ends the view at once; each fault of the header (R5, R23)', async (t) => {
  const good = {
    height: 1,
    time: startTime,
    parentHash: zero,
    parentResultHash: zero,
    parentCertificateHash: zero,
  }
  const faults = [
    { version: 2 },
    { appVersion: 2 },
    { chainId: zero },
    { epoch: 1 },
    { height: 2 },
    { view: 1 },
    { time: startTime - 1_000 },
    { proposer: entityOf(1) },
    { parentHash: fakeHash(zero) },
    { parentResultHash: fakeHash(zero) },
    { parentCertificateHash: fakeHash(zero) },
    { validatorsHash: zero },
  ]
  const offer = (over: object) => {
    const { state } = started(1)
    const message = signed(0, {
      type: 'proposal',
      epoch: 0,
      height: 1,
      view: 0,
      sender: entityOf(0),
      block: sampleBlock({ ...good, ...over }),
      parentCertificate: null,
      justification: [],
    })
    return step(state, { type: 'message', now: startTime + 1, from: entityOf(0), message })
  }
  t.ok(find(offer({}), 'execute'), 'the sound one is executed')
  for (const fault of faults) {
    const actions = offer(fault)
    t.notOk(find(actions, 'execute'), Object.keys(fault)[0])
    t.match(find(actions, 'alarm'), { code: 'LEADER_INVALID' }, Object.keys(fault)[0])
    t.equal(find(actions, 'send')?.message.type, 'viewChange')
  }
})

t.test(
  'foreign certificates prove nothing: a claimed height only makes somebody to ask (R27)',
  async (t) => {
    const { state } = started(1)
    const beat = signed(2, {
      type: 'heartbeat',
      epoch: 0,
      height: 2 ** 40,
      view: 0,
      sender: entityOf(2),
      blockHash: zero,
      resultHash: zero,
      time: startTime,
    })
    const actions = step(state, { type: 'message', now: startTime, from: entityOf(2), message: beat })
    t.match(find(actions, 'requestBlocks'), { fromHeight: 1, count: 32 })
    const block = sampleBlock({ height: 1, parentHash: zero, parentResultHash: zero })
    const subject = { height: 1, view: 0, blockHash: hashOf(block), resultHash: zero }
    const forged = step(state, {
      type: 'blocksReceived',
      now: startTime,
      from: entityOf(2),
      blocks: [
        { block, result: tipOf().result, certificate: sampleCertificate(subject, [0, 1], 'commit') },
      ],
    })
    t.match(find(forged, 'alarm'), { code: 'BAD_SYNC_PEER' })
    t.notOk(find(forged, 'finalize'))
    t.equal(state.tip.height, 0)
  },
)

t.test('members that are not those of the result stop the node', async (t) => {
  const { actions } = started(1, { tip: tipOf({}, { nextValidatorsHash: zero }) })
  t.match(find(actions, 'halt'), { code: 'VALIDATORS_MISMATCH' })
})

t.test('a recovery starts a new epoch above a tip of the old one; old votes are dead', async (t) => {
  const { state } = started(1, { config: { epoch: 1 } })
  const old = signed(0, {
    type: 'prepare',
    epoch: 0,
    height: 1,
    view: 0,
    sender: entityOf(0),
    blockHash: zero,
    resultHash: zero,
  })
  step(state, { type: 'message', now: startTime, from: entityOf(0), message: old })
  t.equal(state.prepares.size, 0)
  step(state, { type: 'message', now: startTime, from: entityOf(0), message: { ...old, epoch: 1 } })
  t.equal(state.prepares.size, 1)
})

t.test('senderKey: members of the tip for its late votes, strangers none', async (t) => {
  const { state } = started(1)
  const { prepare } = sampleMessages()
  if (prepare.type !== 'prepare') throw new Error('fixture')
  t.strictSame(senderKey(state, prepare), keyOf(1, 0))
  t.equal(senderKey(state, { ...prepare, sender: zero }), null)
})

t.test('step is total: any order of any messages, never an exception (R32)', async (t) => {
  const samples = Object.values(sampleMessages()).filter(
    (message): message is CoreMessage => message.type !== 'blockRequest' && message.type !== 'blocks',
  )
  const small = fc.integer({ min: 0, max: 3 })
  const anyMessage = fc
    .tuple(fc.integer({ min: 0, max: samples.length - 1 }), small, small, small)
    .map(([which, height, view, sender]) => {
      const message = samples[which]
      if (!('signature' in message)) return message
      return {
        ...message,
        height,
        view: view === 3 ? 2 ** 32 - 1 : view,
        sender: entityOf(sender),
      }
    })
  const anyEvent = fc.oneof(
    { weight: 6, arbitrary: anyMessage.map((message) => ({ kind: 'message', message }) as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'timer' } as const) },
    { weight: 1, arbitrary: fc.constant({ kind: 'waiting' } as const) },
  )
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3 }), fc.array(anyEvent, { maxLength: 40 }), (index, events) => {
      const { state } = started(index)
      let now = startTime
      for (const event of events) {
        now += 100
        if (event.kind === 'message')
          step(state, { type: 'message', now, from: entityOf(2), message: event.message })
        else if (event.kind === 'timer') expire(state, 'view', now)
        else step(state, { type: 'transactionsWaiting', now, waiting: { normal: true, emergency: false } })
      }
      return state.tip.height === 0
    }),
    { numRuns: 200 },
  )
  t.pass('total')
})
