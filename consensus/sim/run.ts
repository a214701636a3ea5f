// One seed, one run: faults for a while, then liveness mode. The verdict names the invariant that broke.

import { genesisState, validatorSetOf } from './app.js'
import { checkBelieved, createChecker } from './checker.js'
import { checkClients, createClientLog, scheduleReads } from './clients.js'
import { fired, isOn, planFaults, type FaultId } from './faults.js'
import { createLightClient } from './light-client.js'
import { scheduleLinearReads } from './linear-reads.js'
import { createNetwork } from './network.js'
import { createNode, startNode } from './node.js'
import { createQueue, pop } from './queue.js'
import { createRandom } from './random.js'
import { scheduleClients, scheduleFaults, scheduleRequestTimers } from './schedule.js'
import {
  canRecover,
  checkCensored,
  checkEmergency,
  checkObserver,
  checkQuiet,
  describeStuck,
  healWorld,
  isRecovered,
  paceOf,
  recoveryMsMax,
} from './liveness.js'
import { setByzantine } from './byzantine.js'
import { after, PrefixEnd, SimFailure, type SimOptions, type World } from './world.js'

export interface Verdict {
  readonly seed: number
  readonly ok: boolean
  /** The invariant (S1..S17, L1..L8) or ASSERT; empty when ok. */
  readonly invariant: string
  readonly detail: string
  /** Events carried out until the failure: the shortest prefix that shows it. */
  readonly events: number
  readonly simulatedMs: number
  readonly heights: number
  readonly messages: number
  /** Attackers' messages that no wire carries, so that nobody got them. */
  readonly unsendable: number
  /** Linearizable reads that were answered (R29). */
  readonly linearizableReads: number
  readonly faults: Readonly<Record<string, number>>
  readonly halted: readonly string[]
}

export const simDefaults: Omit<SimOptions, 'seed'> = {
  validators: 4,
  observers: 1,
  faultMs: 20_000,
  only: [],
  without: [],
  byzantine: false,
  twins: false,
  eventsMax: Number.MAX_SAFE_INTEGER,
  trace: null,
}

/** An endless loop in virtual time would be a bug of the core: no run needs more events than this. */
const endlessEvents = 2_000_000

export function createWorld(options: SimOptions): World {
  const random = createRandom(options.seed)
  const plan = planFaults(random, {
    only: options.only as readonly FaultId[],
    without: options.without as readonly FaultId[],
    byzantine: options.byzantine,
  })
  const world: World = {
    options,
    random,
    queue: createQueue(),
    plan,
    network: createNetwork(random, plan),
    nodes: [],
    checker: createChecker(),
    now: 0,
    eventCount: 0,
    isFaulty: true,
    nextTransactionId: 1,
    sent: new Map(),
    acknowledged: new Map(),
    messagesSent: 0,
    unsendable: 0,
    tree: null,
    onlyHonestUpstream: null,
    clients: createClientLog(),
    lightClient: createLightClient(validatorSetOf(genesisState(options.validators).next)),
    censors: new Set(),
    attacks: new Map(),
    twinSides: new Map(),
    twinVotes: new Map(),
    mayChangeMembers: true,
    onCarried: null,
  }
  const observers = isOn(plan, 'F36') ? options.observers + 3 : options.observers
  for (let index = 0; index < options.validators + observers; index += 1) {
    world.nodes.push(createNode(world, index, index))
  }
  return world
}

/** Runs one seed from first to last event. Never throws: a broken invariant or assertion is the verdict. */
export function runSeed(options: SimOptions): Verdict {
  const world = createWorld(options)
  return conclude(world, () => {
    setByzantine(world)
    begin(world)
    runUntil(world, options.faultMs)
  })
}

/** Carries out the faulty part, then heals and asks for progress; whatever breaks becomes the verdict. */
export function conclude(world: World, faultyPart: () => void): Verdict {
  try {
    faultyPart()
    healWorld(world)
    recover(world)
    checkBelieved(world)
    checkClients(world)
    return verdictOf(world, '', '')
  } catch (error) {
    if (error instanceof PrefixEnd) return verdictOf(world, '', '')
    if (error instanceof SimFailure) return verdictOf(world, error.invariant, error.detail)
    return verdictOf(
      world,
      'ASSERT',
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    )
  }
}

function begin(world: World): void {
  const joinAt = world.random.between(300, 1_000)
  for (const node of world.nodes) {
    // F36: all observers at once, while there are blocks to fetch; others may start one by one (F5).
    const isJoining = isOn(world.plan, 'F36') && node.index >= world.options.validators
    const delay = isOn(world.plan, 'F5') ? world.random.exponential(1_000) : 0
    after(world, isJoining ? joinAt : delay, () => {
      if (!isJoining && delay > 0 && world.nodes.some(({ core }) => core !== null)) fired(world.plan, 'F5')
      if (isJoining && world.checker.chain.length > 0) fired(world.plan, 'F36')
      startNode(world, node)
    })
  }
  scheduleFaults(world)
  scheduleClients(world)
  scheduleReads(world)
  scheduleLinearReads(world)
  scheduleRequestTimers(world)
}

export function runUntil(world: World, untilMs: number): void {
  for (;;) {
    const next = world.queue.items[0]
    if (next === undefined || next.at > untilMs) break
    pop(world.queue)
    world.now = next.at
    next.run()
    if (world.eventCount > endlessEvents)
      throw new SimFailure('L3', 'too many events: something runs in circles')
  }
  world.now = untilMs
}

function recover(world: World): void {
  const deadline = world.now + recoveryMsMax
  // The emergency of liveness mode comes after three seconds.
  runUntil(world, world.now + 4_000 * paceOf(world))
  while (!isRecovered(world)) {
    if (!canRecover(world)) return
    if (world.now >= deadline) throw new SimFailure('L1', `no recovery: ${describeStuck(world)}`)
    runUntil(world, world.now + 500)
  }
  checkCensored(world, (untilMs) => runUntil(world, untilMs))
  checkQuiet(world, (untilMs) => runUntil(world, untilMs))
  checkEmergency(world, (untilMs) => runUntil(world, untilMs))
  checkObserver(world, (untilMs) => runUntil(world, untilMs))
}

export function verdictOf(world: World, invariant: string, detail: string): Verdict {
  const halted = world.nodes
    .filter((node) => node.halted !== '')
    .map((node) => `${node.slot}:${node.halted}`)
  const lame = world.nodes.filter((node) => node.isCorrect && node.divergesAt === 0 && node.halted !== '')
  const isFalseHalt = invariant === '' && lame.length > 0
  return {
    seed: world.options.seed,
    ok: invariant === '' && !isFalseHalt,
    invariant: isFalseHalt ? 'HALT' : invariant,
    detail: isFalseHalt ? halted.join(' ') : detail,
    events: world.eventCount,
    simulatedMs: Math.round(world.now),
    heights: world.checker.chain.length,
    messages: world.messagesSent,
    unsendable: world.unsendable,
    linearizableReads: world.clients.linearizable,
    faults: Object.fromEntries([...world.plan.counters].sort(([left], [right]) => (left < right ? -1 : 1))),
    halted,
  }
}
