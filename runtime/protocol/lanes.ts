// Priority classes. The lane is not in a transaction: it follows from record kind or method, by table.
import { recordKind } from './record.js'

export const laneNames = ['system', 'emergency', 'clinical', 'operational', 'bulk'] as const
export type Lane = 0 | 1 | 2 | 3 | 4
export const laneCount = laneNames.length
export const lane = { system: 0, emergency: 1, clinical: 2, operational: 3, bulk: 4 } as const

/** Share of a block's bytes that a lane and all lanes below it may fill, in percent. */
export const laneSharePercentMax: readonly number[] = [100, 100, 80, 50, 25]

/** Lane of one record kind. */
export function laneOfRecord(kind: number): Lane {
  switch (kind) {
    case recordKind.observation:
    case recordKind.finding:
    case recordKind.alertResponse:
    case recordKind.order:
    case recordKind.orderEvent:
    case recordKind.admission:
    case recordKind.sourceMessage:
      return lane.clinical
    default:
      return lane.operational
  }
}

/** Lane of a contract call. */
export function laneOfCall(target: string): Lane {
  if (target === 'ward/governance' || target === 'ward/policy' || target === 'ward/appliance')
    return lane.system
  if (target === 'ward/alerts' || target === 'ward/orders') return lane.clinical
  return lane.operational
}
