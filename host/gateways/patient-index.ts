// Which subject a hospital number belongs to: built from admission records at unlock, kept in memory only.
import { bytesToHex, decodeBorsh, recordBodySchemas, recordKind } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { LedgerEntry } from '../executor/messages.js'

export interface NamedIdentifier {
  value: string
  authority: string
}

const nameOf = ({ value, authority }: NamedIdentifier): string => JSON.stringify([authority, value])

const pageCount = 500

export class PatientIndex {
  private readonly patients = new Map<string, Uint8Array>()

  /** Reads every admission of the chain, page by page. */
  static async build(executor: ExecutorClient): Promise<PatientIndex> {
    const index = new PatientIndex()
    let from = 0
    for (;;) {
      const { records } = await executor.call('records', {
        patient: null,
        kind: recordKind.admission,
        code: '',
        from,
        to: Number.MAX_SAFE_INTEGER,
        limit: pageCount,
        newest: false,
      })
      for (const record of records) index.add(record)
      const last = records.at(-1)
      if (records.length < pageCount || !last) return index
      // Admissions of the last height may go on in the next page; adding one twice changes nothing.
      from = last.arrivalHeight === from ? from + 1 : last.arrivalHeight
    }
  }

  /** Takes note of an admission; other records are ignored. */
  add(record: LedgerEntry): void {
    const schema = recordBodySchemas.get(recordKind.admission)
    if (record.kind !== recordKind.admission || !record.body || !schema) return
    const body = decodeBorsh(schema, record.body)
    if (!body.ok) return
    const { identifiers } = body.value as unknown as { identifiers: NamedIdentifier[] }
    for (const identifier of identifiers) this.patients.set(nameOf(identifier), record.patient)
  }

  /** The one subject that these numbers name; undefined for none, 'ambiguous' when they name several. */
  find(identifiers: readonly NamedIdentifier[]): Uint8Array | 'ambiguous' | undefined {
    const found = new Map<string, Uint8Array>()
    for (const identifier of identifiers) {
      const patient = this.patients.get(nameOf(identifier))
      if (patient) found.set(bytesToHex(patient), patient)
    }
    if (found.size > 1) return 'ambiguous'
    return found.values().next().value
  }
}
