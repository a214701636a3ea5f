// R16 as the host sees it: what a key signs is on disk before it leaves, and nothing leaves when the disk
// fails.

import t, { type Test } from 'tap'
import { rmSync } from 'node:fs'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { decodePayload } from '../../runtime/protocol/block.js'
import { coreDefaults, type CoreConfig, type CoreMessage } from '../pbft/index.js'
import { fileVoteStore, newBundle, sha256, TestChain, TestPool, validatorSet } from './chain.fixture.js'
import { CoreRunner, type RunnerEffects } from './core-runner.js'
import { identity, patienceMs, testVerify, until, type TestNetwork } from './network.fixture.js'
import type { ChainPort, DriverPorts } from './ports.js'
import { decodeSafety } from '../driver/safety-codec.js'

const network: TestNetwork = {
  chainId: new Uint8Array(32).fill(7),
  book: new Map(),
  validators: [0, 1, 2, 3].map(identity),
}

/** The first leader alone, its peers silent: it proposes, executes, and votes. */
async function startLeader(
  t: Test,
  change: {
    persist?: () => void
    chain?: Partial<ChainPort>
    votes?: ReturnType<typeof fileVoteStore>
    recoveries?: CoreConfig['recoveries']
  } = {},
) {
  const [own] = network.validators
  const chain = new TestChain(validatorSet(network), network.chainId)
  const pool = new TestPool()
  const votes = change.votes ?? fileVoteStore()
  const halts: string[] = []
  const sent: { message: CoreMessage; safety: ReturnType<typeof decodeSafety>['safety'] }[] = []
  const ports: DriverPorts = {
    chain: {
      tip: () => chain.tip(),
      validators: () => chain.validators(),
      execute: (hash, block) => chain.execute(hash, block),
      commit: (blockHash, result, final) => chain.commit(blockHash, result, final),
      discard: () => undefined,
      finalBlocks: (fromHeight, count) => chain.finalBlocks(fromHeight, count),
      ...change.chain,
    },
    transactions: pool,
    votes: { load: () => votes.load(), persist: change.persist ?? ((write) => votes.persist(write)) },
    signature: { sign: (bytes) => own.key.sign(bytes), verify: testVerify },
    hash: sha256,
    payloadMatches: () => true,
    events: { onHalt: (code) => void halts.push(code) },
  }
  const effects: RunnerEffects = {
    // What the disk holds at the very moment of the send.
    send: (_to, message) => void sent.push({ message, ...decodeSafety(votes.load(), network.chainId) }),
    requestBlocks: () => undefined,
    sendBlocks: () => undefined,
    resendEmergency: () => undefined,
    finalized: () => undefined,
    validatorsChanged: () => undefined,
    nextEvent: () => 'idle',
  }
  const { chainId } = network
  const { recoveries = [] } = change
  const epoch = recoveries.at(-1)?.epoch ?? 0
  const config = {
    ...coreDefaults,
    chainId,
    epoch,
    recoveries,
    self: own.nodeId,
    version: 1,
    appVersion: 1,
  }
  const runner = await CoreRunner.start(config, ports, effects)
  const takenBack = [...pool.waitingKeys]
  t.teardown(async () => {
    await runner.close()
    rmSync(votes.folder, { recursive: true, force: true })
  })
  pool.add(newBundle())
  runner.push({ type: 'transactionsWaiting', now: Date.now(), waiting: pool.waiting() })
  return { runner, sent, halts, votes, takenBack }
}

t.test('proposal, PREPARE and VIEW-CHANGE are on disk, body included, when they are sent', async (t) => {
  const { sent } = await startLeader(t)
  const types = new Set<string>()
  await until(
    () => {
      for (const { message } of sent) types.add(message.type)
      return types.has('viewChange')
    },
    patienceMs,
    'a view change for want of votes',
  )
  t.ok(types.has('proposal') && types.has('prepare'))
  for (const { message, safety } of sent) {
    if (message.type === 'proposal') {
      t.same(safety?.proposal?.signature, message.signature)
      t.same(safety?.proposal?.block.payload, message.block.payload)
    }
    if (message.type === 'prepare') t.same(safety?.prepare?.signature, message.signature)
    if (message.type === 'viewChange') t.same(safety?.viewChange?.signature, message.signature)
  }
})

t.test('what this key voted on in an epoch that ended waits again after a recovery', async (t) => {
  const before = await startLeader(t)
  t.same(before.takenBack, [])
  await until(
    () => before.sent.some(({ message }) => message.type === 'prepare'),
    patienceMs,
    'a vote on its own block',
  )
  await before.runner.close()
  const { votes } = before
  const [vote] = before.sent.filter(({ message }) => message.type === 'prepare')
  const payload = decodePayload(vote.safety?.proposal?.block.payload ?? new Uint8Array(0))
  t.ok(payload.ok && payload.value.lanes.flat().length === 1)
  const validators = validatorSet(network)
  const base = { epoch: 1, baseHeight: 0, baseHash: network.chainId, validators }
  t.same((await startLeader(t, { votes })).takenBack, [], 'in the same epoch the block itself comes back')
  const { takenBack, halts } = await startLeader(t, { votes, recoveries: [base] })
  t.same(takenBack, payload.ok && payload.value.lanes.flat().map(bytesToHex))
  t.same(halts, [])
})

t.test('when the disk fails nothing that was signed leaves, and the node says so', async (t) => {
  const { sent, halts, runner } = await startLeader(t, {
    persist: () => {
      throw new Error('ENOSPC')
    },
  })
  await until(() => halts.length > 0, patienceMs, 'halt')
  t.same(halts, ['VOTE_STORE'])
  t.equal(runner.halted?.code, 'VOTE_STORE')
  await new Promise((resolve) => setTimeout(resolve, 1500))
  t.notOk(sent.some(({ message }) => message.type !== 'heartbeat'))
  t.equal(sent.at(-1)?.message.type ?? 'heartbeat', 'heartbeat')
})

t.test('an executor that fails halts the node instead of letting it guess', async (t) => {
  const { sent, halts } = await startLeader(t, {
    chain: { execute: () => Promise.reject(new Error('the executor is gone')) },
  })
  await until(() => halts.length > 0, patienceMs, 'halt')
  t.same(halts, ['CHAIN_PORT'])
  t.notOk(sent.some(({ message }) => message.type === 'prepare'))
})
