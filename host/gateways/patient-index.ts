// Which subject a hospital number belongs to: built from admission records at unlock, kept in memory only.
import { bytesToHex, decodeBorsh, recordBodySchemas, recordKind } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { LedgerEntry } from '../executor/messages.js'

export interface NamedIdentifier {
  value: string
  authority: string
}

/** One text for a number and who gave it; no two numbers share one. */
export const nameOf = ({ value, authority }: NamedIdentifier): string => JSON.stringify([authority, value])

const pageCount = 500

/** The numbers in the body of an admission record; none when the body is not of a schema that we know. */
export function identifiersOf(body: Uint8Array): NamedIdentifier[] {
  const schema = recordBodySchemas.get(recordKind.admission)
  const decoded = schema && decodeBorsh(schema, body)
  return decoded?.ok ? (decoded.value as unknown as { identifiers: NamedIdentifier[] }).identifiers : []
}

export class PatientIndex {
  /** Every subject that a number was ever given to, by hex id: a second one never replaces the first. */
  private readonly patients = new Map<string, Map<string, Uint8Array>>()

  /** Reads every admission of the chain, page by page. */
  static async build(executor: Pick<ExecutorClient, 'call'>): Promise<PatientIndex> {
    const index = new PatientIndex()
    let from = 0
    let limit = pageCount
    for (;;) {
      const { records } = await executor.call('records', {
        patient: null,
        kind: recordKind.admission,
        code: '',
        from,
        to: Number.MAX_SAFE_INTEGER,
        limit,
        newest: false,
      })
      for (const record of records) index.add(record)
      if (records.length < limit) return index
      // Admissions of the last height may go on in the next page; adding one twice changes nothing.
      const next = records[records.length - 1].arrivalHeight
      limit = next === from ? limit * 2 : pageCount
      from = next
    }
  }

  /** Takes note of an admission; other records are ignored. */
  add(record: LedgerEntry): void {
    if (record.kind !== recordKind.admission || !record.body) return
    for (const identifier of identifiersOf(record.body)) {
      const name = nameOf(identifier)
      const subjects = this.patients.get(name) ?? new Map<string, Uint8Array>()
      subjects.set(bytesToHex(record.patient), record.patient)
      this.patients.set(name, subjects)
    }
  }

  /**
   * The one subject that these numbers name; undefined for none, 'ambiguous' when they name several, be it
   * that two numbers differ or that one number was given to two subjects.
   */
  find(identifiers: readonly NamedIdentifier[]): Uint8Array | 'ambiguous' | undefined {
    const found = new Map<string, Uint8Array>()
    for (const identifier of identifiers) {
      for (const [id, patient] of this.patients.get(nameOf(identifier)) ?? []) found.set(id, patient)
    }
    if (found.size > 1) return 'ambiguous'
    return found.values().next().value
  }
}
