// Versions as the API tells them: what is deployed, approved and active.
import type { RecordKindName } from '../../runtime/protocol/record.js'
import type { Json, PersonView } from './node-port.js'

export interface RuleSelector {
  kind: RecordKindName
  /** None: every code of that kind. */
  codes: string[]
}

export interface NamedVersion {
  alias: string
  version: string
  address: string
}

/** One immutable version: what its manifest says, who signed it, who approved it, when it was active. */
export interface VersionView {
  address: string
  version: string
  type: 'contract' | 'page'
  title: string
  purpose: string
  population: string
  reviewer: string
  evidence: string[]
  /** Layout of its tables; an alias never goes back to a lower one. */
  migrateVersion: number
  /** It has a `migrate` that runs when the alias switches to its layout. */
  migrates: boolean
  reads: RuleSelector[]
  emits: RuleSelector[]
  listensTo: RuleSelector[]
  calls: string[]
  /** `kind name`. */
  methods: string[]
  vendor: PersonView
  /** Null: nobody has approved it, and nothing switches to it. */
  approvedBy: PersonView | null
  /** Heights. */
  approvedAt: number | null
  deployedAt: number
  activatedAt: number[]
  active: boolean
  /** What it answers is as of this height: a newer layout is active. Null: as of now. */
  frozenSince: number | null
}

export interface AliasView {
  alias: string
  /** ms since 1970; null: it runs. */
  quarantinedAt: number | null
  /** Active contracts that call it: who is touched when it switches. */
  dependants: NamedVersion[]
  /** In the order of deployment. */
  versions: VersionView[]
}

export interface VersionsView {
  aliases: AliasView[]
  /** Activations that wait for their block time (ms); one in the past was refused when it was due. */
  schedules: { schedule: string; at: number; by: PersonView; addresses: string[] }[]
}

/** A question to a view. `target`: alias, alias@version, or the address of any version, active or not. */
export interface ViewQuestion {
  target: string
  method: string
  /** By the method's input schema. */
  args: Json
}

/** Since when tables of a former layout are no longer written: a height and its block time, ms. */
export interface FrozenAt {
  height: number
  time: number
}

export interface ViewView {
  /** The version that answered. */
  alias: string
  version: string
  address: string
  active: boolean
  method: string
  /** By the method's output schema; hex where it does not fit. */
  returned: Json
  fuelUsed: number
  /** The oldest that the answer rests on: it is as of then. Null: all of it is as of now. */
  frozenSince: FrozenAt | null
  /** Every version that answered from tables that are no longer written, itself or asked by it. */
  frozen: (FrozenAt & NamedVersion)[]
}
