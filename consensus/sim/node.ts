// A simulated host: the driver's duties (order of actions, persist before send, signature checks) on a
// simulated disk, clock and executor, with a crash possible between any two actions.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { createCore, memberIndex, senderKey } from '../pbft/state.js'
import { coreDefaults } from '../pbft/config.js'
import { signingBytes } from '../pbft/signing.js'
import { step } from '../pbft/step.js'
import type {
  Action,
  CoreConfig,
  CoreEvent,
  SignedMessage,
  Tip,
  Waiting,
  WireMessage,
} from '../pbft/types.js'
import {
  encodeTransactions,
  executeBlock,
  genesisState,
  payloadMatches,
  rootsOf,
  transactionKinds,
  validatorSetOf,
  type AppState,
  type Outcome,
} from './app.js'
import { onFinalized, onPersisted, onSend, onSetAside, onStarted, onStepped } from './checker.js'
import { answerClients } from './clients.js'
import { crashDisk, createDisk, storedFrom, syncBlock, syncRecord } from './disk.js'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf, short } from './fake-crypto.js'
import { isKeyChanged, noteClock, noteVersion } from './effects.js'
import { fired, isOn } from './faults.js'
import { distribute } from './delivery.js'
import { chooseTransactions, endsAtCap } from './ledger.js'
import { genesisTip, tipFromDisk } from './tips.js'
import { checkStep, checkTimer, placeOf } from './timing-checker.js'
import { after, clockOf, PrefixEnd, SimFailure, trace, type SimNode, type World } from './world.js'

export const simChainId = fakeHash(new Uint8Array([1, 2, 3]))
/** Blocks in one answer to a BLOCK-REQUEST. */
const blocksPerAnswer = 8

export function createNode(world: World, slot: number, index: number): SimNode {
  return {
    slot,
    index,
    entity: entityOf(index),
    disk: createDisk(),
    isCorrect: true,
    divergesAt: 0,
    core: null,
    life: 0,
    inbox: [],
    actions: [],
    busy: false,
    stalledUntil: 0,
    stalledBy: 'F11',
    overlays: new Map(),
    timers: new Map(),
    pool: new Map(),
    poolSince: new Map(),
    clockOffsetMs: 0,
    clockDrift: 0,
    clockFrozenAt: 0,
    clockSeen: 0,
    halted: '',
    app: genesisState(world.options.validators),
    diskFails: null,
    storeFullUntil: 0,
    readsFail: false,
    missesActivationAt: 0,
    appVersion: 1,
    epoch: 0,
    recoveries: [],
  }
}

export function configOf(self: Uint8Array): CoreConfig {
  return { ...coreDefaults, chainId: simChainId, epoch: 0, version: 1, appVersion: 1, self }
}

/** Starts or restarts the node from what its disk has. */
export function startNode(world: World, node: SimNode): void {
  if (node.core !== null || node.halted !== '') return
  node.life += 1
  node.app = appAfter(node, node.disk.blocks.at(-1)?.app ?? genesisState(world.options.validators))
  const { appVersion, epoch, recoveries } = node
  const core = createCore(
    { ...configOf(node.entity), appVersion, epoch, recoveries },
    {
      hash: fakeHash,
      sign: (bytes) => fakeSign(currentKey(node), bytes),
      verify: fakeVerify,
      payloadMatches,
    },
  )
  node.core = core
  trace(world, () => `n${node.slot} starts at height ${node.app.height}`)
  onStarted(world, node)
  deliver(world, node, {
    type: 'start',
    now: clockOf(world, node),
    safety: node.disk.isRecordLost ? null : node.disk.record,
    amnesia: node.disk.isRecordLost,
    tip: tipOf(world, node),
    validators: validatorSetOf(node.app.next),
    waiting: waitingOf(node),
  })
}

/** Above the base of a recovery its members vote, whatever the last block of the old epoch says. */
function appAfter(node: SimNode, app: AppState): AppState {
  const base = node.recoveries.find(({ baseHeight }) => baseHeight === app.height)
  return base === undefined ? app : { ...app, next: base.members, afterNext: base.members }
}

/** The key that the members table names for this node now; observers sign nothing that counts. */
function currentKey(node: SimNode): Uint8Array {
  const member = node.app.next.find((candidate) => candidate.index === node.index)
  return keyOf(node.index, member?.rotation ?? 0)
}

function tipOf(world: World, node: SimNode): Tip {
  const genesis = genesisState(world.options.validators)
  return node.disk.blocks.length === 0 ? genesisTip(genesis) : tipFromDisk(node.disk)
}

export function waitingOf(node: SimNode): Waiting {
  let emergency = false
  for (const transaction of node.pool.values()) {
    if (transaction.kind === transactionKinds.emergency) emergency = true
  }
  return { normal: node.pool.size > 0, emergency, full: node.pool.size >= 64 }
}

/** F13: everything volatile is gone; unsynced writes may be. */
export function crashNode(world: World, node: SimNode): void {
  if (node.core === null) return
  trace(world, () => `n${node.slot} crashes`)
  node.core = null
  node.life += 1
  node.inbox = []
  node.actions = []
  node.busy = false
  node.overlays.clear()
  node.timers.clear()
  node.pool.clear()
  node.poolSince.clear()
  node.diskFails = null
  node.readsFail = false
  const { lost } = crashDisk(node.disk, () => world.random.chance(0.5))
  if (lost > 0) fired(world.plan, 'F14')
}

/** Puts an event into the node's queue. Events wait while it is stalled or writes to disk. */
export function deliver(world: World, node: SimNode, event: CoreEvent): void {
  if (node.core === null) return
  node.inbox.push(event)
  pump(world, node)
}

/**
 * A frame from the network: decoded, its signature checked, then an event (network reference, section 8).
 */
export function receive(world: World, node: SimNode, from: SimNode, message: WireMessage): void {
  const { core } = node
  if (core === null) return
  const now = clockOf(world, node)
  switch (message.type) {
    case 'blockRequest':
      return answerBlocks(world, node, from, message.fromHeight, Math.min(message.count, blocksPerAnswer))
    case 'blocks':
      world.tree?.onBlocks(
        node,
        message.blocks.map(({ block }) => block.header.height),
      )
      return deliver(world, node, {
        type: 'blocksReceived',
        now,
        from: from.entity,
        blocks: message.blocks,
      })
    case 'bodyRequest':
    case 'body':
    case 'evidence':
      return deliver(world, node, { type: 'message', now, from: from.entity, message })
    default: {
      const key = senderKey(core, message)
      if (key === null || !isSignedBy(key, message)) return
      return deliver(world, node, { type: 'message', now, from: from.entity, message })
    }
  }
}

/** The key that each message object was found good under: most objects reach many nodes. */
const goodUnder = new WeakMap<SignedMessage, Uint8Array>()

function isSignedBy(key: Uint8Array, message: SignedMessage): boolean {
  const known = goodUnder.get(message)
  if (known !== undefined && equalBytes(known, key)) return true
  if (!fakeVerify(key, signingBytes(message, simChainId, fakeHash), message.signature)) return false
  goodUnder.set(message, key)
  return true
}

export function answerBlocks(
  world: World,
  node: SimNode,
  to: SimNode,
  fromHeight: number,
  count: number,
): void {
  if (node.readsFail) return fired(world.plan, 'F17')
  const blocks = storedFrom(node.disk, Math.max(1, fromHeight), count)
  if (blocks.length === 0) return
  const { epoch } = node
  distribute(world, node, [to], { type: 'blocks', epoch, blocks: blocks.map((stored) => stored.final) })
}

function pump(world: World, node: SimNode): void {
  while (node.core !== null && !node.busy && node.inbox.length > 0) {
    if (world.now < node.stalledUntil) {
      fired(world.plan, node.stalledBy)
      const { life } = node
      after(world, node.stalledUntil - world.now, () => life === node.life && pump(world, node))
      return
    }
    if (world.eventCount >= world.options.eventsMax) throw new PrefixEnd()
    const event = node.inbox.shift()!
    world.eventCount += 1
    trace(world, () => `n${node.slot} < ${describe(event)}`)
    noteClock(world, node, event)
    noteVersion(world, node, event)
    const before = placeOf(node.core)
    node.actions = step(node.core, event)
    checkStep(world, node, event, before)
    onStepped(world, node)
    runActions(world, node)
  }
}

function describe(event: CoreEvent): string {
  if (event.type === 'message') {
    const { message } = event
    if (message.type === 'evidence') return `evidence of ${message.first.type} from ${short(event.from)}`
    const view = 'view' in message ? `/${message.view}` : ''
    const height = 'height' in message ? message.height : message.block.header.height
    const what = 'blockHash' in message ? ` ${short(message.blockHash)}` : ''
    return `${message.type} ${height}${view}${what} from ${short(event.from)}`
  }
  if (event.type === 'timerExpired') return `timer ${event.id}`
  if (event.type === 'executed') return `executed ${short(event.blockHash)} ${event.ok}`
  if (event.type === 'applied') return `applied ${event.height}`
  return event.type
}

/** Carries out the list in order; a write to disk holds everything behind it back. */
function runActions(world: World, node: SimNode): void {
  for (;;) {
    const action = node.actions.shift()
    if (action === undefined || node.core === null) return
    if (world.isFaulty && isOn(world.plan, 'F13') && world.random.chance(0.0004)) {
      fired(world.plan, 'F13')
      return restartSoon(world, node)
    }
    runAction(world, node, action)
    if (node.busy) return
  }
}

function runAction(world: World, node: SimNode, action: Action): void {
  switch (action.type) {
    case 'persist':
      node.disk.pendingRecord = action.record
      return writeThrough(world, node, () => {
        syncRecord(node.disk)
        onPersisted(world, node)
      })
    case 'send':
      onSend(world, node, action.message)
      return send(world, node, action.to, action.message)
    case 'execute':
      return execute(world, node, action)
    case 'discard':
      node.overlays.delete(bytesToHex(action.blockHash))
      return
    case 'finalize':
      return finalize(world, node, action)
    case 'buildPayload':
      return buildPayload(world, node, action)
    case 'setTimer':
      return startTimer(world, node, action)
    case 'clearTimer':
      node.timers.delete(action.id)
      return
    case 'requestBlocks': {
      const { fromHeight, count } = action
      const targets = world.nodes.filter((other) => equalBytes(other.entity, action.to))
      return distribute(world, node, targets, {
        type: 'blockRequest',
        epoch: node.epoch,
        fromHeight,
        count,
      })
    }
    case 'sendBlocks':
      for (const other of world.nodes) {
        if (equalBytes(other.entity, action.to)) {
          answerBlocks(world, node, other, action.fromHeight, blocksPerAnswer)
        }
      }
      return
    case 'halt':
      trace(world, () => `n${node.slot} HALT ${action.code} ${JSON.stringify(action.detail)}`)
      node.halted = action.code
      if (node.isCorrect && node.divergesAt === 0)
        throw new SimFailure('HALT', `node ${node.slot}: ${action.code}`)
      return
    case 'evidence':
      world.checker.onEvidence(world, action.evidence)
      return
    case 'alarm':
      trace(world, () => `n${node.slot} alarm ${action.code} ${JSON.stringify(action.detail)}`)
      return
    case 'setAside':
      return onSetAside(world, node)
    case 'resendEmergency':
      return
  }
}

/** R16: write, fsync, go on. The order of the action list is the promise that the core relies on. */
function writeThrough(world: World, node: SimNode, synced: () => void): void {
  if (world.now < node.storeFullUntil) fired(world.plan, 'F17')
  if (node.diskFails !== null) fired(world.plan, node.diskFails)
  if (node.diskFails !== null || world.now < node.storeFullUntil) {
    // F14, F16: an fsync that failed may have lost the page; the only safe answer is to stop and start
    // again.
    return restartSoon(world, node)
  }
  node.busy = true
  const slow = world.isFaulty && isOn(world.plan, 'F16') && world.random.chance(0.02)
  if (slow) fired(world.plan, 'F16')
  const delay = 0.4 + world.random.exponential(slow ? 150 : 1)
  const { life } = node
  after(world, delay, () => {
    if (life !== node.life) return
    node.busy = false
    synced()
    runActions(world, node)
    if (life === node.life && !node.busy) pump(world, node)
  })
}

function send(world: World, node: SimNode, to: Uint8Array | null, message: WireMessage): void {
  const core = node.core!
  const { tree } = world
  // In a tree heartbeats reach those who are connected; members are among the first nodes.
  const others = tree === null || to !== null ? world.nodes : world.nodes.slice(0, world.options.validators)
  const near =
    tree === null || to !== null || message.type !== 'heartbeat' ? [] : tree.followersOf(node.slot)
  const targets = [...others, ...near].filter((other) => {
    if (other === node) return false
    if (to !== null) return equalBytes(other.entity, to)
    // Observers get heartbeats; blocks are pushed to them when final.
    return memberIndex(core, other.entity) >= 0 || message.type === 'heartbeat'
  })
  distribute(world, node, targets, message)
}

function execute(world: World, node: SimNode, action: Extract<Action, { type: 'execute' }>): void {
  const honest = executeBlock(node.app, action.block.header, action.block.payload)
  const outcome = diverged(node, honest)
  if (outcome !== honest) fired(world.plan, node.missesActivationAt > 0 ? 'F34' : 'F37')
  const { life, app } = node
  after(world, 0.5 + world.random.exponential(3), () => {
    if (life !== node.life || app !== node.app) return
    const key = bytesToHex(action.blockHash)
    node.overlays.set(key, outcome)
    world.checker.onExecuted(node, key, outcome)
    deliver(world, node, {
      type: 'executed',
      now: clockOf(world, node),
      blockHash: action.blockHash,
      ok: outcome !== null,
      resultHash: outcome?.resultHash ?? null,
      result: outcome?.result ?? null,
    })
  })
}

/** F37: a replica whose execution is not the others'. */
function diverged(node: SimNode, outcome: Outcome | null): Outcome | null {
  if (outcome === null || node.divergesAt === 0) return outcome
  const { height } = outcome.state
  const isOff = node.missesActivationAt > 0 ? height === node.missesActivationAt : height >= node.divergesAt
  if (!isOff) return outcome
  return { ...outcome, resultHash: fakeHash(outcome.resultHash) }
}

function finalize(world: World, node: SimNode, action: Extract<Action, { type: 'finalize' }>): void {
  const outcome = node.overlays.get(bytesToHex(action.blockHash))
  if (!outcome) throw new Error('finalize without an overlay')
  const app = appAfter(node, outcome.state)
  node.disk.pendingBlock = { final: action.final, skipped: action.skipped, app: outcome.state }
  writeThrough(world, node, () => {
    syncBlock(node.disk)
    if (isPowerLostAtRotation(world, node, app)) return restartSoon(world, node)
    node.app = app
    node.overlays.clear()
    for (const id of [...node.pool.keys()]) {
      if (!app.executed.has(id)) continue
      node.pool.delete(id)
      node.poolSince.delete(id)
    }
    onFinalized(world, node, action)
    answerClients(world, node, outcome)
    pushToObservers(world, node)
    // The main loop of a driver: applied comes first, before anything that queued up meanwhile.
    node.inbox.unshift({
      type: 'applied',
      now: clockOf(world, node),
      height: app.height,
      validators: validatorSetOf(app.next),
      waiting: waitingOf(node),
    })
  })
}

function restartSoon(world: World, node: SimNode): void {
  crashNode(world, node)
  after(world, world.random.exponential(1_500), () => startNode(world, node))
}

/** F19: the block of its new key is on disk, and nothing else knows it yet. */
function isPowerLostAtRotation(world: World, node: SimNode, app: AppState): boolean {
  if (!world.isFaulty || !isOn(world.plan, 'F19') || !isKeyChanged(node, node.app.next, app.next))
    return false
  if (world.random.chance(0.5)) return false
  fired(world.plan, 'F19')
  return true
}

/** Observers get final blocks at once from a part of the validators, and follow by certificates. */
function pushToObservers(world: World, node: SimNode): void {
  if (world.tree !== null) return world.tree.onFinal(node)
  const core = node.core!
  if (core.selfIndex < 0) return
  const observers = world.nodes.filter((other) => memberIndex(core, other.entity) < 0)
  const chosen = observers.filter(() => world.random.chance(0.4))
  const final = node.disk.blocks.at(-1)!.final
  if (chosen.length > 0)
    distribute(world, node, chosen, { type: 'blocks', epoch: node.epoch, blocks: [final] })
}

function buildPayload(
  world: World,
  node: SimNode,
  action: Extract<Action, { type: 'buildPayload' }>,
): void {
  const { life } = node
  after(world, 0.3, () => {
    if (life !== node.life) return
    const waiting = [...node.pool.values()].filter((transaction) => !node.app.executed.has(transaction.id))
    const chosen = chooseTransactions(world.checker.selectTransactions(world, node, waiting))
    if (chosen.some(({ kind }) => kind === transactionKinds.trap) || endsAtCap(chosen)) noteLimits(world)
    const isEmpty = chosen.length === 0 && !(action.due && world.checker.doesDueWork(node))
    const payload = isEmpty ? null : encodeTransactions(chosen)
    const { height, view } = action
    const transactionRoots = payload === null ? [] : rootsOf(payload)
    const now = clockOf(world, node)
    deliver(world, node, { type: 'payloadReady', now, height, view, payload, transactionRoots })
  })
}

/** F38 happens inside honest blocks: they end exactly at a cap, or hold a transaction that traps. */
function noteLimits(world: World): void {
  if (isOn(world.plan, 'F38')) fired(world.plan, 'F38')
}

function startTimer(world: World, node: SimNode, action: Extract<Action, { type: 'setTimer' }>): void {
  checkTimer(node, action)
  node.timers.set(action.id, action.token)
  const { life } = node
  // F11: timers are late, sometimes very, and may fire in the tick of their cancellation.
  const isLate = world.isFaulty && isOn(world.plan, 'F11') && world.random.chance(0.01)
  if (isLate) fired(world.plan, 'F11')
  const delay = action.afterMs + 0.2 + (isLate ? world.random.exponential(300) : 0)
  after(world, delay, () => {
    if (life !== node.life) return
    const isCurrent = node.timers.get(action.id) === action.token
    if (!isCurrent && !isOn(world.plan, 'F11')) return
    if (isCurrent) node.timers.delete(action.id)
    const { id, token } = action
    deliver(world, node, { type: 'timerExpired', now: clockOf(world, node), id, token })
  })
}
