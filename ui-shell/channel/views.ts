// What the local API answers, as far as screens use it. host/api/node-port.ts is the source;
// views.test.ts makes the compiler compare the two, so that neither can drift.

export interface PinnedView {
  height: number
  blockTime: number
  stateRoot: string
}

export interface PersonView {
  entity: string
  label: string
  roles: string[]
}

export interface SealedStatusView {
  name: string
  role: string
  initialised: boolean
  sealed: boolean
  progress: { phase: string; percent: number } | null
  environment: string
  version: string
}

export interface StatusView extends SealedStatusView, PinnedView {
  chainId: string
  chainName: string
  view: number
  leader: string
  peersConnected: number
  peersKnown: number
  lag: number
  /** Rules that are kept from running, and since when, ms. */
  quarantined: { alias: string; since: number }[]
}

export type Finality = 'tentative' | 'final' | 'retracted'

export interface PatientView {
  patient: string
  family: string
  given: string
  birthDate: number
  sex: string
  identifiers: { value: string; authority: string; type: string }[]
  ward: string
  room: string
  bed: string
  visitNumber: string
  reason: string
  allergies: string
  codeStatus: string
  openAlerts: number
  worstSeverity: number
}

export interface RecordView {
  id: string
  kind: string
  patient: string
  code: string
  effectiveTime: number
  arrivalHeight: number
  arrivalTime: number
  number: number
  author: PersonView
  supersedes: string | null
  /** By the schema of its kind: 64-bit integers as decimal text, bytes as hex. */
  body: { [name: string]: unknown } | null
  finality: Finality
}

export interface AlertInputView {
  code: string
  label: string
  value: string
  scale: number
  unit: string
  text: string
  effectiveTime: number
  record: string
  points: number
  threshold: string
  validation: number
}

export interface ResponseView {
  response: string
  reason: string
  author: PersonView
  time: number
  height: number
  finality: Finality
}

export interface AlertView {
  id: string
  patient: string
  state: 'open' | 'acknowledged' | 'replaced' | 'retracted'
  finality: Finality
  severity: number
  rule: string
  ruleVersion: string
  ruleAddress: string
  branch: string
  summary: string
  inputs: AlertInputView[]
  basis: string[]
  missing: string[]
  wouldChange: string[]
  citation: string
  raisedTime: number
  height: number
  unvalidated: boolean
  responses: ResponseView[]
}

export interface OrderEventView {
  status: string
  meaning: string
  reason: string
  author: PersonView
  time: number
  height: number
  finality: Finality
}

export interface OrderView {
  id: string
  patient: string
  status: string
  finality: Finality
  rule: string
  ruleVersion: string
  ruleAddress: string
  alert: string | null
  orderSet: string
  item: string
  display: string
  category: string
  position: number
  detail: string
  needs: string[]
  proposedTime: number
  height: number
  events: OrderEventView[]
}

export interface PreparedView {
  id: string
  meaning: string
  summary: { label: string; text: string }[]
  patients: PatientView[]
  unknownSubjects: string[]
  bytesHex: string
  lane: string
  passwordNeeded: boolean
  expires: number
}

export interface ReceiptView {
  transactionId: string
  height: number
  blockTime: number
  code: string
  sentence: string
  detail: string
  records: string[]
}

export interface PageView {
  alias: string
  version: string
  address: string
  title: string
  hash: string
  reads: { kind: string; codes: string[] }[]
  emits: { kind: string; codes: string[] }[]
  calls: string[]
}

export type EventView =
  | ({ type: 'block' } & PinnedView)
  | { type: 'status'; status: StatusView }
  | { type: 'record'; record: RecordView }
  | { type: 'alert'; alert: AlertView }
  | { type: 'order'; order: OrderView }
  | { type: 'patient'; patient: PatientView }
  | { type: 'page'; alias: string; address: string }
  | { type: 'signedOut' }
