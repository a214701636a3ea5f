// The reason for a round that is not done, in every phase.
import t from 'tap'
import { createCore, coreDefaults, type CoreState, type VoteMessage } from '../pbft/index.js'
import { leaderSilenceMs, roundReasonOf } from './round-reason.js'
import { bytesToHex } from '../../runtime/protocol/bytes.js'

const id = (byte: number): Uint8Array => new Uint8Array(32).fill(byte)

function core(changes: Partial<CoreState> = {}): CoreState {
  const members = [1, 2, 3, 4].map((byte) => ({ entity: id(byte), voteKey: id(byte + 10) }))
  const config = { ...coreDefaults, chainId: id(9), epoch: 0, version: 1, appVersion: 1, self: id(1) }
  const ports = { hash: () => id(0), verify: () => true, payloadMatches: () => true }
  const made = createCore(config, ports as never)
  const validators = { hash: id(0), members }
  return Object.assign(made, { validators, order: [0, 1, 2, 3], selfIndex: 0, viewSince: 1_000 }, changes)
}

const votes = (...results: number[]): Map<number, Map<number, VoteMessage>> =>
  new Map([
    [0, new Map(results.map((result, index) => [index, { resultHash: id(result) } as VoteMessage]))],
  ])

const ask = (phase: string, changes: Partial<CoreState> = {}, present = 4) =>
  roundReasonOf({ core: core(changes), phase, present, now: 4_000 })

t.test('each phase has its reason, with what it has and needs', async (t) => {
  t.match(ask('idle'), { code: 'IDLE', sinceMs: 0 })
  const waiting = { normal: true, emergency: false }
  t.match(ask('idle', { waiting }), { code: 'WAITS_FOR_LEADER', sinceMs: 3_000 })
  t.match(ask('proposed', {}, 2), { code: 'NO_QUORUM', have: 2, need: 3 }, 'before anything else')
  t.match(ask('proposed', { prepares: votes(7, 7) }), { code: 'WAITS_FOR_PREPARES', have: 2, need: 3 })
  t.match(ask('prepared', { commits: votes(7) }), { code: 'WAITS_FOR_COMMITS', have: 1, need: 3 })
  const asked = new Map([2, 1, 3].map((view, member) => [member, { view } as never]))
  t.match(ask('view-change', { view: 2, viewChanges: asked }), {
    ...{ code: 'VIEW_CHANGE', have: 1, need: 3 },
  })
  t.match(ask('halted', {}, 1), { code: 'HALTED' })
  for (const [phase, code] of [
    ['starting', 'STARTING'],
    ['applying', 'STORING'],
    ['syncing', 'SYNCING'],
  ]) {
    t.match(ask(phase), { code })
  }
})

t.test('what this node did with the block', async (t) => {
  const candidate = (execution: string) => new Map([['b', { execution } as never]])
  const with_ = (execution: string) => ({ ballot: 'b', candidates: candidate(execution) })
  t.match(ask('executing', with_('running')), { code: 'EXECUTING' })
  t.match(ask('proposed', with_('refused')), { code: 'BLOCK_REFUSED' })
  t.match(ask('proposed', { ...with_('valid'), prepares: votes(7, 7, 8) }), {
    ...{ code: 'RESULT_SPLIT', have: 2, need: 3 },
    results: [
      { result: bytesToHex(id(7)), votes: 2 },
      { result: bytesToHex(id(8)), votes: 1 },
    ],
  })
})

t.test('how long the leader has been silent', async (t) => {
  t.equal(leaderSilenceMs(core(), 4_000), 0, 'it is this node')
  t.equal(leaderSilenceMs(core({ view: 1 }), 4_000), -1, 'never heard')
  const lastHeard = new Map([[bytesToHex(id(2)), 3_400]])
  t.equal(leaderSilenceMs(core({ view: 1, lastHeard }), 4_000), 600)
})
