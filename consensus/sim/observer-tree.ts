// F36, L7 and section 10 of the consensus reference: up to a thousand observers under four validators,
// in two levels. Every follower runs the real core and the driver's own choice of upstream and catch-up;
// relays die, hold blocks back and lie about their height. Nobody may stay behind, and nobody may show
// what is not final.

import { CatchUp } from '../driver/catch-up.js'
import { subscribersMax } from '../driver/limits.js'
import { UpstreamChoice } from '../driver/upstream.js'
import { bytesToHex } from '../../runtime/protocol/bytes.js'
import { transactionKinds } from './app.js'
import { distribute } from './delivery.js'
import { fired } from './faults.js'
import { crashNode, startNode } from './node.js'
import { createWorld, runUntil, simDefaults, verdictOf, type Verdict } from './run.js'
import { register, submit } from './schedule.js'
import { after, PrefixEnd, SimFailure, type SimNode, type Watch, type World } from './world.js'

/** What the tree adds to the world: hooks that node.ts calls, one follower's bookkeeping per observer. */
export interface ObserverTree {
  onFinal(node: SimNode): void
  onBlocks(node: SimNode, heights: readonly number[]): void
  /** Who has a connection to this node, as a follower. */
  followersOf(slot: number): readonly SimNode[]
}

interface Follower {
  readonly node: SimNode
  /** Slots that it dials: for a relay validators, for a leaf relays, always under different validators. */
  readonly sources: readonly number[]
  readonly choice: UpstreamChoice
  readonly catchUp: CatchUp<number>
  readonly claims: Map<number, number>
  upstream: number | null
}

export interface TreeVerdict extends Verdict {
  readonly observers: number
  /** From a block being final at the first validator to the last healthy follower having it: worst,
   * calm. */
  readonly lagMsMax: number
  readonly calmLagMsMax: number
  readonly fanOutMax: number
  readonly switches: number
}

interface Tree extends ObserverTree {
  readonly world: World
  readonly followers: Map<number, Follower>
  readonly subscribers: Map<number, Set<number>>
  /** Relays that push nothing though they are subscribed to; they go on telling how high the chain is. */
  readonly withholding: Set<number>
  /** Height → when it was first final anywhere. */
  readonly finalAt: Map<number, number>
  fanOutMax: number
  switches: number
}

const relayShare = 32
const upkeepMs = 250
/** Two switches of upstream (1 s each), a request and slack: what a follower may be behind after a
 * fault. */
const lagMsLimit = 3_000
const settleMs = 5_000

export interface TreeOptions {
  readonly seed: number
  readonly observers: number
}

export function runObserverTree({ seed, observers }: TreeOptions, watch: Watch = {}): TreeVerdict {
  const world = createWorld({ ...simDefaults, seed, observers, only: ['F36'], ...watch })
  const tree = growTree(world, observers)
  world.tree = tree
  let [invariant, detail] = ['', '']
  let calmLagMs = 0
  let lagMs = 0
  try {
    for (const node of world.nodes) after(world, world.random.between(0, 400), () => startNode(world, node))
    feedClients(world)
    runUntil(world, settleMs)
    calmLagMs = lagOf(tree)
    strike(tree)
    let worstLagMs = 0
    while (world.now < settleMs * 3) {
      runUntil(world, world.now + upkeepMs)
      worstLagMs = Math.max(worstLagMs, lagOf(tree))
    }
    lagMs = worstLagMs
    if (lagMs > lagMsLimit) throw new SimFailure('L7', `a follower was behind for ${lagMs} ms`)
    checkAllAtTip(tree)
  } catch (error) {
    if (error instanceof SimFailure) [invariant, detail] = [error.invariant, error.detail]
    else if (!(error instanceof PrefixEnd)) throw error
  }
  return {
    ...verdictOf(world, invariant, detail),
    observers,
    ...{ lagMsMax: Math.round(lagMs), calmLagMsMax: Math.round(calmLagMs) },
    ...{ fanOutMax: tree.fanOutMax, switches: tree.switches },
  }
}

// ------------------------------------------------------------------------------------------- building it

function growTree(world: World, observers: number): Tree {
  const relayCount = Math.max(2, Math.ceil(observers / (relayShare - 1)))
  const tree: Tree = {
    ...{ world, followers: new Map(), subscribers: new Map(), withholding: new Set(), finalAt: new Map() },
    ...{ fanOutMax: 0, switches: 0 },
    onFinal: (node) => push(tree, node),
    onBlocks: (node, heights) => tree.followers.get(node.slot)?.catchUp.received(heights),
    followersOf: (slot) =>
      [...tree.followers.values()].filter(({ sources }) => sources.includes(slot)).map(({ node }) => node),
  }
  const observing = world.nodes.filter(({ slot }) => slot >= world.options.validators)
  observing.forEach((node, at) => {
    const isRelay = at < relayCount
    const first = isRelay ? at % 4 : 4 + (at % relayCount)
    const second = isRelay ? (at + 1) % 4 : 4 + ((at + 1) % relayCount)
    plant(tree, node, [first, second])
  })
  return tree
}

function plant(tree: Tree, node: SimNode, sources: readonly number[]): void {
  const choice = new UpstreamChoice(bytesToHex(node.entity))
  const catchUp = new CatchUp<number>()
  const follower = { node, sources, choice, catchUp, claims: new Map<number, number>(), upstream: null }
  tree.followers.set(node.slot, follower)
  const look = () => {
    upkeep(tree, follower)
    after(tree.world, upkeepMs, look)
  }
  after(tree.world, tree.world.random.between(0, upkeepMs), look)
}

// --------------------------------------------------------------------------------------- what a
// follower does

/** As the driver: choose, subscribe, ask for what is missing. A dead peer is no candidate. */
function upkeep(tree: Tree, follower: Follower): void {
  const { world } = tree
  const { node, sources, choice, catchUp, claims } = follower
  if (node.core === null) return
  const alive = sources.filter((slot) => world.nodes[slot].core !== null)
  const candidates = alive.map((slot) => ({
    peer: bytesToHex(world.nodes[slot].entity),
    tipHeight: claims.get(slot) ?? 0,
  }))
  const chosen = choice.choose(candidates, node.app.height, world.now)
  const upstream = alive.find((slot) => bytesToHex(world.nodes[slot].entity) === chosen) ?? null
  if (upstream !== follower.upstream) {
    if (follower.upstream !== null) {
      subscribersOf(tree, follower.upstream).delete(node.slot)
      tree.switches += 1
    }
    follower.upstream = upstream
  }
  // Beyond the bound an upstream tells heights only; whoever hears no blocks there turns to another one.
  if (upstream !== null && subscribersOf(tree, upstream).size < subscribersMax) {
    subscribersOf(tree, upstream).add(node.slot)
  }
  const wish = catchUp.next(
    [...alive]
      .sort((left) => (left === upstream ? -1 : 1))
      .map((peer) => ({
        peer,
        tipHeight: claims.get(peer) ?? 0,
      })),
    node.app.height,
    world.now,
  )
  if (wish === null) return
  const { peer, fromHeight, count } = wish
  distribute(world, node, [world.nodes[peer]], { type: 'blockRequest', epoch: 0, fromHeight, count })
}

function subscribersOf(tree: Tree, slot: number): Set<number> {
  const known = tree.subscribers.get(slot) ?? new Set<number>()
  tree.subscribers.set(slot, known)
  return known
}

/** A block is on this node's disk: whole to its subscribers, its height to all who are connected. */
function push(tree: Tree, node: SimNode): void {
  const { world } = tree
  const { height } = node.app
  if (!tree.finalAt.has(height)) tree.finalAt.set(height, world.now)
  const final = node.disk.blocks.at(-1)!.final
  const subscribers = [...subscribersOf(tree, node.slot)].map((slot) => world.nodes[slot])
  tree.fanOutMax = Math.max(tree.fanOutMax, subscribers.length)
  if (!tree.withholding.has(node.slot)) {
    distribute(world, node, subscribers, { type: 'blocks', epoch: 0, blocks: [final] })
  } else if (subscribers.length > 0) fired(world.plan, 'F36')
  for (const follower of tree.followers.values()) {
    if (!follower.sources.includes(node.slot)) continue
    // A relay that withholds a block may as well claim ten more than there are.
    const claimed = height + (tree.withholding.has(node.slot) && world.random.chance(0.3) ? 10 : 0)
    after(world, world.random.between(1, 5), () => {
      follower.claims.set(node.slot, Math.max(claimed, follower.claims.get(node.slot) ?? 0))
    })
  }
}

// ------------------------------------------------------------------------------------------ faults, checks

function feedClients(world: World): void {
  const send = () => {
    submit(
      world,
      register(world, transactionKinds.plain, 0),
      world.nodes.slice(0, world.options.validators),
    )
    if (world.now < settleMs * 2.4) after(world, world.random.between(100, 300), send)
  }
  after(world, 600, send)
}

/** One relay in eight dies for good, one in eight holds blocks back, one validator goes away for a
 * while. */
function strike(tree: Tree): void {
  const { world } = tree
  const relays = [...tree.followers.values()].filter(({ sources }) => sources.every((slot) => slot < 4))
  // Neighbours share leaves: never both sources of one leaf.
  relays.forEach(({ node }, at) => {
    if (at % 8 === 1 && relays.length > 3) crashNode(world, node)
    if (at % 8 === 5 || (relays.length <= 3 && at === 1)) {
      tree.withholding.add(node.slot)
      node.isCorrect = false
    }
  })
  fired(world.plan, 'F36')
  crashNode(world, world.nodes[2])
  after(world, 2_000, () => startNode(world, world.nodes[2]))
}

function healthyFollowers(tree: Tree): SimNode[] {
  return [...tree.followers.values()]
    .map(({ node }) => node)
    .filter((node) => node.core !== null && node.isCorrect)
}

/** The longest time for which a block that some healthy follower still lacks has been final. */
function lagOf(tree: Tree): number {
  let worst = 0
  for (const node of healthyFollowers(tree)) {
    const missingSince = tree.finalAt.get(node.app.height + 1)
    if (missingSince !== undefined) worst = Math.max(worst, tree.world.now - missingSince)
  }
  return worst
}

function checkAllAtTip(tree: Tree): void {
  const tip = tree.world.checker.chain.length
  for (const node of healthyFollowers(tree)) {
    const lagMs = tree.world.now - (tree.finalAt.get(node.app.height + 1) ?? tree.world.now)
    if (node.app.height < tip && lagMs > lagMsLimit / 10) {
      throw new SimFailure(
        'L7',
        `observer n${node.slot} is at ${node.app.height} of ${tip} for ${lagMs} ms`,
      )
    }
  }
  if (tree.fanOutMax > subscribersMax) throw new SimFailure('S17', `fan-out of ${tree.fanOutMax}`)
  if (tip < 10) throw new SimFailure('L1', `${tip} blocks only`)
}
