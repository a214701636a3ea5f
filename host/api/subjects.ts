// Whom a transaction concerns: every patient and record that its arguments or bodies name, at any depth.
// What names nobody that the signer may see is not dropped but told, for a dialog that shows one patient
// must not sign for another.
import type { Schema } from '../../runtime/protocol/index.js'
import type { Json, PatientView, RecordJson } from './node-port.js'
import { isJsonObject } from './views.js'

export interface Subjects {
  /** Hex ids of patients, of whom the signer may or may not see anything. */
  patients: Set<string>
  /** Ids, or words for bytes that cannot be read, which lead to no patient that the signer may see. */
  unknown: Set<string>
}

/**
 * What counts as a name. `all`: every value of the size of an id, every id inside text, and bytes that
 * nobody can read (contracts of vendors, whose arguments may hold an id anywhere). `named`: fields called
 * `patient`, and ids of records (contracts of the system that handle keys, entities and addresses).
 * `body`: references between records; free text of a record is the author's own.
 */
export type Reach = 'all' | 'named' | 'body'

/** Contracts whose arguments are keys, entities, roles and addresses, not records. */
const targetsWithoutRecords: ReadonlySet<string> = new Set(['ward/governance', 'ward/policy'])
export const reachOfCall = (target: string): Reach => (targetsWithoutRecords.has(target) ? 'named' : 'all')

const idInText = /(?<![0-9a-f])(?:[0-9a-f]{64}|[0-9a-f]{32})(?![0-9a-f])/gi

/** Ids as they may stand anywhere in `text`, in lower case. */
export const idsIn = (text: string): string[] =>
  [...text.matchAll(idInText)].map(([id]) => id.toLowerCase())

export class SubjectSearch {
  readonly found: Subjects = { patients: new Set(), unknown: new Set() }

  /** `record`: a record by its hex id, if the signer may see it. */
  constructor(private readonly record: (id: string) => RecordJson | undefined) {}

  addPatient(id: string): void {
    this.found.patients.add(id)
  }

  addRecord(id: string): void {
    const record = this.record(id)
    if (record === undefined) this.found.unknown.add(id)
    else this.found.patients.add(record.patient)
  }

  /** `value` is what `decodeToJson` made of bytes by `schema`; `name` is the field that holds it. */
  search(schema: Schema, value: Json, reach: Reach, name = ''): void {
    if (value === null) return
    if (typeof value === 'string') return this.searchText(schema, value, reach, name)
    if (typeof schema === 'string' || 'fixed' in schema) return
    if ('option' in schema) return this.search(schema.option, value, reach, name)
    if ('vec' in schema) return this.searchList(schema.vec, value, reach, name)
    if (!isJsonObject(value)) return
    for (const [field, part] of schema.struct) this.search(part, value[field] ?? null, reach, field)
  }

  private searchText(schema: Schema, text: string, reach: Reach, name: string): void {
    if (schema === 'bytes' || (typeof schema === 'object' && 'fixed' in schema)) {
      this.addBytes(text, name, reach)
    } else if (typeof schema === 'object' && 'option' in schema) {
      this.searchText(schema.option, text, reach, name)
    } else if (schema === 'string' && reach === 'all') {
      for (const id of idsIn(text)) this.addId(id, name, reach)
    }
  }

  private searchList(item: Schema, value: Json, reach: Reach, name: string): void {
    if (!Array.isArray(value)) return
    // A list of bytes is bytes by another name.
    if (item === 'u8') return this.addBytes(value.map(hexByte).join(''), name, reach)
    for (const part of value) this.search(item, part, reach, name)
  }

  private addBytes(hex: string, name: string, reach: Reach): void {
    if (hex.length === 32 || hex.length === 64) return this.addId(hex, name, reach)
    // Longer than an id: it could hold one, and nobody could tell.
    if (reach === 'all' && hex.length > 32) this.found.unknown.add(`${name}: ${hex.length / 2} bytes`)
  }

  private addId(id: string, name: string, reach: Reach): void {
    if (id.length === 32) {
      if (reach === 'all' || name === 'patient') this.addPatient(id)
    } else if (reach === 'all' || this.record(id) !== undefined) {
      this.addRecord(id)
    } else if (reach === 'body' && name !== 'ruleAddress') {
      this.addRecord(id)
    }
  }
}

const hexByte = (byte: Json): string => Number(byte).toString(16).padStart(2, '0')

/** The patients as the signer sees them; those of whom the signer sees nothing count as unknown. */
export function subjectViews(
  subjects: { patients: readonly string[]; unknownSubjects: readonly string[] },
  views: readonly PatientView[],
): { patients: PatientView[]; unknownSubjects: string[] } {
  const visible = new Map(views.map((view) => [view.patient, view]))
  return {
    patients: subjects.patients.flatMap((id) => visible.get(id) ?? []),
    unknownSubjects: [...subjects.unknownSubjects, ...subjects.patients.filter((id) => !visible.has(id))],
  }
}
