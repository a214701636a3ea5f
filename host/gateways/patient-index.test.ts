// The index of hospital numbers is whole, however many admissions one block holds.
import t from 'tap'
import { encodeBorsh, recordBodySchemas, recordKind } from '../../runtime/protocol/index.js'
import type { ExecutorCalls, LedgerEntry } from '../executor/messages.js'
import { PatientIndex } from './patient-index.js'

const authority = 'HOSPITAL'

function admissionAt(index: number, arrivalHeight: number): LedgerEntry {
  const schema = recordBodySchemas.get(recordKind.admission)
  if (!schema) throw new Error('no schema')
  const body = encodeBorsh(schema, {
    schema: 1,
    family: 'Jones',
    given: 'Lisa',
    birthDate: 19970214,
    sex: 'F',
    pregnancy: 0,
    identifiers: [{ value: `${index}`, authority, type: 'MR' }],
    ward: '',
    room: '',
    bed: '',
    visitNumber: '',
    reason: '',
  })
  if (!body.ok) throw new Error(body.code)
  return {
    id: new Uint8Array(32),
    kind: recordKind.admission,
    patient: new Uint8Array(16).fill(index % 251),
    code: 'ADT^A01',
    effectiveTime: 1,
    arrivalHeight,
    arrivalTime: 1,
    number: index,
    author: new Uint8Array(32),
    origin: null,
    supersedes: null,
    body: body.value,
  }
}

/** Answers `records` as the executor does: oldest first, from a height, so many. */
const executorOf = (records: readonly LedgerEntry[]) =>
  ({
    call: (_method: string, { from, limit }: ExecutorCalls['records'][0]) =>
      Promise.resolve({ records: records.filter((one) => one.arrivalHeight >= from).slice(0, limit) }),
  }) as unknown as Parameters<typeof PatientIndex.build>[0]

t.test('every admission is read, also 1,200 of one block', async (t) => {
  const heights = [
    ...Array<number>(300).fill(3),
    ...Array<number>(1_200).fill(4),
    ...Array<number>(600).fill(9),
  ]
  const index = await PatientIndex.build(executorOf(heights.map((height, at) => admissionAt(at, height))))
  const missing = heights.filter((_, at) => !index.find([{ value: `${at}`, authority }]))
  t.equal(missing.length, 0)
  t.equal(index.find([{ value: '2100', authority }]), undefined)
  t.equal((await PatientIndex.build(executorOf([]))).find([{ value: '1', authority }]), undefined)
})
