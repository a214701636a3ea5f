// Liveness mode: heal a quorum core, stop new faults, then require progress (L1-L8).

import { heal } from './network.js'
import { crashNode, startNode } from './node.js'
import { independentQuorum } from './checker.js'
import { transactionKinds } from './app.js'
import { register, submit } from './schedule.js'
import { after, SimFailure, trace, type SimNode, type World } from './world.js'

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
    if (!node.isCorrect && areSilent) {
      crashNode(world, node)
      node.halted = 'BYZANTINE'
    }
    node.diskFails = false
    node.storeFullUntil = 0
    node.readsFail = false
    node.stalledUntil = 0
    node.clockOffsetMs = 0
    node.clockDrift = 0
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
  run(world.now + 1_500)
  startNode(world, observer)
  submit(world, register(world, transactionKinds.plain, 0), world.nodes)
  const deadline = world.now + observerMsMax
  run(world.now + 1_000)
  while (observer.app.height < world.checker.chain.length) {
    if (world.now >= deadline) throw new SimFailure('L7', `observer n${observer.slot} stays behind`)
    run(world.now + 250)
  }
  world.onlyHonestUpstream = null
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

/** One view timeout and the good case (L2); several silent leaders in a row need several. */
const emergencyMsMax = 1_500
const emergencyMsMaxLame = 10_000

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
  const nothingDue = () => correctNodes(world).every((node) => node.app.dueTime === 0)
  for (let round = 0; round < 40 && !nothingDue(); round += 1) run(world.now + 500)
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
