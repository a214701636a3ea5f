// Timers: a contract asks to be called at a block time. They are state, so they survive restarts; a due
// timer makes the next block due. Ordered by (due time, id); bound to the alias, so the active version
// answers.
import { bytesToHex, compareBytes, u32Bytes, u64Bytes, utf8 } from '../protocol/bytes.js'
import { hashWithDomain } from '../protocol/hash.js'
import type { Overlay } from '../state/overlay.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import type { Kernel, Run } from './kernel.js'
import {
  decodeRow,
  encodeRow,
  store,
  timerPlaceRow,
  timerRow,
  type TimerPlaceRow,
  type TimerRow,
} from './kernel-tables.js'
import { hostCaps } from './host-prices.js'
import { readHealth } from './rule-health.js'

/** Ordered tables: 0 waits for its time, 1 for the end of its alias' quarantine. */
const table = 0
const parkedTable = 1
const partition = new Uint8Array(0)
/** Alias keys and 32-byte timer ids share the point keys of `$timer`: the mark keeps them apart. */
const countKey = (alias: string): Uint8Array => utf8(`count/${alias}/.`.padEnd(33, '.'))
const patientCountKey = (alias: string, patient: Uint8Array): Uint8Array =>
  utf8(`patient/${alias}/${bytesToHex(patient)}`)
const methodCountKey = (alias: string, method: string): Uint8Array =>
  utf8(`method/${alias}/${method}/`.padEnd(33, '.'))

export interface DueTimer extends TimerRow {
  due: bigint
  parked: number
  sequence: number
}

/** The timer's id, or whose timers are as many as there may be: the contract's, or its for this patient. */
export function setTimer(
  run: Run,
  timer: { alias: string; due: bigint; method: string; args: Uint8Array; fuel: number },
): Uint8Array | 'contract' | 'patient' {
  const { overlay, hash } = run.kernel
  const { patient } = run
  if (readCount(overlay, countKey(timer.alias)) >= hostCaps.timersPerContract) return 'contract'
  if (!isNobody(patient)) {
    const own = readCount(overlay, patientCountKey(timer.alias, patient))
    if (own >= hostCaps.timersPerPatient) return 'patient'
  }
  const id = hashWithDomain(hash, 'wardchain/timer/1', run.id, u32Bytes(run.timersSet))
  run.timersSet += 1
  const row = encodeRow(timerRow, {
    id,
    alias: timer.alias,
    source: run.source,
    patient,
    method: timer.method,
    fuel: BigInt(timer.fuel),
    args: timer.args,
  })
  const sequence = overlay.orderedPut(store.timer, table, partition, timer.due, row)
  overlay.set(
    store.timer,
    id,
    encodeRow(timerPlaceRow, {
      due: timer.due,
      parked: 0,
      sequence,
      alias: timer.alias,
      patient,
      method: timer.method,
    }),
  )
  addToCounts(overlay, { alias: timer.alias, patient, method: timer.method }, 1)
  return id
}

/** True when a timer of this alias was there. */
export function cancelTimer(overlay: Overlay, alias: string, id: Uint8Array): boolean {
  const bytes = overlay.get(store.timer, id)
  if (bytes === undefined) return false
  const place = decodeRow<TimerPlaceRow>(timerPlaceRow, bytes)
  if (place.alias !== alias) return false
  removeTimer(overlay, { ...place, id })
  return true
}

export function removeTimer(overlay: Overlay, timer: TimerPlaceRow & { id: Uint8Array }): void {
  removeRow(overlay, timer)
  overlay.remove(store.timer, timer.id)
  addToCounts(overlay, timer, -1)
}

/** The budget of its alias is empty: it is due later. */
export function postponeTimer(overlay: Overlay, timer: DueTimer, due: number): void {
  moveTimer(overlay, timer, { due: BigInt(due), parked: 0 })
}

/** Its alias is quarantined: it makes no block due until `wakeTimers`. */
export function parkTimer(overlay: Overlay, timer: DueTimer): void {
  moveTimer(overlay, timer, { due: timer.due, parked: 1 })
}

/**
 * The quarantine is over: what came due meanwhile is due at once, in the order in which it was due, at most
 * so many. Returns how many; fewer than that: nothing is parked any more, or the alias is in quarantine
 * again.
 */
export function wakeTimers(overlay: Overlay, alias: string, most: number): number {
  if ((readHealth(overlay, alias)?.quarantinedAt ?? 0n) !== 0n) return 0
  const rows = overlay.scan(store.timer, parkedTable, utf8(alias), 0n, orderMax, most)
  for (const { order, sequence, value } of rows) {
    const timer = { ...decodeRow<TimerRow>(timerRow, value), due: order, parked: 1, sequence }
    moveTimer(overlay, timer, { due: order, parked: 0 })
  }
  return rows.length
}

function moveTimer(overlay: Overlay, timer: DueTimer, to: { due: bigint; parked: number }): void {
  removeRow(overlay, timer)
  const { id, alias, patient, method } = timer
  const row = encodeRow(timerRow, pickRow(timer))
  const sequence = overlay.orderedPut(store.timer, ...placeOf({ alias, parked: to.parked }), to.due, row)
  overlay.set(store.timer, id, encodeRow(timerPlaceRow, { ...to, sequence, alias, patient, method }))
}

const pickRow = ({ id, alias, source, patient, method, fuel, args }: DueTimer): TimerRow => ({
  ...{ id, alias, source, patient, method, fuel, args },
})

const placeOf = ({ alias, parked }: { alias: string; parked: number }): [number, Uint8Array] =>
  parked === 1 ? [parkedTable, utf8(alias)] : [table, partition]

function removeRow(overlay: Overlay, timer: Omit<TimerPlaceRow, 'patient' | 'method'>): void {
  overlay.orderedRemove(store.timer, ...placeOf(timer), timer.due, timer.sequence)
}

/** Timers that are due at the block's time, by (due time, id), at most `limit`. */
export function dueTimers(kernel: Kernel, limit: number): DueTimer[] {
  const rows = kernel.overlay.scan(store.timer, table, partition, 0n, BigInt(kernel.time), limit)
  return rows
    .map(({ order, sequence, value }) => ({
      ...decodeRow<TimerRow>(timerRow, value),
      due: order,
      parked: 0,
      sequence,
    }))
    .sort((left, right) => Number(left.due - right.due) || compareBytes(left.id, right.id))
}

/** Does a timer of the alias wait for this method? */
export function isWaitedFor(state: StateReader, alias: string, method: string): boolean {
  return readCount(state, methodCountKey(alias, method)) > 0
}

/** Due time of the first timer; undefined when there is none. */
export function firstDue(state: StateReader): bigint | undefined {
  const [first] = state.scan(store.timer, table, partition, 0n, orderMax, 1)
  return first?.order
}

/**
 * Id of the derived transaction that runs a timer: H("wardchain/derived/1" ‖ timer id ‖ due time u64 BE).
 */
export function timerRunId(kernel: Kernel, timer: DueTimer): Uint8Array {
  return hashWithDomain(kernel.hash, 'wardchain/derived/1', timer.id, u64Bytes(timer.due))
}

const isNobody = (patient: Uint8Array): boolean => patient.every((byte) => byte === 0)

type Counted = Pick<TimerPlaceRow, 'alias' | 'patient' | 'method'>

function addToCounts(overlay: Overlay, { alias, patient, method }: Counted, change: number): void {
  const keys = [countKey(alias), methodCountKey(alias, method)]
  if (!isNobody(patient)) keys.push(patientCountKey(alias, patient))
  for (const key of keys) putCount(overlay, key, readCount(overlay, key) + change)
}

function readCount(state: StateReader, key: Uint8Array): number {
  const row = state.get(store.timer, key)
  return row === undefined ? 0 : new DataView(row.buffer, row.byteOffset).getUint32(0, true)
}

function putCount(overlay: Overlay, key: Uint8Array, count: number): void {
  if (count <= 0) return overlay.remove(store.timer, key)
  const row = new Uint8Array(4)
  new DataView(row.buffer).setUint32(0, count, true)
  overlay.set(store.timer, key, row)
}
