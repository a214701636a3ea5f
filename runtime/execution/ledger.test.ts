// Records: patients, corrections, numbering, searches against a plain model; rows against their schemas.
import t from 'tap'
import fc from 'fast-check'
import {
  codeOfStatus,
  concatBytes,
  decodeBorsh,
  encodeBorsh,
  encodeReceipt,
  entityKind,
  recordKind,
  recordView,
  triggerInput,
  type Receipt,
} from '../protocol/index.js'
import { decodeRecordRow, encodeRecordView, readPatient, recordRow, type RecordRow } from './index.js'
import { CborWriter } from './cbor-writer.js'
import { encodeReceiptFast } from './receipt-encoder.js'
import { encodeRecordRow } from './record-rows.js'
import { encodeTriggerInput } from './triggers.js'
import { contractOf, genesisContract, methodsOf, systemContracts } from './test-contracts.fixture.js'
import { admissionOf, hex, observationOf, patientOf, sha256, signerOf, World } from './world.fixture.js'

const [lisa, otto] = ['lisa', 'otto'].map(patientOf)
const monitor = signerOf('monitor', entityKind.source)

const code = (world: World, bytes: Uint8Array): string =>
  codeOfStatus(world.block([bytes]).receiptsDecoded[0].status) ?? ''

t.test('a patient begins with an admission, and with one only', async (t) => {
  const world = new World({ signers: [monitor], contracts: systemContracts })
  t.equal(code(world, world.append(monitor, [observationOf(lisa, 'a', 1)])), 'PATIENT_UNKNOWN')
  t.equal(
    code(world, world.append(monitor, [observationOf(lisa, 'a', 1), admissionOf(lisa)])),
    'PATIENT_UNKNOWN',
    'in order',
  )
  t.equal(readPatient(world.chain, lisa), undefined, 'all records or none')
  t.equal(code(world, world.append(monitor, [admissionOf(lisa), observationOf(lisa, 'a', 1)])), 'OK')
  const [admission, reading] = world.last?.records ?? []
  t.equal(code(world, world.append(monitor, [admissionOf(lisa)])), 'PATIENT_EXISTS')
  t.equal(
    code(world, world.append(monitor, [{ ...admissionOf(lisa), supersedes: admission.id }])),
    'OK',
    'a transfer',
  )
  t.equal(
    code(world, world.append(monitor, [{ ...observationOf(lisa, 'a', 2), supersedes: reading.id }])),
    'OK',
  )
  t.equal(
    code(
      world,
      world.append(monitor, [{ ...observationOf(lisa, 'a', 2), supersedes: sha256(reading.id) }]),
    ),
    'RECORD_UNKNOWN',
  )
  world.block([world.append(monitor, [admissionOf(otto)])])
  t.equal(
    code(world, world.append(monitor, [{ ...observationOf(otto, 'a', 2), supersedes: reading.id }])),
    'RECORD_UNKNOWN',
    'a correction never moves a record to another patient',
  )
})

t.test('records are numbered, and the head proves the list complete', async (t) => {
  const world = new World({ signers: [monitor], contracts: systemContracts })
  const ids: Uint8Array[] = []
  for (const records of [[admissionOf(lisa), observationOf(lisa, 'a', 1)], [observationOf(lisa, 'b', 2)]]) {
    ids.push(...world.block([world.append(monitor, records)]).records.map(({ id }) => id))
  }
  let chain: Uint8Array = new Uint8Array(32)
  for (const id of ids) {
    const row = world.chain.get('$record', id) as Uint8Array
    chain = sha256(concatBytes(Buffer.from('wardchain/patient/1'), chain, id, row))
  }
  const head = readPatient(world.chain, lisa)
  t.equal(head?.count, 3)
  t.equal(hex(head?.chain as Uint8Array), hex(chain))
  t.same(
    ids.map((id) => decodeRecordRow(world.chain.get('$record', id) as Uint8Array).number),
    [1, 2, 3],
  )
})

/** record_query with (kind u8, patient 16, from u64, to u64, limit u8, code) as its argument. */
const searcher = contractOf(
  {
    alias: 'acme/search',
    reads: [{ kind: recordKind.observation, codes: ['a', 'b', 'c'] }],
    methods: methodsOf({ go: 'call' }),
  },
  `(func (export "go")
     (call $input_read (i32.const 0))
     (drop (call $record_query (i32.load8_u (i32.const 0)) (i32.const 1) (i32.const 34) (i32.sub (call $input_len) (i32.const 34))
       (i64.load (i32.const 17)) (i64.load (i32.const 25)) (i32.load8_u (i32.const 33))))
     (call $result_read (i32.const 1024)) (call $return_set (i32.const 1024) (call $result_len)))`,
)

t.test('searches give the newest first, within a block and across blocks', async (t) => {
  const world = new World({
    signers: [monitor],
    contracts: [...systemContracts, genesisContract(searcher)],
  })
  world.block([world.append(monitor, [admissionOf(lisa), admissionOf(otto)])])
  const model: { id: string; patient: string; code: string; time: number; number: number }[] = []
  const times = [500, 100, 300, 300, 200, 900, 100]
  const remember = (): void => {
    for (const { id, header, number } of world.last?.records ?? []) {
      model.push({
        id: hex(id),
        patient: hex(header.patient),
        code: header.code,
        time: header.effectiveTime,
        number,
      })
    }
  }
  for (const [index, code] of ['a', 'b', 'a', 'c', 'd', 'a', 'b'].entries()) {
    const records = [lisa, otto].map((patient) =>
      observationOf(patient, code, index, { effectiveTime: times[index] }),
    )
    world.block([world.append(monitor, records)])
    remember()
  }
  const ask = (patient: Uint8Array, from: number, to: number, limit: number, code: string): Uint8Array => {
    const args = Buffer.alloc(34 + code.length)
    args[0] = recordKind.observation
    args.set(patient, 1)
    args.writeBigUInt64LE(BigInt(from), 17)
    args.writeBigUInt64LE(BigInt(to), 25)
    args[33] = limit
    args.write(code, 34)
    return world.call(monitor, 'acme/search', 'go', args)
  }
  const expected = (patient: Uint8Array, from: number, to: number, limit: number, code: string): string[] =>
    model
      .filter((record) => record.patient === hex(patient) && record.time >= from && record.time <= to)
      .filter((record) => (code === '' ? ['a', 'b', 'c'].includes(record.code) : record.code === code))
      .sort((left, right) => right.time - left.time || right.number - left.number)
      .slice(0, limit)
      .map(({ id }) => id)
  const answered = (returned: Uint8Array | undefined): string[] => {
    const decoded = decodeBorsh({ vec: recordView }, returned as Uint8Array)
    if (!decoded.ok) throw new Error(decoded.code)
    return (decoded.value as { id: Uint8Array }[]).map(({ id }) => hex(id))
  }
  const questions: [Uint8Array, number, number, number, string][] = [
    [lisa, 0, 1_000, 100, ''],
    [lisa, 0, 1_000, 3, ''],
    [lisa, 100, 300, 100, ''],
    [otto, 300, 300, 100, ''],
    [otto, 0, 1_000, 100, 'a'],
    [otto, 0, 1_000, 1, 'b'],
    [lisa, 901, 1_000, 5, ''],
    [lisa, 0, 1_000, 0, ''],
  ]
  for (const question of questions) {
    const [receipt] = world.block([ask(...question)]).receiptsDecoded
    t.same(answered(receipt.returned), expected(...question), question.slice(1).join(' '))
  }
  // The same questions behind new records in one block: the clinical lane runs before the operational
  // calls.
  const late = [150, 950, 300].map((time, index) =>
    observationOf(lisa, 'abc'[index], 7, { effectiveTime: time }),
  )
  const block = world.block([world.append(monitor, late), ...questions.map((question) => ask(...question))])
  remember()
  for (const [index, question] of questions.entries()) {
    t.same(
      answered(block.receiptsDecoded[index + 1].returned),
      expected(...question),
      `same block ${question.slice(1).join(' ')}`,
    )
  }
})

t.test('a search for every code of a manifest pays for each code before it looks', async (t) => {
  const codes = Array.from({ length: 64 }, (_, index) => `code-${index}`)
  const reads = Array.from({ length: 32 }, (_, part) => ({
    kind: recordKind.observation,
    codes: codes.map((code) => `${part}-${code}`),
  }))
  const many = contractOf(
    { alias: 'acme/many', reads, methods: methodsOf({ go: 'call' }) },
    `(func (export "go") (drop (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0)
       (i64.const 0) (i64.const -1) (i32.const 100))))`,
  )
  const few = contractOf(
    {
      alias: 'acme/few',
      reads: [{ kind: recordKind.observation, codes: ['a'] }],
      methods: methodsOf({ go: 'call' }),
    },
    `(func (export "go") (drop (call $record_query (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0)
       (i64.const 0) (i64.const -1) (i32.const 100))))`,
  )
  const contracts = [...systemContracts, genesisContract(many), genesisContract(few)]
  const world = new World({ signers: [monitor], contracts })
  const fuelOf = (alias: string): number => {
    const call = world.call(monitor, alias, 'go', new Uint8Array(0), { fuelLimit: 100_000_000 })
    const [receipt] = world.block([call]).receiptsDecoded
    t.equal(receipt.status, 0)
    return receipt.fuelUsed
  }
  t.equal(fuelOf('acme/many') - fuelOf('acme/few'), 2_047 * (2_000 + 100 * 300))
})

const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })
const code64 = fc.string({ maxLength: 64 }).map((text) => text.replace(/[^\x20-\x7e]/g, '.'))
const rows: fc.Arbitrary<RecordRow> = fc.record({
  header: fc
    .record({
      kind: fc.integer({ min: 0, max: 63 }),
      patient: bytes(16),
      code: code64,
      effectiveTime: fc.maxSafeNat(),
      bodyHash: bytes(32),
      supersedes: fc.option(bytes(32), { nil: undefined }),
    })
    .map(({ supersedes, ...header }) => (supersedes === undefined ? header : { ...header, supersedes })),
  author: bytes(32),
  transactionId: bytes(32),
  index: fc.nat(),
  height: fc.maxSafeNat(),
  time: fc.maxSafeNat(),
  number: fc.nat(),
  origin: fc.option(bytes(32), { nil: undefined }),
})

t.test('hand-written codecs give what the schemas say', async (t) => {
  fc.assert(
    fc.property(rows, bytes(32), fc.uint8Array({ maxLength: 200 }), (row, id, body) => {
      const { header } = row
      const named = { ...header, supersedes: header.supersedes ?? null }
      const rowBytes = encodeRecordRow(row)
      const bySchema = encodeBorsh(recordRow, {
        ...named,
        author: row.author,
        transaction: row.transactionId,
        index: row.index,
        height: row.height,
        time: row.time,
        number: row.number,
        origin: row.origin ?? null,
      })
      const view = encodeBorsh(recordView, {
        id,
        ...{
          kind: named.kind,
          patient: named.patient,
          code: named.code,
          effectiveTime: named.effectiveTime,
        },
        arrivalHeight: row.height,
        arrivalTime: row.time,
        number: row.number,
        author: row.author,
        supersedes: named.supersedes,
        body,
      })
      if (!bySchema.ok || !view.ok) return false
      const ownView = encodeRecordView(id, row, body)
      const decodedView = decodeBorsh(recordView, ownView)
      const input = encodeBorsh(triggerInput, {
        patient: header.patient,
        transaction: id,
        records: decodedView.ok ? [decodedView.value] : [],
      })
      return (
        hex(rowBytes) === hex(bySchema.value) &&
        hex(ownView) === hex(view.value) &&
        input.ok &&
        hex(encodeTriggerInput(header.patient, id, [ownView])) === hex(input.value) &&
        hex(encodeRecordRow(decodeRecordRow(rowBytes))) === hex(rowBytes)
      )
    }),
  )
  t.pass()
})

const events = fc.record({ source: code64, topic: code64, content: fc.uint8Array({ maxLength: 300 }) })
const receipts: fc.Arbitrary<Receipt> = fc.record(
  {
    transactionId: bytes(32),
    status: fc.integer({ min: 0, max: 65_535 }),
    fuelUsed: fc.oneof(
      fc.maxSafeNat(),
      fc.constantFrom(0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32),
    ),
    records: fc.array(bytes(32), { maxLength: 40 }),
    events: fc.array(events, { maxLength: 30 }),
    cause: bytes(32),
    target: fc.record({ alias: code64, address: bytes(32), method: code64 }),
    detail: code64,
    returned: fc.uint8Array({ maxLength: 500 }),
  },
  { requiredKeys: ['transactionId', 'status', 'fuelUsed', 'records', 'events'] },
)

t.test('a byte string that makes the buffer grow is written into the new one', async (t) => {
  const writer = new CborWriter(16)
  writer.bytes(new Uint8Array(10).fill(1))
  writer.bytes(new Uint8Array(300).fill(2))
  t.equal(hex(writer.finish()), `4a${'01'.repeat(10)}59012c${'02'.repeat(300)}`)
})

t.test('receipts encode as the protocol says', async (t) => {
  fc.assert(
    fc.property(receipts, (receipt) => hex(encodeReceiptFast(receipt)) === hex(encodeReceipt(receipt))),
  )
  const world = new World({ signers: [monitor], contracts: systemContracts })
  const block = world.block([world.append(monitor, [admissionOf(lisa)])])
  t.same(
    block.receipts.map(hex),
    block.receiptsDecoded.map((receipt) => hex(encodeReceipt(receipt))),
  )
})
