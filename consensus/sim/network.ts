// The simulated network: at most once or twice, in any order, after any time, or never.

import { fired, isOn, type FaultPlan } from './faults.js'
import type { Random } from './random.js'

export interface Network {
  readonly random: Random
  readonly plan: FaultPlan
  /** Blocked direction `from/to`. */
  readonly blocked: Set<string>
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
    slow: new Map(),
    incarnation: new Map(),
    isFaulty: true,
    lossProbability: isLossy ? random.pick([0.005, 0.02, 0.05, 0.15]) : 0,
    delayMeanMs: isLossy ? random.pick([1, 5, 20, 60]) : 2,
  }
}

export const linkOf = (from: number, to: number): string => `${from}/${to}`

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
}

/** F6: what is in flight on this link is lost. */
export function reconnect(network: Network, from: number, to: number): void {
  for (const link of [linkOf(from, to), linkOf(to, from)]) {
    network.incarnation.set(link, (network.incarnation.get(link) ?? 0) + 1)
  }
}
