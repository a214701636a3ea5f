// The simulated network: at most once or twice, in any order, after any time, or never.

import { fired, isOn, type FaultId, type FaultPlan } from './faults.js'
import type { WireMessage } from '../pbft/types.js'
import type { Random } from './random.js'

/** ByzzFuzz's partitions: they belong to views, not to times, so a view change does not get around them. */
export interface PerView {
  readonly until: number
  readonly salt: number
  /**
   * `split`: two sides, others in each view. `muted`: only the proposals are lost, so view after view begins
   * and fails. `hidden`: votes reach one member, another one in each view, whose VIEW-CHANGE is lost: locks
   * that the next leader does not see, and then several different ones at once.
   */
  readonly kind: 'split' | 'muted' | 'hidden'
  readonly members: number
}

export interface Network {
  readonly random: Random
  readonly plan: FaultPlan
  /** Blocked direction `from/to`, and by which fault. */
  readonly blocked: Map<string, FaultId>
  /** F3: bytes that a node's uplink carries in a millisecond, and when it has sent what it was given. */
  readonly uplinks: Map<number, { readonly bytesPerMs: number; busyUntil: number }>
  /** F2: other links are cut in each view, until then. */
  perView: PerView | null
  /** Extra one-way delay of a node's links, milliseconds. */
  readonly slow: Map<number, number>
  /** Raised at a reconnect: what was sent before is lost. */
  readonly incarnation: Map<string, number>
  /** False in liveness mode: links of the core group deliver. */
  isFaulty: boolean
  readonly lossProbability: number
  readonly delayMeanMs: number
}

export function createNetwork(random: Random, plan: FaultPlan): Network {
  const isLossy = isOn(plan, 'F1')
  return {
    random,
    plan,
    blocked: new Map(),
    uplinks: new Map(),
    perView: null,
    slow: new Map(),
    incarnation: new Map(),
    isFaulty: true,
    lossProbability: isLossy ? random.pick([0.005, 0.02, 0.05, 0.15]) : 0,
    delayMeanMs: isLossy ? random.pick([1, 5, 20, 60]) : 2,
  }
}

export const linkOf = (from: number, to: number): string => `${from}/${to}`

/** F2: lost because of the view it belongs to. VIEW-CHANGEs of most pass, or no view would follow. */
export function isCutInView(
  { perView, isFaulty }: Network,
  now: number,
  link: { readonly from: number; readonly to: number },
  message: WireMessage,
): boolean {
  if (perView === null || !isFaulty || now >= perView.until) return false
  const { type } = message
  const isVote = type === 'prepare' || type === 'commit'
  const holderIn = (view: number) => (perView.salt + view) % perView.members
  if (perView.kind === 'hidden') {
    if (type === 'viewChange') return link.from === holderIn(message.view - 1)
    return isVote && link.to !== holderIn(message.view)
  }
  if (type !== 'proposal' && !isVote) return false
  if (perView.kind === 'muted') return type === 'proposal'
  const sideOf = (slot: number) => (Math.imul(slot + 1, perView.salt + message.view * 7 + 3) >>> 4) % 2
  return sideOf(link.from) !== sideOf(link.to)
}

/** Delays of the copies that will arrive, milliseconds; empty when the message is lost. */
export function transmit(network: Network, from: number, to: number): number[] {
  const { random, plan } = network
  const blockedBy = network.blocked.get(linkOf(from, to))
  if (blockedBy !== undefined) {
    fired(plan, blockedBy)
    return []
  }
  const base = 0.2 + random.exponential(network.isFaulty ? network.delayMeanMs : 2)
  if (!network.isFaulty) return [base]
  if (random.chance(network.lossProbability)) {
    fired(plan, 'F1')
    return []
  }
  const slow = (network.slow.get(from) ?? 0) + (network.slow.get(to) ?? 0)
  if (slow > 0) fired(plan, 'F3')
  let delay = base + slow
  if (isOn(plan, 'F1') && random.chance(0.01)) {
    fired(plan, 'F1')
    delay += random.exponential(800)
  }
  if (!isOn(plan, 'F1') || !random.chance(0.02)) return [delay]
  fired(plan, 'F1')
  return [delay, delay + random.exponential(200)]
}

/** Blocks every link between the two groups, in one direction or both. */
export function cut(
  network: Network,
  left: readonly number[],
  right: readonly number[],
  oneWay: boolean,
  cause: FaultId = 'F2',
): void {
  for (const from of left) {
    for (const to of right) {
      if (from === to) continue
      network.blocked.set(linkOf(from, to), cause)
      if (!oneWay) network.blocked.set(linkOf(to, from), cause)
    }
  }
}

export function heal(network: Network): void {
  network.blocked.clear()
  network.slow.clear()
  network.uplinks.clear()
}

/** A transaction of the simulation is 8 bytes; a real one, with its block's bodies, a hundred times that. */
const payloadScale = 100
/** What counts as slow: several times a usual delay. */
const slowUplinkMs = 10

function bytesOf(message: WireMessage): number {
  if (message.type === 'proposal' || message.type === 'body')
    return message.block.payload.length * payloadScale
  if (message.type !== 'blocks') return 0
  return message.blocks.reduce((sum, { block }) => sum + block.payload.length * payloadScale, 0)
}

/** F3: large messages leave a narrow uplink one after the other. What they wait, milliseconds. */
export function uplinkDelay(network: Network, now: number, from: number, message: WireMessage): number {
  const uplink = network.uplinks.get(from)
  const bytes = bytesOf(message)
  if (uplink === undefined || bytes === 0 || !network.isFaulty) return 0
  uplink.busyUntil = Math.max(now, uplink.busyUntil) + bytes / uplink.bytesPerMs
  const waitMs = uplink.busyUntil - now
  if (waitMs > slowUplinkMs) fired(network.plan, 'F3')
  return waitMs
}

/** F6: what is in flight on this link is lost. */
export function reconnect(network: Network, from: number, to: number): void {
  for (const link of [linkOf(from, to), linkOf(to, from)]) {
    network.incarnation.set(link, (network.incarnation.get(link) ?? 0) + 1)
  }
}
