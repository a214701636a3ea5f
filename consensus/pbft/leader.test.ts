import t from 'tap'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { entityOf } from '../sim/fake-crypto.js'
import { coreDefaults } from './config.js'
import { leaderOrder, skippedAfter } from './leader.js'
import { chainId, sampleSet } from './sample.fixture.js'
import type { SkippedLeaders, Tip } from './types.js'

const config = { ...coreDefaults, chainId, epoch: 0, version: 1, appVersion: 1, self: entityOf(0) }
const validators = sampleSet(5)
const zero = new Uint8Array(32)

function tipAt(height: number, proposer: number, skipped: readonly SkippedLeaders[] = []): Tip {
  const result = {
    stateRoot: zero,
    receiptsRoot: zero,
    nextValidatorsHash: zero,
    fuelUsed: 0,
    nextDueTime: 0,
  }
  return {
    epoch: 0,
    height,
    blockHash: zero,
    resultHash: zero,
    result,
    time: 0,
    proposer: entityOf(proposer),
    certificate: null,
    validators,
    skipped,
  }
}

t.test('the leader stays: the order begins at the proposer of the parent (R3)', async (t) => {
  t.strictSame(leaderOrder(config, tipAt(7, 2), validators), [2, 3, 4, 0, 1])
  t.strictSame(leaderOrder(config, tipAt(0, 99), validators), [0, 1, 2, 3, 4], 'genesis names nobody')
})

t.test('a planned hand-over moves on by one', async (t) => {
  const every = { ...config, handoverHeights: 8 }
  t.strictSame(leaderOrder(every, tipAt(7, 2), validators), [3, 4, 0, 1, 2])
  t.strictSame(leaderOrder(every, tipAt(8, 2), validators), [2, 3, 4, 0, 1])
  t.strictSame(leaderOrder({ ...config, handoverHeights: 0 }, tipAt(7, 2), validators), [2, 3, 4, 0, 1])
})

t.test('skipped leaders go last while they are remembered', async (t) => {
  const skipped = [{ height: 6, ids: [entityOf(3), entityOf(4)] }]
  t.strictSame(leaderOrder(config, tipAt(7, 2, skipped), validators), [2, 0, 1, 3, 4])
  const later = tipAt(6 + config.skipMemoryHeights, 2, skipped)
  t.strictSame(leaderOrder(config, later, validators), [2, 3, 4, 0, 1], 'forgotten')
})

t.test('a header of view 2 shows two skipped leaders', async (t) => {
  const leaders = { order: [2, 3, 4, 0, 1], validators }
  const after = skippedAfter(config, [], { height: 9, view: 2 }, leaders)
  t.strictSame(
    after.map((entry) => entry.ids.map((id) => bytesToHex(id))),
    [[2, 3].map((index) => bytesToHex(entityOf(index)))],
  )
  t.strictSame(skippedAfter(config, after, { height: 10, view: 0 }, leaders), after)
  t.strictSame(skippedAfter(config, after, { height: 9 + config.skipMemoryHeights, view: 0 }, leaders), [])
  t.strictSame(skippedAfter(config, [], { height: 9, view: 7 }, leaders), [], 'a whole round says nothing')
})
