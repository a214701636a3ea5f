// Liveness mode: heal a quorum core, stop new faults, then require progress (L1-L8).

import { equalBytes } from '../../runtime/protocol/bytes.js'
import { heal } from './network.js'
import { crashNode, deliver, startNode } from './node.js'
import { independentQuorum } from './checker.js'
import { transactionKinds } from './app.js'
import { register, submit } from './schedule.js'
import { after, clockOf, SimFailure, trace, type SimNode, type World } from './world.js'

/** Simulated milliseconds in which a healed core must have finalized everything it was given. */
export const recoveryMsMax = 60_000
/** Quiet time in which an idle network must stay idle (L6). */
const quietMs = 4_000

/** Short runs, of which there are many, are short in liveness mode too. */
export const paceOf = (world: World): number => (world.options.faultMs < 2_000 ? 0.4 : 1)

/** Stops every fault and starts what is down. */
export function healWorld(world: World): void {
  world.isFaulty = false
  world.network.isFaulty = false
  heal(world.network)
  trace(world, () => '=== healed')
  world.twinSides.clear()
  // The worst that f nodes can still do without attacking is to say nothing.
  const areSilent = world.random.chance(0.5)
  for (const node of world.nodes) {
    if (!node.isCorrect && areSilent && !world.censors.has(node.slot)) {
      crashNode(world, node)
      node.halted = 'BYZANTINE'
    }
    node.diskFails = null
    node.storeFullUntil = 0
    node.readsFail = false
    node.stalledUntil = 0
    node.clockOffsetMs = 0
    node.clockDrift = 0
    node.clockFrozenAt = 0
    after(world, world.random.between(0, 500), () => startNode(world, node))
  }
  // L2 asks for one more emergency, given when the core is whole again.
  after(world, 3_000 * paceOf(world), () =>
    submit(world, register(world, transactionKinds.emergency, 0), world.nodes),
  )
}

export function correctNodes(world: World): SimNode[] {
  return world.nodes.filter((node) => node.isCorrect && node.divergesAt === 0)
}

/** L1, L3, L4, L5: everything sent is final on every correct node, all at one tip, nobody between views. */
export function isRecovered(world: World): boolean {
  const nodes = correctNodes(world)
  const height = Math.max(...nodes.map((node) => node.app.height))
  // A single complaint in an idle height may stand: f members cannot make the others leave a view (R21).
  const betweenViews = nodes.filter((node) => node.core?.started !== true).length
  if (betweenViews > Math.floor((world.options.validators - 1) / 3)) return false
  for (const node of nodes) {
    if (node.core === null || node.app.height !== height || node.core.applying) return false
    for (const id of world.sent.keys()) if (!node.app.executed.has(id)) return false
  }
  return true
}

/** L8: a network whose healthy members are no quorum owes no progress, only safety. */
export function canRecover(world: World): boolean {
  const members = correctNodes(world).map((node) => node.app)
  const last = members.reduce((best, app) => (app.height > best.height ? app : best))
  const healthy = last.next.filter((member) =>
    world.nodes.some(
      (node) =>
        node.index === member.index && node.isCorrect && node.halted === '' && node.divergesAt === 0,
    ),
  )
  return healthy.length >= independentQuorum(last.next.length)
}

export function describeStuck(world: World): string {
  const lines = correctNodes(world).map((node) => {
    const { core } = node
    if (core === null) return `n${node.slot} down ${node.halted}`
    const missing = [...world.sent.keys()].filter((id) => !node.app.executed.has(id)).length
    const mode = core.started ? 'started' : 'changing'
    const extra = `${core.applying ? ' applying' : ''}${core.ballot === '' ? '' : ' ballot'}${core.decided === null ? '' : ' decided'}`
    return `n${node.slot} tip ${core.tip.height} view ${core.view} ${mode}${extra} missing ${missing}`
  })
  return lines.join('; ')
}

/** How long an observer with one honest upstream may be behind, milliseconds. */
const observerMsMax = 10_000

/**
 * L7: an observer that only one honest peer can be reached by, while all other peers lie about every block,
 * is at the tip in time, also after a restart.
 */
export function checkObserver(world: World, run: (untilMs: number) => void): void {
  const isWhole = (node: SimNode) => node.isCorrect && node.divergesAt === 0 && node.core !== null
  const observer = world.nodes.find((node) => isWhole(node) && (node.core?.selfIndex ?? 0) < 0)
  const upstreams = world.nodes.filter((node) => node !== observer && isWhole(node))
  if (observer === undefined || upstreams.length === 0) return
  const upstream = world.random.pick(upstreams)
  world.onlyHonestUpstream = { observer: observer.slot, upstream: upstream.slot }
  crashNode(world, observer)
  submit(world, register(world, transactionKinds.plain, 0), world.nodes)
  run(world.now + 1_500 * paceOf(world))
  startNode(world, observer)
  submit(world, register(world, transactionKinds.plain, 0), world.nodes)
  const deadline = world.now + observerMsMax
  run(world.now + 1_000 * paceOf(world))
  while (observer.app.height < world.checker.chain.length) {
    if (world.now >= deadline) throw new SimFailure('L7', `observer n${observer.slot} stays behind`)
    run(world.now + 250)
  }
  world.onlyHonestUpstream = null
}

/** How long a leader may leave something out, and how long that is tried, milliseconds. */
const censoredMsMax = 9_000
const censoredTrialMs = 12_000

/** It is long: of the many short runs some have it. */
const isCensorTried = ({ censors, options }: World): boolean =>
  censors.size > 0 && (options.faultMs >= 2_000 || options.seed % 8 === 0)

/**
 * R20, F22: blocks come, and some transactions are never in them. Who leaves them out loses its place, though
 * it works for everybody else: what came early in a busy time is final before its end.
 */
export function checkCensored(world: World, run: (untilMs: number) => void): void {
  if (!isCensorTried(world)) return
  letCensorLead(world, run)
  const until = world.now + censoredTrialMs
  const early: { readonly id: number; readonly at: number }[] = []
  while (world.now < until) {
    const kind = world.random.chance(0.2) ? transactionKinds.emergency : transactionKinds.plain
    const transaction = register(world, kind, 0)
    early.push({ id: transaction.id, at: world.now })
    submit(world, transaction, world.nodes)
    run(world.now + 150)
  }
  const validators = correctNodes(world).filter((node) => (node.core?.selfIndex ?? -1) >= 0)
  for (const { id, at } of early) {
    if (at + censoredMsMax > world.now) continue
    if (!validators.every((node) => node.app.executed.has(id)))
      throw new SimFailure('L1', `${id} waits for ${world.now - at} ms: ${describeStuck(world)}`)
  }
}

/** Leaders stand down, one after the other, until the one that leaves things out leads. */
function letCensorLead(world: World, run: (untilMs: number) => void): void {
  for (let round = 0; round < 2 * world.options.validators; round += 1) {
    const cores = correctNodes(world).flatMap(({ core }) => (core !== null && core.started ? [core] : []))
    const newest = cores.reduce((best, core) => (core.height > best.height ? core : best), cores[0])
    if (newest === undefined) return
    const { members } = newest.validators
    const { entity } = members[newest.order[newest.view % newest.order.length]]
    const leaders = world.nodes.filter((node) => equalBytes(node.entity, entity))
    if (leaders.some(({ slot }) => world.censors.has(slot))) return
    for (const node of leaders) deliver(world, node, { type: 'standDown', now: clockOf(world, node) })
    run(world.now + 300)
  }
}

/** A block that asks for another one a little later, for which there will be no other reason. */
function askForDueWork(world: World, run: (untilMs: number) => void): void {
  finish(world, run, transactionKinds.timer, 20)
  letCensorLead(world, run)
}

/** One transaction that has to become final on every correct node. */
function finish(world: World, run: (untilMs: number) => void, kind: number, argument: number): void {
  const transaction = register(world, kind, argument)
  submit(world, transaction, world.nodes)
  const deadline = world.now + recoveryMsMax
  while (!correctNodes(world).every((node) => node.app.executed.has(transaction.id))) {
    if (world.now >= deadline)
      throw new SimFailure('L1', `${transaction.id} waits: ${describeStuck(world)}`)
    run(world.now + 50)
  }
}

interface Quiet {
  readonly height: number
  readonly views: number
  readonly messages: number
}

const measure = (world: World): Quiet => ({
  height: world.checker.chain.length,
  views: correctNodes(world).reduce((sum, node) => sum + (node.core?.view ?? 0), 0),
  messages: world.messagesSent,
})

/** One view timeout and the good case (L2); with bad members one silent leader may follow another. */
const emergencyMsMax = 1_500
const emergencyMsMaxLame = 3_000

/** L2: an emergency is final everywhere in time, also after a long silence. */
export function checkEmergency(world: World, run: (untilMs: number) => void): void {
  const transaction = register(world, transactionKinds.emergency, 0)
  const areAllHealthy = world.nodes.every((node) => node.isCorrect && node.halted === '')
  const deadline = world.now + (areAllHealthy ? emergencyMsMax : emergencyMsMaxLame)
  submit(world, transaction, world.nodes)
  const validators = correctNodes(world).filter((node) => (node.core?.selfIndex ?? -1) >= 0)
  const isFinal = () => validators.every((node) => node.app.executed.has(transaction.id))
  while (!isFinal()) {
    if (world.now >= deadline) throw new SimFailure('L2', `an emergency waits: ${describeStuck(world)}`)
    run(world.now + 50)
  }
}

/** L6: with nothing to do, no blocks, no view changes and a bounded message rate. */
export function checkQuiet(world: World, run: (untilMs: number) => void): void {
  // Due work may still be on its way; idle begins when none is left.
  if (isCensorTried(world)) askForDueWork(world, run)
  const nothingDue = () => correctNodes(world).every((node) => node.app.dueTime === 0)
  for (let round = 0; round < 40 && !nothingDue(); round += 1) run(world.now + 500)
  // L1: due work is work, whoever leads (R25).
  if (!nothingDue()) throw new SimFailure('L1', `due work waits: ${describeStuck(world)}`)
  // Leaders that stood down may have left an idle height in a high view; the next one begins in view 0.
  if (isCensorTried(world)) finish(world, run, transactionKinds.plain, 0)
  run(world.now + 1_000)
  const before = measure(world)
  const lengthMs = quietMs * paceOf(world)
  run(world.now + lengthMs)
  const then = measure(world)
  // A silent Byzantine leader is replaced once while idle; with all nodes healthy nothing may move.
  const areAllHealthy = world.nodes.every((node) => node.isCorrect && node.halted === '')
  if (then.height !== before.height) throw new SimFailure('L6', 'a block without work')
  if (areAllHealthy && then.views !== before.views)
    throw new SimFailure('L6', 'a view change without a reason')
  const nodes = world.nodes.length
  const rate = (then.messages - before.messages) / (lengthMs / 1_000)
  const rateMax = nodes * nodes * 8
  if (rate > rateMax) throw new SimFailure('L6', `${rate} idle messages per second, at most ${rateMax}`)
}
