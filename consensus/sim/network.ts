// The simulated network: at most once or twice, in any order, after any time, or never.

import { fired, isOn, type FaultPlan } from './faults.js'
import type { WireMessage } from '../pbft/types.js'
import type { Random } from './random.js'

/** ByzzFuzz's partitions: they belong to views, not to times, so a view change does not get around them. */
export interface PerView {
  readonly until: number
  readonly salt: number
  /** Only the proposals are lost, those of every view: view after view begins and fails. */
  readonly isMuted: boolean
}

export interface Network {
  readonly random: Random
  readonly plan: FaultPlan
  /** Blocked direction `from/to`. */
  readonly blocked: Set<string>
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
    blocked: new Set(),
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

/** F2: lost because of the view it belongs to. VIEW-CHANGEs pass, or no view would follow. */
export function isCutInView(
  { perView, isFaulty }: Network,
  now: number,
  link: { readonly from: number; readonly to: number },
  message: WireMessage,
): boolean {
  if (perView === null || !isFaulty || now >= perView.until) return false
  const { type } = message
  if (type !== 'proposal' && type !== 'prepare' && type !== 'commit') return false
  if (perView.isMuted) return type === 'proposal'
  const sideOf = (slot: number) => (Math.imul(slot + 1, perView.salt + message.view * 7 + 3) >>> 4) % 2
  return sideOf(link.from) !== sideOf(link.to)
}

/** Delays of the copies that will arrive, milliseconds; empty when the message is lost. */
export function transmit(network: Network, from: number, to: number): number[] {
  const { random, plan } = network
  if (network.blocked.has(linkOf(from, to))) return []
  const base = 0.2 + random.exponential(network.isFaulty ? network.delayMeanMs : 2)
  if (!network.isFaulty) return [base]
  if (random.chance(network.lossProbability)) {
    fired(plan, 'F1')
    return []
  }
  const slow = (network.slow.get(from) ?? 0) + (network.slow.get(to) ?? 0)
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
): void {
  for (const from of left) {
    for (const to of right) {
      if (from === to) continue
      network.blocked.add(linkOf(from, to))
      if (!oneWay) network.blocked.add(linkOf(to, from))
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
  fired(network.plan, 'F3')
  return uplink.busyUntil - now
}

/** F6: what is in flight on this link is lost. */
export function reconnect(network: Network, from: number, to: number): void {
  for (const link of [linkOf(from, to), linkOf(to, from)]) {
    network.incarnation.set(link, (network.incarnation.get(link) ?? 0) + 1)
  }
}
