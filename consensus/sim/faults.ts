// The fault catalogue of the consensus reference, section 11: each fault has a switch and a counter that
// shows that it really happened.

import type { Random } from './random.js'

export const faultCatalogue = {
  F1: 'loss, heavy-tailed delay, reordering, duplication',
  F2: 'partitions: split, one-way, bridge, swizzle, isolated leader, majority ring, per view',
  F3: 'a peer a thousand times slower, or with a narrow uplink',
  F4: 'half-open connections',
  F5: 'staggered cold start',
  F6: 'reconnects that lose what is in flight',
  F7: 'replayed messages, also from another epoch',
  F8: 'malformed, truncated and foreign bytes',
  F9: 'flooding with far heights and views',
  F10: 'clock skew, drift, jumps, a clock that stands still',
  F11: 'stalled event loop, late timers in bursts',
  F12: 'suspend and resume',
  F13: 'crash between any two actions',
  F14: 'unsynced writes lost, fsync fails once',
  F15: 'damaged safety record, truncated log of blocks',
  F16: 'slow or full disk',
  F17: 'store full until somebody enlarges it; reader slots leaked until a restart',
  F18: 'restore of an old backup; cloned machine with the same key',
  F19: 'power loss of the whole site',
  F20: 'equivocating leader',
  F21: 'silent leader, leader just under the timeout',
  F22: 'leader that censors',
  F23: 'invalid blocks',
  F24: 'double and wrong votes',
  F25: 'withheld votes',
  F26: 'forged, old and mixed certificates',
  F27: 'spurious view changes',
  F28: 'late VIEW-CHANGEs and proposals',
  F29: 'forged catch-up',
  F30: 'twins: copies of one key',
  F31: 'small mutations of honest messages',
  F32: 'members added, removed, keys rotated',
  F33: 'a new member that is down and lacks blocks',
  F34: 'mixed versions; an activation height missed by one',
  F35: 'more than f lost, recovery by manifest, nodes from before the fork (--recovery)',
  F36: 'observers that join at once, or again by snapshot',
  F37: 'a replica with another result',
  F38: 'fuel that ends exactly at a cap; a transaction that traps half-way',
  F39: 'an emergency while bulk traffic saturates',
  F40: 'clients that send to one, to all, and again',
} as const

export type FaultId = keyof typeof faultCatalogue
export const faultIds = Object.keys(faultCatalogue) as FaultId[]

/** Faults that make a node Byzantine or lame: together they stay within f nodes. */
export const nodeFaultIds: readonly FaultId[] = [
  'F9',
  'F20',
  'F21',
  'F22',
  'F23',
  'F24',
  'F25',
  'F26',
  'F27',
  'F28',
  'F29',
  'F30',
  'F31',
]

export interface FaultPlan {
  readonly enabled: ReadonlySet<FaultId>
  readonly counters: Map<FaultId, number>
}

/** Each seed gets its own mixture; `only` and `without` narrow it. */
export function planFaults(
  random: Random,
  options: {
    readonly only: readonly FaultId[]
    readonly without: readonly FaultId[]
    readonly byzantine: boolean
  },
): FaultPlan {
  const enabled = new Set<FaultId>()
  for (const id of faultIds) {
    const isNodeFault = nodeFaultIds.includes(id)
    const probability = isNodeFault ? 0.35 : 0.5
    const isDrawn = random.chance(probability)
    const isAllowed = options.only.length === 0 ? isDrawn : options.only.includes(id)
    if (isAllowed && !options.without.includes(id) && (!isNodeFault || options.byzantine)) enabled.add(id)
  }
  return { enabled, counters: new Map() }
}

export function isOn(plan: FaultPlan, id: FaultId): boolean {
  return plan.enabled.has(id)
}

/** Counts that the fault happened. */
export function fired(plan: FaultPlan, id: FaultId): void {
  plan.counters.set(id, (plan.counters.get(id) ?? 0) + 1)
}
