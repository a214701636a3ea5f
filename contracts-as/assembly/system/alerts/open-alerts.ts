// Which alerts exist: one row for each (patient, rule, branch), one for each alert. Ids, codes and times
// only.
import { concat, Reader, Table, utf8, Writer, Bytes } from '../../sdk'

const SCHEMA: u16 = 1

export namespace Status {
  /** Nobody has answered. */
  export const Open: u8 = 1
  /** Seen by a person who will act; a further answer may follow. */
  export const Answered: u8 = 2
  /** Acted upon or judged not to apply: the last answer. */
  export const Closed: u8 = 3
  /** Its basis no longer holds. */
  export const Retracted: u8 = 4
}

const branches = new Table(1)
const alerts = new Table(2)

/** The latest alert of one (patient, rule, branch). */
export class BranchState {
  alert: Bytes = new StaticArray<u8>(32)
  severity: u8 = 0
  raisedAt: u64 = 0
  /** Times that evidence was folded into it. */
  folded: u32 = 0
}

/** patient 16 ‖ rule ‖ 0x00 ‖ branch: aliases hold no zero byte. */
export function branchKey(patient: Bytes, rule: string, branch: string): Bytes {
  return concat(patient, utf8(rule + '\0' + branch))
}

export function branchOf(key: Bytes): BranchState | null {
  const stored = branches.get(key)
  if (stored === null) return null
  const reader = new Reader(stored)
  reader.u16()
  const state = new BranchState()
  state.alert = reader.fixed(32)
  state.severity = reader.u8()
  state.raisedAt = reader.u64()
  state.folded = reader.u32()
  return state
}

export function setBranch(key: Bytes, state: BranchState): void {
  branches.set(
    key,
    new Writer().u16(SCHEMA).fixed(state.alert).u8(state.severity).u64(state.raisedAt).u32(state.folded),
  )
}

/** One alert: where it belongs and how far its life has come. */
export class AlertState {
  patient: Bytes = new StaticArray<u8>(16)
  rule: string = ''
  status: u8 = Status.Open
  /** Who gave the last answer and when; zero while open. */
  answeredBy: Bytes = new StaticArray<u8>(32)
  answeredAt: u64 = 0
}

export function alertOf(id: Bytes): AlertState | null {
  const stored = alerts.get(id)
  if (stored === null) return null
  const reader = new Reader(stored)
  reader.u16()
  const state = new AlertState()
  state.patient = reader.fixed(16)
  state.rule = reader.text(64)
  state.status = reader.u8()
  state.answeredBy = reader.fixed(32)
  state.answeredAt = reader.u64()
  return state
}

export function writeAlert(writer: Writer, state: AlertState): Writer {
  return writer
    .fixed(state.patient)
    .text(state.rule)
    .u8(state.status)
    .fixed(state.answeredBy)
    .u64(state.answeredAt)
}

export function setAlert(id: Bytes, state: AlertState): void {
  alerts.set(id, writeAlert(new Writer().u16(SCHEMA), state))
}
