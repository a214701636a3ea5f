// Message-by-message scenarios: text in, the first broken expectation out. Real cores; the text decides
// what arrives.
// The language is described in consensus/README.md and in `commands` below.

import { bytesToHex, equalBytes } from '../../runtime/protocol/bytes.js'
import { step } from '../pbft/step.js'
import { createCore, senderKey, type CoreState } from '../pbft/state.js'
import { signingBytes } from '../pbft/signing.js'
import type { Action, CoreEvent, SignedMessage, TimerId, WireMessage } from '../pbft/types.js'
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
import { createDisk, syncBlock, syncRecord, type Disk } from './disk.js'
import { entityOf, fakeHash, fakeSign, fakeVerify, keyOf } from './fake-crypto.js'
import { configOf, simChainId } from './node.js'
import { genesisTip, tipFromDisk } from './tips.js'
import { clockOrigin } from './world.js'
import { checkExpectation } from './expectations.js'
import { forged, otherBlock } from './scenario-forgery.js'

export interface Actor {
  readonly index: number
  readonly disk: Disk
  core: CoreState | null
  app: AppState
  overlays: Map<string, Outcome | null>
  timers: Map<TimerId, { token: number; at: number }>
  execution: 'right' | 'wrong' | 'refused' | 'none'
  halted: string
  readonly inbox: CoreEvent[]
  readonly alarms: Set<string>
  evidence: number
  readonly requested: string[]
}

export interface Letter {
  readonly from: number
  readonly to: number
  readonly message: WireMessage
}

export interface Stage {
  readonly actors: Actor[]
  letters: Letter[]
  now: number
  nextId: number
  /** Copies of letters, to be delivered again. */
  kept: Letter[]
  /** What the next payload holds instead of one plain transaction. */
  nextKind: { kind: number; argument: number } | null
  readonly handoverHeights: number
  /** Members of genesis; further actors observe until they are made members. */
  readonly validators: number
}

export interface ScenarioVerdict {
  readonly ok: boolean
  /** 1-based line of the failure; 0 when ok. */
  readonly line: number
  readonly message: string
}

/** Ends a scenario: the expectation or command of this line does not hold. */
export class ScenarioFailure extends Error {}

export function runScenario(text: string): ScenarioVerdict {
  let stage: Stage = createStage(4)
  const lines = text.split('\n')
  for (let index = 0; index < lines.length; index += 1) {
    const words = lines[index].replace(/#.*/, '').trim().split(/\s+/)
    if (words[0] === '') continue
    try {
      if (words[0] === 'validators') stage = stageOf(words)
      else runCommand(stage, words)
    } catch (error) {
      if (!(error instanceof ScenarioFailure)) throw error
      return { ok: false, line: index + 1, message: `${lines[index].trim()}: ${error.message}` }
    }
  }
  return { ok: true, line: 0, message: '' }
}

/** `validators 4 observers 1 handover 2` */
function stageOf([, count, ...words]: readonly string[]): Stage {
  const valueOf = (name: string) => (words.includes(name) ? Number(words[words.indexOf(name) + 1]) : 0)
  return createStage(Number(count), valueOf('handover'), valueOf('observers'))
}

function createStage(count: number, handoverHeights = 0, observers = 0): Stage {
  const stage: Stage = {
    ...{ actors: [], letters: [], now: clockOrigin, nextId: 1, kept: [], nextKind: null },
    ...{ handoverHeights, validators: count },
  }
  for (let index = 0; index < count + observers; index += 1) {
    stage.actors.push({
      index,
      disk: createDisk(),
      core: null,
      app: genesisState(count),
      overlays: new Map(),
      timers: new Map(),
      execution: 'right',
      halted: '',
      inbox: [],
      alarms: new Set(),
      evidence: 0,
      requested: [],
    })
  }
  for (const actor of stage.actors) start(stage, actor)
  return stage
}

const payloads: Record<string, number> = {
  ...{ timer: transactionKinds.timer, carry: transactionKinds.carry, force: transactionKinds.forceMembers },
  ...{ add: transactionKinds.addMember, remove: transactionKinds.removeMember },
  ...{ rotate: transactionKinds.rotateKey, trap: transactionKinds.trap },
}

const maskOf = (list: string): number =>
  list.split(',').reduce((mask, index) => mask | (1 << Number(index)), 0)

/** The key that the members table names for this actor. */
function currentKey({ app, index }: Actor): Uint8Array {
  return keyOf(index, app.next.find((member) => member.index === index)?.rotation ?? 0)
}

type Command = (stage: Stage, words: readonly string[]) => void

const commands: Record<string, Command> = {
  /** `time +500`: every clock moves on, in milliseconds. */
  time: (stage, [amount]) => {
    stage.now += Number(amount)
  },
  /** `waiting 0,1 normal`: the pool of these nodes has ordinary, emergency or no transactions. */
  waiting: (stage, [who, lane]) => {
    const waiting = { normal: lane !== 'none', emergency: lane === 'emergency' }
    for (const actor of chosen(stage, who)) {
      feed(stage, actor, { type: 'transactionsWaiting', now: stage.now, waiting })
    }
  },
  /**
   * `deliver prepare 1 -> 0,2`: letters of this type arrive, in order; `deliver all` goes on until none is
   * left.
   */
  deliver: (stage, [type, from, , to]) => {
    if (type === 'all') return deliverAll(stage, from === undefined ? [] : from.split('!').slice(1))
    const letters = take(stage, type, from, to)
    if (letters.length === 0) throw new ScenarioFailure('no such letter is on its way')
    for (const letter of letters) arrive(stage, letter)
  },
  /** `drop commit * -> 3`: these letters are lost. */
  drop: (stage, [type, from, , to]) => {
    if (take(stage, type, from, to).length === 0) throw new ScenarioFailure('no such letter is on its way')
  },
  /** `lose`: everything on its way is lost. */
  lose: (stage) => {
    stage.letters = []
  },
  /** `expire view 1,2`: this timer of these nodes runs out; the clocks move to that time. */
  expire: (stage, [id, who]) => {
    for (const actor of chosen(stage, who)) {
      const timer = actor.timers.get(id as TimerId)
      if (timer === undefined) throw new ScenarioFailure(`node ${actor.index} has no ${id} timer`)
      stage.now = Math.max(stage.now, timer.at)
      actor.timers.delete(id as TimerId)
      feed(stage, actor, { type: 'timerExpired', now: stage.now, id: id as TimerId, token: timer.token })
    }
  },
  /** `keep heartbeat 0 -> 1`: copies of these letters; `replay` puts all copies on their way again. */
  keep: (stage, [type, from, , to]) => {
    const letters = take(stage, type, from, to)
    if (letters.length === 0) throw new ScenarioFailure('no such letter is on its way')
    stage.letters.push(...letters)
    stage.kept.push(...letters)
  },
  replay: (stage) => {
    stage.letters.push(...stage.kept)
  },
  /**
   * `forge blocks 2 -> 3`: the final blocks on their way get another payload. `forge viewChange 2 -> 1` and
   * `forge proposal 0 -> 1`: the parent's certificate in them loses its signatures, by their own sender.
   */
  forge: (stage, [type, from, , to]) => {
    const letters = take(stage, type, from, to)
    if (letters.length === 0) throw new ScenarioFailure('no such letter is on its way')
    stage.letters.push(...letters.map(forged))
  },
  /**
   * `next timer 5`, `next carry`: the next payload asks for a block 500 ms later, or leaves work over; `next
   * trap`: it traps. `next add 4`, `remove 3`, `rotate 2`: it changes the members by one; `next force 0,1,4`:
   * these are the members.
   */
  next: (stage, [name, argument]) => {
    if (!Object.hasOwn(payloads, name)) throw new ScenarioFailure(`no payload ${name}`)
    stage.nextKind = {
      kind: payloads[name],
      argument: name === 'force' ? maskOf(argument) : Number(argument ?? 0),
    }
  },
  /** `standdown 0`: this node is about to be restarted on purpose. */
  standdown: (stage, [who]) => {
    for (const actor of chosen(stage, who)) feed(stage, actor, { type: 'standDown', now: stage.now })
  },
  crash: (stage, [who]) => {
    for (const actor of chosen(stage, who)) {
      actor.core = null
      actor.timers.clear()
      actor.overlays.clear()
    }
  },
  /** `start 0`; `start 0 leaves`: its host saw that the proposal on its disk ended the executor (R18). */
  start: (stage, [who, how]) => {
    for (const actor of chosen(stage, who)) start(stage, actor, how === 'leaves')
  },
  /** `forget 2`: the safety record of a crashed node is lost, and its host knows it. */
  forget: (stage, [who]) => {
    for (const actor of chosen(stage, who)) {
      actor.disk.record = null
      actor.disk.isRecordLost = true
    }
  },
  /** `execution 3 wrong|refused|none|right`: what the executor of this node gives from now on. */
  execution: (stage, [who, how]) => {
    for (const actor of chosen(stage, who)) actor.execution = how as Actor['execution']
  },
  /**
   * `equivocate 0 -> 2,3`: proposals on their way from 0 to these become another valid block, signed by 0.
   */
  equivocate: (stage, [from, , to]) => {
    for (const target of chosen(stage, to)) {
      stage.letters = stage.letters.map((letter) => {
        const isMeant = letter.from === Number(from) && letter.to === target.index
        return isMeant && letter.message.type === 'proposal'
          ? { ...letter, message: otherBlock(letter.message, Number(from)) }
          : letter
      })
    }
  },
  /** `overdue 1,2,3`: the pool's request timer of these nodes complains about the leader. */
  overdue: (stage, [who]) => {
    for (const actor of chosen(stage, who))
      feed(stage, actor, { type: 'transactionOverdue', now: stage.now })
  },
  expect: checkExpectation,
}

function runCommand(stage: Stage, [name, ...words]: readonly string[]): void {
  const command = commands[name]
  if (command === undefined) throw new ScenarioFailure(`unknown command ${name}`)
  command(stage, words)
}

export function chosen(stage: Stage, who: string | undefined): Actor[] {
  if (who === undefined) throw new ScenarioFailure('which nodes?')
  return who === '*' ? [...stage.actors] : who.split(',').map((index) => stage.actors[Number(index)])
}

function take(stage: Stage, type: string, from = '*', to = '*'): Letter[] {
  const senders = chosen(stage, from).map((actor) => actor.index)
  const targets = chosen(stage, to).map((actor) => actor.index)
  const isTaken = ({ message, ...ends }: Letter) =>
    (type === '*' || message.type === type) && senders.includes(ends.from) && targets.includes(ends.to)
  const taken = stage.letters.filter(isTaken)
  stage.letters = stage.letters.filter((letter) => !isTaken(letter))
  return taken
}

function deliverAll(stage: Stage, exceptNodes: readonly string[]): void {
  const except = exceptNodes.join(',').split(',').filter(Boolean).map(Number)
  for (let round = 0; round < 10_000; round += 1) {
    const letter = stage.letters.shift()
    if (letter === undefined) return
    if (!except.includes(letter.to) && !except.includes(letter.from)) arrive(stage, letter)
  }
  throw new ScenarioFailure('letters without end')
}

function arrive(stage: Stage, { from, to, message }: Letter): void {
  const actor = stage.actors[to]
  const now = stage.now
  if (message.type === 'blockRequest') {
    const blocks = actor.disk.blocks.slice(message.fromHeight - 1, message.fromHeight - 1 + message.count)
    post(stage, actor, entityOf(from), {
      type: 'blocks',
      epoch: 0,
      blocks: blocks.map((stored) => stored.final),
    })
  } else if (message.type === 'blocks') {
    feed(stage, actor, { type: 'blocksReceived', now, from: entityOf(from), blocks: message.blocks })
  } else if (!('signature' in message) || isGenuine(actor, message)) {
    feed(stage, actor, { type: 'message', now, from: entityOf(from), message })
  }
}

/** A host's duty: only what the sender's key has signed reaches the core. */
function isGenuine({ core }: Actor, message: SignedMessage): boolean {
  const key = core === null ? null : senderKey(core, message)
  return key !== null && fakeVerify(key, signingBytes(message, simChainId, fakeHash), message.signature)
}

function start(stage: Stage, actor: Actor, leavesProposal = false): void {
  if (actor.core !== null) throw new ScenarioFailure(`node ${actor.index} runs already`)
  const config = { ...configOf(entityOf(actor.index)), ...handoverOf(stage) }
  actor.core = createCore(config, {
    hash: fakeHash,
    sign: (bytes) => fakeSign(currentKey(actor), bytes),
    verify: fakeVerify,
    payloadMatches,
  })
  const genesis = genesisState(stage.validators)
  actor.app = actor.disk.blocks.at(-1)?.app ?? genesis
  const tip = actor.disk.blocks.length === 0 ? genesisTip(genesis) : tipFromDisk(actor.disk)
  feed(stage, actor, {
    type: 'start',
    now: stage.now,
    safety: actor.disk.isRecordLost ? null : actor.disk.record,
    amnesia: actor.disk.isRecordLost,
    tip,
    validators: validatorSetOf(actor.app.next),
    waiting: { normal: false, emergency: false },
    leavesProposal,
  })
}

const handoverOf = ({ handoverHeights }: Stage) => (handoverHeights === 0 ? {} : { handoverHeights })

function feed(stage: Stage, actor: Actor, event: CoreEvent): void {
  if (actor.core === null) return
  // Answers that an action causes wait until its whole list is carried out, as in every host.
  actor.inbox.push(event)
  if (actor.inbox.length > 1) return
  for (let next = actor.inbox[0]; next !== undefined; next = actor.inbox[0]) {
    for (const action of step(actor.core, next)) carryOut(stage, actor, action)
    actor.inbox.shift()
  }
}

function post(stage: Stage, from: Actor, to: Uint8Array | null, message: WireMessage): void {
  for (const other of stage.actors) {
    const isMeant = to === null ? other !== from : equalBytes(entityOf(other.index), to)
    if (isMeant) stage.letters.push({ from: from.index, to: other.index, message })
  }
}

function carryOut(stage: Stage, actor: Actor, action: Action): void {
  switch (action.type) {
    case 'persist':
      actor.disk.pendingRecord = action.record
      return syncRecord(actor.disk)
    case 'send':
      return post(stage, actor, action.to, action.message)
    case 'execute':
      return execute(stage, actor, action)
    case 'finalize':
      actor.requested.push('finalize')
      return finalize(stage, actor, action)
    case 'buildPayload': {
      const payload = nextPayload(stage, action)
      const { height, view } = action
      const transactionRoots = rootsOf(payload)
      return feed(stage, actor, {
        type: 'payloadReady',
        now: stage.now,
        height,
        view,
        payload,
        transactionRoots,
      })
    }
    case 'setTimer':
      actor.timers.set(action.id, { token: action.token, at: stage.now + action.afterMs })
      return
    case 'clearTimer':
      actor.timers.delete(action.id)
      return
    case 'requestBlocks': {
      const { fromHeight, count } = action
      return post(stage, actor, action.to, { type: 'blockRequest', epoch: 0, fromHeight, count })
    }
    case 'sendBlocks': {
      const blocks = actor.disk.blocks.slice(action.fromHeight - 1).map((stored) => stored.final)
      return post(stage, actor, action.to, { type: 'blocks', epoch: 0, blocks })
    }
    case 'alarm':
      actor.alarms.add(action.code)
      return
    case 'halt':
      actor.halted = action.code
      return
    case 'evidence':
      actor.evidence += 1
      return
    case 'discard':
    case 'setAside':
    case 'resendEmergency':
      actor.requested.push(action.type)
  }
}

/** One transaction; for due work alone an empty block. */
function nextPayload(stage: Stage, action: Extract<Action, { type: 'buildPayload' }>): Uint8Array {
  const lane = action.emergency ? transactionKinds.emergency : transactionKinds.plain
  const { kind, argument } = stage.nextKind ?? { kind: lane, argument: 0 }
  if (action.due && stage.nextKind === null) return encodeTransactions([])
  stage.nextKind = null
  stage.nextId += 1
  return encodeTransactions([{ id: stage.nextId - 1, kind, argument }])
}

function execute(stage: Stage, actor: Actor, action: Extract<Action, { type: 'execute' }>): void {
  if (actor.execution === 'none') return
  const { blockHash } = action
  const right = executeBlock(actor.app, action.block.header, action.block.payload)
  const refused = actor.execution === 'refused' || right === null
  const outcome = refused
    ? null
    : { ...right, resultHash: actor.execution === 'wrong' ? fakeHash(right.resultHash) : right.resultHash }
  actor.overlays.set(bytesToHex(blockHash), outcome)
  feed(stage, actor, {
    type: 'executed',
    now: stage.now,
    blockHash,
    ok: outcome !== null,
    resultHash: outcome?.resultHash ?? null,
    result: outcome?.result ?? null,
  })
}

function finalize(stage: Stage, actor: Actor, action: Extract<Action, { type: 'finalize' }>): void {
  const outcome = actor.overlays.get(bytesToHex(action.blockHash))
  if (outcome === undefined || outcome === null) throw new ScenarioFailure('finalize without an overlay')
  actor.disk.pendingBlock = { final: action.final, skipped: action.skipped, app: outcome.state }
  syncBlock(actor.disk)
  actor.app = outcome.state
  feed(stage, actor, {
    type: 'applied',
    now: stage.now,
    height: outcome.state.height,
    validators: validatorSetOf(outcome.state.next),
    waiting: { normal: false, emergency: false },
  })
}
