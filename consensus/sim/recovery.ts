// F35, L8: more than f validators are lost for good. The rest halts and finalizes nothing; then a
// manifest raises the epoch and names new members above the highest certified block that any survivor
// has. What a node from before the fork signs is dead; it is told, takes the manifest where it may, and
// follows across the base. The manifest's own signatures (M of N institution keys) are not modelled here:
// runtime/protocol/recovery.test.ts.

import { equalBytes } from '../../runtime/protocol/bytes.js'
import { validatorSetOf, transactionKinds } from './app.js'
import { fired } from './faults.js'
import { crashNode, startNode } from './node.js'
import { conclude, createWorld, runUntil, simDefaults, type Verdict } from './run.js'
import { register, submit } from './schedule.js'
import { after, SimFailure, type SimNode, type SimRecovery, type Watch, type World } from './world.js'

/** One seed, one loss: two or three of four validators and the way back. */
export function runRecovery(seed: number, watch: Watch = {}): Verdict {
  const world = createWorld({ ...simDefaults, seed, observers: 4, only: ['F1', 'F6'], ...watch })
  return conclude(world, () => {
    for (const node of world.nodes) after(world, 0, () => startNode(world, node))
    const clients = feed(world)
    const left = world.nodes[3]
    // One leaves early: it knows only the beginning of the branch, and nothing of the recovery.
    after(world, world.random.between(800, 2_000), () => crashNode(world, left))
    runUntil(world, 4_000)
    const lost = world.random.chance(0.5) ? [world.nodes[0], world.nodes[1]] : world.nodes.slice(0, 3)
    clients.areBusy = false
    settle(world, [...lost, left])
    for (const node of lost) lose(world, node)
    checkHalted(world)
    const manifest = recover(world, left)
    clients.areBusy = true
    runUntil(world, world.now + 4_000)
    comeBack(world, [left, lost[0]])
    runUntil(world, world.now + 4_000)
    checkOldEpoch(world, [left, lost[0]])
    tell(world, manifest, [left, lost[0]])
    runUntil(world, world.now + 6_000)
    checkTold(world, [left, lost[0]])
  })
}

/** Clients send, and send again what was not answered: pools are empty after a restart. */
function feed(world: World): { areBusy: boolean } {
  const clients = { areBusy: true }
  const send = () => {
    if (world.isFaulty && clients.areBusy) {
      submit(world, register(world, transactionKinds.plain, 0), world.nodes)
    }
    after(world, world.random.between(50, 250), send)
  }
  const sendAgain = () => {
    for (const { transaction } of world.sent.values()) {
      const isOpen = !world.acknowledged.has(transaction.id)
      if (isOpen && clients.areBusy) submit(world, transaction, world.nodes)
    }
    after(world, 1_500, sendAgain)
  }
  send()
  sendAgain()
  return clients
}

/**
 * A block that only the lost ones had would be lost with them, and whoever was told of it too: the base
 * is what survivors and observers know. Here the loss comes when they know all.
 */
function settle(world: World, gone: readonly SimNode[]): void {
  const others = world.nodes.filter((node) => !gone.includes(node))
  const best = () => Math.max(...others.map((node) => node.app.height))
  for (let round = 0; round < 2_000 && best() < world.checker.chain.length; round += 1) {
    runUntil(world, world.now + 5)
  }
}

function lose(world: World, node: SimNode): void {
  fired(world.plan, 'F35')
  crashNode(world, node)
  node.halted = 'LOST'
}

// L8: too few are left, so nothing becomes final, however long it lasts. Blocks on their way may still
// land.
function checkHalted(world: World): void {
  runUntil(world, world.now + 1_000)
  const height = world.checker.chain.length
  runUntil(world, world.now + 10_000)
  if (world.checker.chain.length !== height) throw new SimFailure('L8', 'a block without a quorum')
}

/** Survivors agree on the highest certified block and take the manifest; who lacks blocks fetches them. */
function recover(world: World, left: SimNode): SimRecovery {
  const survivors = world.nodes.filter((node) => node.halted === '' && node !== left)
  const best = survivors.reduce((high, node) => (node.app.height > high.app.height ? node : high))
  // The one that left early may be named too: it votes again when it has followed to the base.
  const named = world.random.chance(0.5) ? [...survivors.slice(-4), left] : survivors.slice(-4)
  const members = named.map(({ index }) => ({ index, rotation: 0 }))
  const manifest: SimRecovery = {
    ...{ epoch: 1, baseHeight: best.app.height, baseHash: tipHashOf(best) },
    ...{ validators: validatorSetOf(members), members },
  }
  if (accepts(best, { ...manifest, baseHeight: manifest.baseHeight - 1 }))
    throw new SimFailure('S8', 'a manifest below the own finalized height was taken')
  if (accepts(best, { ...manifest, baseHash: tipHashOf(left) }) && best.app.height !== left.app.height)
    throw new SimFailure('S1', 'a manifest of another branch was taken')
  const agreed = world.checker.chain[manifest.baseHeight - 1]
  world.checker.epoch = manifest.epoch
  const state = { ...agreed.outcome.state, next: members, afterNext: members }
  world.checker.chain[manifest.baseHeight - 1] = { ...agreed, outcome: { ...agreed.outcome, state } }
  for (const node of survivors) {
    crashNode(world, node)
    install(node, manifest)
    after(world, world.random.between(0, 500), () => startNode(world, node))
  }
  return manifest
}

const tipHashOf = ({ disk }: SimNode): Uint8Array =>
  disk.blocks.at(-1)?.final.certificate.blockHash ?? new Uint8Array(32)

/** As runtime/execution/recovery.ts: a higher epoch, at the own height on the own branch, or above it. */
function accepts(node: SimNode, { epoch, baseHeight, baseHash }: SimRecovery): boolean {
  if (epoch <= node.epoch || baseHeight < node.app.height) return false
  return baseHeight > node.app.height || equalBytes(baseHash, tipHashOf(node))
}

function install(node: SimNode, manifest: SimRecovery): void {
  if (!accepts(node, manifest)) throw new SimFailure('L1', `node ${node.slot} refuses the manifest`)
  node.recoveries = [manifest]
  node.epoch = manifest.epoch
}

/** The keys that were given up appear again, in the old epoch: their votes reach everybody and count
 * nowhere. */
function comeBack(world: World, nodes: readonly SimNode[]): void {
  for (const node of nodes) {
    node.halted = ''
    startNode(world, node)
    fired(world.plan, 'F35')
  }
}

function checkOldEpoch(world: World, old: readonly SimNode[]): void {
  const recovered = world.nodes.filter((node) => node.epoch === 1)
  const height = Math.max(...recovered.map((node) => node.app.height))
  const [{ baseHeight }] = recovered[0].recoveries
  if (height < world.checker.chain.length || height === baseHeight) {
    throw new SimFailure('L1', `after the recovery the chain stands at ${height}`)
  }
  for (const node of old) {
    if (node.app.height > baseHeight) throw new SimFailure('S1', 'the old epoch went on')
  }
}

/** They hear of the manifest: stopped, and started again with it by whoever runs them. */
function tell(world: World, manifest: SimRecovery, old: readonly SimNode[]): void {
  for (const node of old) {
    crashNode(world, node)
    install(node, manifest)
    after(world, world.random.between(100, 1_000), () => startNode(world, node))
  }
}

/** Who took the manifest follows across the base; that it reaches the tip is asked at the end (L4). */
function checkTold(world: World, old: readonly SimNode[]): void {
  for (const node of old) {
    if (node.halted !== '') throw new SimFailure('L4', `node ${node.slot} halted: ${node.halted}`)
  }
  for (const node of world.nodes) if (node.halted === 'LOST') node.isCorrect = false
}
