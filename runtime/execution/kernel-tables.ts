// The kernel's own tables: names, keys and row layouts. Everything here is under the state root except the
// index tables at the end, which are rebuilt from `$record`.
import { concatBytes } from '../protocol/bytes.js'
import { decodeBorsh, encodeBorsh, type Schema } from '../protocol/borsh.js'
import { assert } from '../protocol/result.js'

export const store = {
  /** Entity id -> kind, label, key ids. */
  entity: '$entity',
  /** Key id -> entity, kind, revoked, public key. */
  key: '$key',
  /** Key id ‖ stream u8 -> replay window. */
  sequence: '$sequence',
  /** Alias utf8 -> active version and its history. */
  alias: '$alias',
  /** Address -> what was deployed there. */
  code: '$code',
  /** Address -> who approved that version, and when. */
  approval: '$approval',
  /** Entity ‖ kind ‖ public key -> the person who asked first that this key be enrolled, and when. */
  enrolment: '$enrolment',
  /** SHA-256 of a manifest, module or page that the chain keeps -> its length u32 LE. */
  attachment: '$attachment',
  /** Alias ‖ table u8 -> migrate version u16 LE of the code that first wrote the table. */
  table: '$table',
  /** Record kind u8 -> subscriptions of the active versions. */
  trigger: '$trigger',
  timer: '$timer',
  /** Derived work carried over to the next block. */
  queue: '$queue',
  /** Record id -> header, author, transaction, height, time, number. */
  record: '$record',
  /** Patient -> count, hash chain, status. */
  patient: '$patient',
  /** `onlyKey`: the set of the next block; `pendingKey`: a change that has not taken effect. */
  validator: '$validator',
  /** Nodes of the network, see node-registry.ts. */
  node: '$node',
  /** Tickets that admit nodes, see tickets.ts. */
  ticket: '$ticket',
  chain: '$chain',
  /** Source entity -> fuel spent by each rule on its behalf. */
  budget: '$budget',
  /** Alias -> recent failures, quarantine. */
  health: '$health',
  /** Entity id -> credit left, and what governance granted (credit.ts). */
  credit: '$credit',
  /** One row: which transaction travels in which lane (protocol/lanes.ts). */
  lanes: '$lanes',
} as const

/** Single-row tables use this key. */
export const onlyKey: Uint8Array = new Uint8Array(0)

export const entityRow: Schema = {
  struct: [
    ['kind', 'u8'],
    ['label', 'string'],
    ['keys', { vec: { fixed: 16 } }],
  ],
}
export interface EntityRow {
  kind: number
  label: string
  keys: Uint8Array[]
}

export const aliasRow: Schema = {
  struct: [
    ['active', { fixed: 32 }],
    /** Oldest first; a roll-back is an entry of its own. */
    [
      'history',
      {
        vec: {
          struct: [
            ['address', { fixed: 32 }],
            ['migrateVersion', 'u16'],
            ['height', 'u64'],
          ],
        },
      },
    ],
  ],
}
export interface AliasRow {
  active: Uint8Array
  history: { address: Uint8Array; migrateVersion: number; height: bigint }[]
}

export const codeRow: Schema = {
  struct: [
    ['alias', 'string'],
    ['manifest', { fixed: 32 }],
    ['code', { fixed: 32 }],
    ['vendor', { fixed: 32 }],
    ['height', 'u64'],
  ],
}
export interface CodeRow {
  alias: string
  manifest: Uint8Array
  code: Uint8Array
  vendor: Uint8Array
  height: bigint
}

export const approvalRow: Schema = {
  struct: [
    ['approver', { fixed: 32 }],
    ['height', 'u64'],
  ],
}
export interface ApprovalRow {
  /** A person; the kernel's entity for what the chain was founded with. */
  approver: Uint8Array
  height: bigint
}

/** `$table` at `onlyKey`: tables that are bound to patients, in the order in which they became so. */
export const boundTablesRow: Schema = {
  vec: {
    struct: [
      ['alias', 'string'],
      ['table', 'u8'],
    ],
  },
}
export interface BoundTable {
  alias: string
  table: number
}

/** Sorted by (priority, address, method). */
export const triggerRow: Schema = {
  vec: {
    struct: [
      ['priority', 'u16'],
      ['address', { fixed: 32 }],
      ['method', 'string'],
      ['alias', 'string'],
      ['codes', { vec: 'string' }],
    ],
  },
}
export interface TriggerEntry {
  priority: number
  address: Uint8Array
  method: string
  alias: string
  codes: string[]
}

/**
 * Value of `$timer`: ordered table 0, empty partition, by due time; while the alias is quarantined in table
 * 1, partition alias, by the due time it had.
 */
export const timerRow: Schema = {
  struct: [
    ['id', { fixed: 32 }],
    ['alias', 'string'],
    ['source', { fixed: 32 }],
    ['patient', { fixed: 16 }],
    ['method', 'string'],
    ['fuel', 'u64'],
    ['args', 'bytes'],
  ],
}
export interface TimerRow {
  id: Uint8Array
  alias: string
  /** Who signed what led to it, through any number of timers: whose failure it is when it fails. */
  source: Uint8Array
  /** Whom the run that set it was about; zero: nobody. What the timer runs is about the same patient. */
  patient: Uint8Array
  method: string
  fuel: bigint
  args: Uint8Array
}
/** `$timer` point key = timer id: where its row lies. */
export const timerPlaceRow: Schema = {
  struct: [
    ['due', 'u64'],
    /** 1: in table 1, for as long as the alias is quarantined. */
    ['parked', 'u8'],
    ['sequence', 'u32'],
    ['alias', 'string'],
    ['patient', { fixed: 16 }],
    ['method', 'string'],
  ],
}
export interface TimerPlaceRow {
  due: bigint
  parked: number
  sequence: number
  alias: string
  patient: Uint8Array
  method: string
}

/** Value of `$queue`: ordered table 0, partition = lane u8, by height of queueing. */
export const queueRow: Schema = {
  struct: [
    ['parent', { fixed: 32 }],
    ['address', { fixed: 32 }],
    ['method', 'string'],
    ['alias', 'string'],
    ['patient', { fixed: 16 }],
    ['source', { fixed: 32 }],
    ['generation', 'u8'],
    ['records', { vec: { fixed: 32 } }],
  ],
}
export interface QueueRow {
  parent: Uint8Array
  address: Uint8Array
  method: string
  alias: string
  patient: Uint8Array
  source: Uint8Array
  generation: number
  records: Uint8Array[]
}

export const validatorRow: Schema = {
  vec: {
    struct: [
      ['entity', { fixed: 32 }],
      ['voteKey', { fixed: 32 }],
    ],
  },
}

/** `$validator` at `pendingKey`: the set that signs from this height on. */
export const pendingKey: Uint8Array = new Uint8Array([1])
export const pendingRow: Schema = {
  struct: [
    ['height', 'u64'],
    ['validators', validatorRow],
  ],
}

/** `$chain` at `institutionKey`, absent on a chain without institution keys. */
export const institutionKey: Uint8Array = new Uint8Array([2])
export const institutionRow: Schema = {
  struct: [
    ['threshold', 'u8'],
    ['keys', { vec: { fixed: 32 } }],
  ],
}

/** `$chain` at the empty key: what never changes, and versions of the rules in force. */
export const chainRow: Schema = {
  struct: [
    ['chainId', { fixed: 32 }],
    ['leafSalt', { fixed: 32 }],
    ['epoch', 'u32'],
    ['appVersion', 'u16'],
    ['fuelSchedule', 'u16'],
    ['instrumenter', 'u16'],
    ['genesisTime', 'u64'],
  ],
}
export interface ChainRow {
  chainId: Uint8Array
  leafSalt: Uint8Array
  epoch: number
  appVersion: number
  fuelSchedule: number
  instrumenter: number
  genesisTime: bigint
}

/** `$chain` at `plannedVersionsKey`: what the block of this height and those after it run under. */
export const plannedVersionsKey: Uint8Array = new Uint8Array([3])
export const plannedVersionsRow: Schema = {
  struct: [
    ['fuelSchedule', 'u16'],
    ['instrumenter', 'u16'],
    ['height', 'u64'],
  ],
}
export interface PlannedVersions {
  fuelSchedule: number
  instrumenter: number
  height: bigint
}

/** `$chain` at `headKey`: height and time of the last block. */
export const headKey: Uint8Array = new Uint8Array([1])
export const headRow: Schema = {
  struct: [
    ['height', 'u64'],
    ['time', 'u64'],
  ],
}
export interface HeadRow {
  height: bigint
  time: bigint
}

/**
 * `$budget` at a source's entity id; a rule that is not listed has its full budget. The budget of an alias'
 * timers lies alone at a text of more than 32 bytes.
 */
export const budgetRow: Schema = {
  vec: {
    struct: [
      ['alias', 'string'],
      ['fuel', 'u64'],
      ['time', 'u64'],
    ],
  },
}
export interface BudgetEntry {
  alias: string
  fuel: bigint
  time: bigint
}

/**
 * `$health` at an alias: failures of late, newest last, and since when it is quarantined (0: it is not).
 */
export const healthRow: Schema = {
  struct: [
    ['quarantinedAt', 'u64'],
    [
      'failures',
      {
        vec: {
          struct: [
            ['time', 'u64'],
            ['source', { fixed: 32 }],
            ['patient', { fixed: 16 }],
            ['status', 'u16'],
          ],
        },
      },
    ],
  ],
}
export interface HealthRow {
  quarantinedAt: bigint
  failures: { time: bigint; source: Uint8Array; patient: Uint8Array; status: number }[]
}

/** Index tables, outside the tree, all under the store name `$record`; the value is a record id. */
export const recordIndex = {
  /** patient ‖ kind u8 ‖ code utf8, by effective time. */
  codeTime: 1,
  /** patient ‖ kind u8, by effective time. */
  kindTime: 2,
  /** patient, by number. */
  number: 3,
  /** kind u8, by arrival height. */
  kindArrival: 4,
} as const

/** Index tables under the store name `$code`. */
export const codeIndex = {
  /** Empty partition, by height of the first deployment: alias utf8. */
  aliases: 1,
  /** Alias utf8, by height of deployment: address. */
  byAlias: 2,
} as const

export const codeTimePartition = (patient: Uint8Array, kind: number, code: Uint8Array): Uint8Array =>
  concatBytes(patient, new Uint8Array([kind]), code)

export const kindTimePartition = (patient: Uint8Array, kind: number): Uint8Array =>
  concatBytes(patient, new Uint8Array([kind]))

/** Rows are ours: one that does not fit its schema is a bug or a damaged store, never input. */
export function encodeRow(schema: Schema, value: unknown): Uint8Array {
  const encoded = encodeBorsh(schema, value)
  assert(encoded.ok, 'a kernel row fits its schema')
  return encoded.value
}

export function decodeRow<T>(schema: Schema, bytes: Uint8Array): T {
  const decoded = decodeBorsh(schema, bytes)
  assert(decoded.ok, 'a kernel row decodes by its schema')
  return decoded.value as T
}
