// Which layout a store's table belongs to, and which tables are bound to patients. A table belongs to the
// migrate version of the code that first declared or wrote it: code of another layout may read it and never
// write it, so that an older version goes on answering from tables that nobody rewrites.
import { concatBytes, utf8 } from '../protocol/bytes.js'
import type { Manifest } from '../protocol/manifest.js'
import type { ManifestProblem } from '../protocol/manifest-problem.js'
import { patientBytes } from '../protocol/record.js'
import { orderMax, type StateReader } from '../state/store-interface.js'
import type { Overlay } from '../state/overlay.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import {
  boundTablesRow,
  decodeRow,
  encodeRow,
  onlyKey,
  store,
  type AliasRow,
  type BoundTable,
} from './kernel-tables.js'
import { patientStatus, readPatient } from './record-rows.js'

/** Stops a frame that writes a table of another layout, or one that its manifest does not declare. */
export function requireOwnTable(frame: Frame, table: number, place: Uint8Array): void {
  const { contract, run } = frame
  const { overlay } = run.kernel
  const { migrateVersion: layout, tables } = contract.manifest
  if (tables !== undefined) {
    const declared = tables.find(({ id }) => id === table)
    if (declared === undefined) return stopFrame(frame, 'NOT_IN_MANIFEST', `table ${table}`)
    if (declared.patient) requirePatient(frame, place)
  }
  const owner = ownerOf(overlay, contract.alias, table)
  if (owner === undefined) putLayout(overlay, contract.alias, table, layout)
  else if (owner.layout !== layout) stopFrame(frame, 'TABLE_FROZEN', `table ${table}`)
  else if (tables === undefined && owner.isBound) stopFrame(frame, 'NOT_IN_MANIFEST', `table ${table}`)
}

/** The place of a row that is bound to a patient is the patient, known and not erased. */
function requirePatient(frame: Frame, place: Uint8Array): void {
  if (place.length !== patientBytes) return stopFrame(frame, 'ARGUMENT_INVALID', 'a patient is 16 bytes')
  const head = readPatient(frame.run.kernel.overlay, place)
  if (head === undefined) return stopFrame(frame, 'PATIENT_UNKNOWN')
  if (head.status === patientStatus.erased) stopFrame(frame, 'ERASED')
}

interface TableOwner {
  layout: number
  /** Bound to patients. */
  isBound: boolean
}

/** Row: layout u16 LE, and one byte more when the table is bound to patients. */
function ownerOf(state: StateReader, alias: string, table: number): TableOwner | undefined {
  const row = state.get(store.table, tableKey(alias, table))
  return row === undefined ? undefined : { layout: row[0] + row[1] * 256, isBound: row.length > 2 }
}

function putLayout(overlay: Overlay, alias: string, table: number, layout: number, isBound = false): void {
  const row = [layout & 0xff, layout >>> 8, ...(isBound ? [1] : [])]
  overlay.set(store.table, tableKey(alias, table), new Uint8Array(row))
}

const tableKey = (alias: string, table: number): Uint8Array =>
  concatBytes(utf8(alias), new Uint8Array([table]))

function readBound(state: StateReader): BoundTable[] {
  const row = state.get(store.table, onlyKey)
  return row === undefined ? [] : decodeRow<BoundTable[]>(boundTablesRow, row)
}

/**
 * Why the tables that a version declares do not fit its alias; undefined: they do. `versionOf` names the code
 * at an address. A version that was deployed before tables were bound may declare none and be activated
 * again, so that a roll-back is never refused: then it does not write those tables.
 */
export function tablesProblem(
  state: StateReader,
  manifest: Manifest,
  alias: AliasRow | undefined,
  versionOf: (address: Uint8Array) => string,
  isDeployed: boolean,
): ManifestProblem | undefined {
  const { tables, migrateVersion: layout } = manifest
  const bound = readBound(state).filter((one) => one.alias === manifest.alias)
  if (manifest.type === 'page') return undefined
  if (tables === undefined) {
    const before = alias?.history.find((entry) => entry.migrateVersion < layout)
    const undeclared = (why: string): ManifestProblem => ({
      code: 'TABLES_UNDECLARED',
      path: ['tables'],
      detail: `tables: not declared, and ${why}`,
    })
    if (before !== undefined) return undeclared(`layout ${layout} follows layout ${before.migrateVersion}`)
    return bound.length === 0 || isDeployed
      ? undefined
      : undeclared(`table ${bound[0].table} is of patients`)
  }
  for (const [index, { id, name, patient }] of tables.entries()) {
    const path = ['tables', index]
    const owner = ownerOf(state, manifest.alias, id)
    if (owner === undefined) continue
    if (owner.layout !== layout) {
      const older = alias?.history.filter((entry) => entry.migrateVersion === owner.layout).pop()
      const reader = older === undefined ? '' : `, which version ${versionOf(older.address)} reads`
      const detail = `table ${id} (${name}) belongs to layout ${owner.layout}${reader}`
      return { code: 'TABLE_OF_LAYOUT', path, detail }
    }
    const isBound = bound.some(({ table }) => table === id)
    if (isBound === patient) continue
    const detail = `table ${id} (${name}) is ${isBound ? '' : 'not '}bound to patients`
    return { code: 'TABLE_BINDING', path, detail }
  }
  return undefined
}

/** The alias switches to this version: its declared tables are its layout's from now on. */
export function claimTables(overlay: Overlay, { alias, tables, migrateVersion }: Manifest): void {
  const bound = readBound(overlay)
  const count = bound.length
  for (const { id, patient } of tables ?? []) {
    if (ownerOf(overlay, alias, id) === undefined) putLayout(overlay, alias, id, migrateVersion, patient)
    const isKnown = bound.some((one) => one.alias === alias && one.table === id)
    if (patient && !isKnown) bound.push({ alias, table: id })
  }
  if (bound.length > count) overlay.set(store.table, onlyKey, encodeRow(boundTablesRow, bound))
}

/**
 * Removes what all contracts keep about one patient in tables that are bound to patients: at most so many
 * rows of ordered tables. Returns how many; fewer than that: nothing is left.
 */
export function eraseRows(overlay: Overlay, patient: Uint8Array, most: number): number {
  let count = 0
  for (const { alias, table } of readBound(overlay)) {
    overlay.remove(alias, concatBytes(new Uint8Array([table]), patient))
    const rows = overlay.scan(alias, table, patient, 0n, orderMax, most - count)
    for (const { order, sequence } of rows) overlay.orderedRemove(alias, table, patient, order, sequence)
    count += rows.length
  }
  return count
}
