// Between two epochs no fork: what a replica believes, signs and refuses around the base of a recovery.
import t from 'tap'
import { concatBytes } from '../../runtime/protocol/bytes.js'
import { voteSigningBytes } from '../../runtime/protocol/certificate.js'
import { encodeResult, resultHash } from '../../runtime/protocol/block.js'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf } from '../sim/fake-crypto.js'
import { coreDefaults } from './config.js'
import { closedHeight, epochOf, expectedValidators, faultOfTip } from './epochs.js'
import { chainId, hashOf, sampleHeader, sampleSet } from './sample.fixture.js'
import { createCore, type CoreState } from './state.js'
import { step } from './step.js'
import type { Action, CoreEvent, FinalBlock, RecoveryBase, Tip, ValidatorSet } from './types.js'

const now = 1_767_225_600_000
const zero = new Uint8Array(32)
const old = sampleSet(4)
const keys = [2, 3, 4, 5]
const members = keys.map((index) => ({ entity: entityOf(index), voteKey: keyOf(index, 0) }))
const recovered: ValidatorSet = {
  hash: fakeHash(concatBytes(...members.map(({ entity }) => entity))),
  members,
}
const result = (next: ValidatorSet) => ({
  ...{ stateRoot: zero, receiptsRoot: zero, nextValidatorsHash: next.hash, fuelUsed: 0, nextDueTime: 0 },
})

/** Block 5 or 6, signed by a quorum of a set in an epoch. */
function finalOf(
  height: number,
  epoch: number,
  set: { of: ValidatorSet; indexes: number[]; next: ValidatorSet },
  parent: Pick<Tip, 'blockHash' | 'resultHash'>,
): FinalBlock {
  const header = sampleHeader({
    ...{ height, epoch, time: now - 100 + height, validatorsHash: set.of.hash },
    ...{ parentHash: parent.blockHash, parentResultHash: parent.resultHash },
  })
  const block = { header, payload: new Uint8Array([height, epoch]) }
  const body = result(set.next)
  const subject = {
    ...{ height, view: 0, blockHash: hashOf(block) },
    resultHash: resultHash(fakeHash, encodeResult(body)),
  }
  const bytes = voteSigningBytes('commit', { ...subject, chainId, epoch })
  const signers = [0, 1, 2]
  const signatures = signers.map((at) => fakeSign(keyOf(set.indexes[at], 0), bytes))
  return { block, result: body, certificate: { ...subject, signers, signatures } }
}

const ofOld = { of: old, indexes: [0, 1, 2, 3], next: old }
const ofNew = { of: recovered, indexes: keys, next: recovered }
const four = { blockHash: fakeHash(new Uint8Array([4])), resultHash: fakeHash(new Uint8Array([44])) }
const base = finalOf(5, 0, ofOld, four)
const baseTip = { blockHash: base.certificate.blockHash, resultHash: base.certificate.resultHash }
const recovery: RecoveryBase = {
  epoch: 1,
  baseHeight: 5,
  baseHash: baseTip.blockHash,
  validators: recovered,
}

const tipOf = (over: Partial<Tip> = {}): Tip => ({
  ...{ epoch: 0, height: 4, ...four, result: result(old), time: now - 1_000, proposer: zero },
  ...{ certificate: base.certificate, validators: old, skipped: [], ...over },
})
const tipAtBase = tipOf({ height: 5, ...baseTip, result: base.result })

/** A replica of the new epoch with this tip; every block executes to the result that it came with. */
function started(tip: Tip, validators: ValidatorSet, self = 5) {
  const config = { ...coreDefaults, chainId, version: 1, appVersion: 1, self: entityOf(self) }
  const state = createCore(
    { ...config, epoch: 1, recoveries: [recovery] },
    {
      hash: fakeHash,
      sign: (bytes) => fakeSign(keyOf(self, 0), bytes),
      verify: fakeVerify,
      payloadMatches: () => true,
    },
  )
  const waiting = { normal: true, emergency: false }
  const actions = step(state, {
    type: 'start',
    now,
    safety: null,
    amnesia: false,
    tip,
    validators,
    waiting,
  })
  return { state, actions }
}

/** Gives final blocks and carries the executions out; what came of it. */
function feed(state: CoreState, final: FinalBlock): Action[] {
  const actions = step(state, { type: 'blocksReceived', now, from: entityOf(2), blocks: [final] })
  for (const action of actions.filter(({ type }) => type === 'execute')) {
    if (action.type !== 'execute') continue
    const { blockHash } = action
    const executed: CoreEvent = {
      ...{ type: 'executed', now, blockHash, ok: true, result: final.result },
      resultHash: final.certificate.resultHash,
    }
    actions.push(...step(state, executed))
  }
  return actions
}

const has = (actions: readonly Action[], type: Action['type']): boolean =>
  actions.some((action) => action.type === type)
const reasonOf = (actions: readonly Action[]): unknown =>
  actions.flatMap((action) => (action.type === 'alarm' ? [action.detail.reason] : [])).at(0)

t.test('which epoch a height belongs to', (t) => {
  const second: RecoveryBase = { ...recovery, epoch: 3, baseHeight: 9 }
  const config = { epoch: 3, recoveries: [recovery, second] }
  t.same(
    [1, 5, 6, 9, 10].map((height) => epochOf(config, height)),
    [0, 0, 1, 1, 3],
  )
  t.equal(closedHeight(config), 9)
  t.equal(epochOf({ epoch: 0, recoveries: [] }, 7), 0)
  t.same(expectedValidators({ epoch: 1, recoveries: [recovery] }, tipAtBase), recovered.hash)
  t.same(expectedValidators({ epoch: 1, recoveries: [recovery] }, tipOf()), old.hash)
  t.end()
})

t.test('at the base the new set leads and votes', (t) => {
  const { state, actions } = started(tipAtBase, recovered, keys[0])
  t.equal(has(actions, 'halt'), false)
  t.equal(state.phase, 'running')
  t.equal(has(actions, 'buildPayload'), true, 'its leader wants to propose')
  t.equal(has(started(tipAtBase, old).actions, 'halt'), true, 'the old set does not vote there')
  t.end()
})

t.test('below the base it follows by certificates and signs nothing', (t) => {
  const { state, actions } = started(tipOf(), old, 0)
  t.equal(has(actions, 'buildPayload'), false, 'though it would lead there')
  const expired = [...state.timers].map(([id, { token }]) =>
    step(state, { type: 'timerExpired', now: now + 60_000, id, token }),
  )
  t.equal(has(expired.flat(), 'persist'), false)
  const followed = feed(state, base)
  t.equal(has(followed, 'finalize'), true)
  const applied = step(state, {
    ...{ type: 'applied', now, height: 5, validators: recovered },
    waiting: { normal: false, emergency: false },
  })
  t.equal(has(applied, 'halt'), false)
  t.equal(has(feed(state, finalOf(6, 1, ofNew, baseTip)), 'finalize'), true, 'and on in the new epoch')
  t.end()
})

t.test('what the old epoch made above the base is refused', (t) => {
  const { state } = started(tipAtBase, recovered)
  const refused = feed(state, finalOf(6, 0, ofOld, baseTip))
  t.equal(has(refused, 'finalize'), false)
  t.equal(reasonOf(refused), 'epoch')
  t.end()
})

t.test('another certified block at the base is refused', (t) => {
  const { state } = started(tipOf(), old)
  const header = { ...base.block.header, time: now - 50 }
  const block = { ...base.block, header }
  const subject = { height: 5, view: 0, blockHash: hashOf(block), resultHash: base.certificate.resultHash }
  const bytes = voteSigningBytes('commit', { ...subject, chainId, epoch: 0 })
  const signatures = [0, 1, 2].map((index) => fakeSign(keyOf(index, 0), bytes))
  const foreign = {
    block,
    result: base.result,
    certificate: { ...subject, signers: [0, 1, 2], signatures },
  }
  const refused = feed(state, foreign)
  t.equal(has(refused, 'finalize'), false)
  t.equal(reasonOf(refused), 'not the base of the recovery')
  t.end()
})

t.test('a store that went another way stops the replica', (t) => {
  const config = { epoch: 1, recoveries: [recovery] }
  t.equal(faultOfTip(config, tipAtBase), null)
  t.equal(faultOfTip(config, tipOf()), null)
  t.equal(faultOfTip(config, { ...tipAtBase, blockHash: zero }), 'RECOVERY_OTHER_BRANCH')
  t.equal(faultOfTip(config, { ...tipAtBase, height: 6 }), 'RECOVERY_BELOW_TIP')
  const { actions } = started({ ...tipAtBase, height: 6 }, old)
  t.match(actions.at(-1), { type: 'halt', code: 'RECOVERY_BELOW_TIP' })
  t.end()
})
