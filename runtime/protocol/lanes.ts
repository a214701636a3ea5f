// Priority classes, and the table that says which transaction travels in which. The lane is not in a
// transaction: it follows from record kind and code, or target and method, and from who signs. The table is
// state; governance changes it by `setLanes`.
import type { Schema } from './borsh.js'
import { entityKind } from './entity.js'
import { recordKind } from './record.js'
import type { Transaction } from './transaction.js'

export const laneNames = ['system', 'emergency', 'clinical', 'operational', 'bulk'] as const
export type Lane = 0 | 1 | 2 | 3 | 4
export const laneCount = laneNames.length
export const lane = { system: 0, emergency: 1, clinical: 2, operational: 3, bulk: 4 } as const

/** Share of a block's bytes, fuel and count that a lane and all lanes below it may fill, in percent. */
export const laneSharePercentMax: readonly number[] = [100, 100, 80, 50, 25]
/**
 * The system lane goes before emergencies, so it has a bound of its own: its first transaction may take
 * `first` percent of a block's bytes and fuel, all of them together `all` percent (also of the count) unless
 * the first alone is larger. What is left is an emergency's, whoever floods.
 */
export const systemSharePercentMax = { first: 75, all: 25 } as const

/**
 * What governance says of a sender's urgency: a `restricted` one (a stuck sensor) has no emergencies, an
 * `urgent` one (a bedside monitor of an intensive care unit) has its vital signs treated as such.
 */
export const priority = { restricted: 0, standard: 1, urgent: 2 } as const

/** Who signs, as far as lanes go. */
export interface LaneSender {
  /** Number of `entityKind`. */
  kind: number
  /** Number of `priority`. */
  priority: number
}

interface LaneRule {
  /** Bit k: senders of entity kind k. */
  senders: number
  /** The least `priority` of a sender that this row is for. */
  priority: number
  lane: number
}
export interface RecordLaneRule extends LaneRule {
  /** Record kind; 0: every kind. */
  kind: number
  /** Header code; empty: every code. */
  code: string
}
export interface CallLaneRule extends LaneRule {
  target: string
  /** Empty: every method. */
  method: string
}

/** The first row that fits decides; what no row names is operational. */
export interface LaneTable {
  records: RecordLaneRule[]
  calls: CallLaneRule[]
}

/** Rows of one half of the table: bounds what one transaction's lane may cost. */
export const laneRulesMax = 128

const ruleFields: [string, Schema][] = [
  ['senders', 'u16'],
  ['priority', 'u8'],
  ['lane', 'u8'],
]
export const laneTableSchema: Schema = {
  struct: [
    ['records', { vec: { struct: [['kind', 'u8'], ['code', 'string'], ...ruleFields] } }],
    ['calls', { vec: { struct: [['target', 'string'], ['method', 'string'], ...ruleFields] } }],
  ],
}

const everybody = 0xffff
const bitOf = (kind: number): number => 1 << kind
const devices = bitOf(entityKind.source) | bitOf(entityKind.gateway)
const services = bitOf(entityKind.service)
const standard = { senders: everybody, priority: priority.restricted }
/** Who governs and reports on nodes. Calls of others to the same targets have no reason to go first. */
const governing = {
  senders: bitOf(entityKind.person) | bitOf(entityKind.node),
  priority: priority.restricted,
}

/** Temperature, pressures, pulse, respiration, saturation, oxygen, consciousness: what sepsis shows in. */
const vitalCodes = [
  ...['8310-5', '8480-6', '8462-4', '8478-0', '8867-4', '9279-1', '59408-5', '2708-6', '3151-8', '80288-4'],
]

/** The table of a new chain. */
export const foundingLaneTable: LaneTable = {
  records: [
    ...[recordKind.observation, recordKind.finding].map((kind) => ({
      ...{ kind, code: 'code-blue', senders: everybody },
      ...{ priority: priority.standard, lane: lane.emergency },
    })),
    {
      ...{ kind: recordKind.observation, code: 'critical-alarm', senders: devices },
      ...{ priority: priority.standard, lane: lane.emergency },
    },
    ...vitalCodes.map((code) => ({
      ...{ kind: recordKind.observation, code, senders: devices },
      ...{ priority: priority.urgent, lane: lane.emergency },
    })),
    // Services import and export; nobody stands at a bed waiting for one.
    { kind: 0, code: '', senders: services, priority: priority.restricted, lane: lane.bulk },
    ...[
      recordKind.observation,
      recordKind.finding,
      recordKind.alertResponse,
      recordKind.order,
      recordKind.orderEvent,
      recordKind.admission,
      recordKind.sourceMessage,
    ].map((kind) => ({ kind, code: '', lane: lane.clinical, ...standard })),
  ],
  calls: [
    // A vendor's upload is large and never urgent; it must not travel in front of an emergency.
    { target: 'ward/governance', method: 'deploy', lane: lane.operational, ...standard },
    { target: 'ward/governance', method: '', lane: lane.system, ...governing },
    { target: 'ward/policy', method: '', lane: lane.system, ...governing },
    { target: 'ward/appliance', method: '', lane: lane.system, ...governing },
    { target: 'ward/alerts', method: '', lane: lane.clinical, ...standard },
    { target: 'ward/orders', method: '', lane: lane.clinical, ...standard },
  ],
}

/** A transaction with records of several lanes takes the lowest. */
export function laneIn(table: LaneTable, { action }: Transaction, sender: LaneSender): Lane {
  if (action.type === 'call') {
    const rule = table.calls.find(
      ({ target, method, ...rest }) =>
        target === action.target && (method === '' || method === action.method) && isFor(rest, sender),
    )
    return (rule?.lane ?? lane.operational) as Lane
  }
  let lowest: Lane = lane.system
  for (const record of action.records) {
    const rule = table.records.find(
      (row) =>
        (row.kind === record.kind || row.kind === 0) &&
        (row.code === record.code || row.code === '') &&
        isFor(row, sender),
    )
    const own = rule?.lane ?? lane.operational
    if (own > lowest) lowest = own as Lane
  }
  return lowest
}

const isFor = (rule: LaneRule, sender: LaneSender): boolean =>
  (rule.senders & bitOf(sender.kind)) !== 0 && sender.priority >= rule.priority
