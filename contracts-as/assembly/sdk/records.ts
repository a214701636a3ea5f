// Clinical records: reading what the manifest names, emitting what it may emit.
import { bytesEqual, pointer, takeResult, utf8, Bytes } from './bytes'
import { Reader, Writer } from './borsh'
import { record_emit, record_get, record_latest, record_query, result_len } from './env'

/** Kinds of records (runtime/protocol/record.ts). */
export enum RecordKind {
  Admission = 1,
  Observation = 2,
  Finding = 3,
  Alert = 4,
  AlertResponse = 5,
  Order = 6,
  OrderEvent = 7,
  SourceMessage = 8,
}

export const BODY_SCHEMA: u16 = 1
const BODY_BYTES_MAX: i32 = 262144

export class ClinicalRecord {
  id!: Bytes
  kind: u8 = 0
  patient!: Bytes
  code: string = ''
  /** When it was true in the world, ms since 1970. */
  effectiveTime: u64 = 0
  arrivalHeight: u64 = 0
  arrivalTime: u64 = 0
  /** 1..n within the patient's chart. */
  number: u32 = 0
  author!: Bytes
  /** The record that this one corrects or answers. */
  supersedes: Bytes | null = null
  body!: Bytes

  static read(reader: Reader): ClinicalRecord {
    const record = new ClinicalRecord()
    record.id = reader.fixed(32)
    record.kind = reader.u8()
    record.patient = reader.fixed(16)
    record.code = reader.text(64)
    record.effectiveTime = reader.u64()
    record.arrivalHeight = reader.u64()
    record.arrivalTime = reader.u64()
    record.number = reader.u32()
    record.author = reader.fixed(32)
    record.supersedes = reader.option(32)
    record.body = reader.bytesValue(BODY_BYTES_MAX)
    return record
  }
}

/** All matching records of one transaction for one patient: the input of a method that records trigger. */
export class RecordTrigger {
  patient!: Bytes
  transaction!: Bytes
  records!: ClinicalRecord[]

  static read(reader: Reader): RecordTrigger {
    const trigger = new RecordTrigger()
    trigger.patient = reader.fixed(16)
    trigger.transaction = reader.fixed(32)
    trigger.records = readRecords(reader)
    reader.end()
    return trigger
  }
}

function readRecords(reader: Reader): ClinicalRecord[] {
  const count = reader.count()
  const records: ClinicalRecord[] = []
  for (let index = 0; index < count; index++) records.push(ClinicalRecord.read(reader))
  return records
}

export namespace Records {
  /** A record by its id; null when there is none or when it was erased. */
  export function get(id: Bytes): ClinicalRecord | null {
    const length = record_get(pointer(id))
    return length < 0 ? null : ClinicalRecord.read(new Reader(takeResult(length)))
  }

  /**
   * Newest effective time first, from <= time <= to. An empty code stands for every code that the manifest
   * reads.
   */
  export function query(
    kind: RecordKind,
    patient: Bytes,
    code: string,
    from: u64,
    to: u64,
    limit: i32,
  ): ClinicalRecord[] {
    const name = utf8(code)
    const count = record_query(
      kind,
      pointer(patient),
      pointer(name),
      name.length,
      from as i64,
      to as i64,
      limit,
    )
    if (count <= 0) return []
    return readRecords(new Reader(takeResult(result_len())))
  }

  /**
   * The newest record of each code with from <= time <= to that no newer version of that code corrects; codes
   * without one are left out. One call for up to 32 codes: far cheaper than a query for each.
   */
  export function latest(
    kind: RecordKind,
    patient: Bytes,
    codes: string[],
    from: u64,
    to: u64,
  ): ClinicalRecord[] {
    if (codes.length == 0) return []
    const names = utf8(codes.join('\n'))
    const count = record_latest(
      kind,
      pointer(patient),
      pointer(names),
      names.length,
      from as i64,
      to as i64,
    )
    if (count <= 0) return []
    return readRecords(new Reader(takeResult(result_len())))
  }

  /** Appends a record as this contract and returns its id. */
  export function emit(
    kind: RecordKind,
    patient: Bytes,
    code: string,
    effectiveTime: u64,
    supersedes: Bytes | null,
    body: Writer,
  ): Bytes {
    const bytes = new Writer()
      .u8(kind as u8)
      .fixed(patient)
      .text(code)
      .u64(effectiveTime)
      .option(supersedes)
      .bytesValue(body.finish())
      .finish()
    record_emit(pointer(bytes), bytes.length)
    return takeResult(32)
  }

  /**
   * Leaves out records that a later one in the list corrects. Corrections carry the code of what they
   * correct.
   */
  export function current(records: ClinicalRecord[]): ClinicalRecord[] {
    const kept: ClinicalRecord[] = []
    for (let index = 0; index < records.length; index++) {
      const record = unchecked(records[index])
      if (!isSuperseded(records, record.id)) kept.push(record)
    }
    return kept
  }

  export function isSuperseded(records: ClinicalRecord[], id: Bytes): bool {
    for (let index = 0; index < records.length; index++) {
      const target = unchecked(records[index]).supersedes
      if (target !== null && bytesEqual(target, id)) return true
    }
    return false
  }
}

/** Longest part of a free text that a rule looks at. */
const TEXT_LOOKED_AT: i32 = 120
const UNIT_LOOKED_AT: i32 = 24
/** No measurement has more digits; beyond it arithmetic on i64 could wrap. */
const VALUE_MAX: i64 = 1000000000000
const SCALE_MAX: u8 = 9

/** Body of an observation: value × 10^-scale in a UCUM unit, or coded text. */
export class Observation {
  value: i64 = 0
  scale: u8 = 0
  unit: string = ''
  text: string = ''
  /** OBX-11: F final, C correction, P preliminary, D deleted, W wrong, X none. */
  status: string = ''
  /** 0 device, unvalidated; 1 validated by a person; 2 entered by hand. */
  validation: u8 = 0
  /** The body is not an observation of a version that we know. */
  isMalformed: bool = false

  static decode(body: Bytes): Observation {
    const reader = new Reader(body, true)
    const observation = new Observation()
    const schema = reader.u16()
    observation.value = reader.i64()
    observation.scale = reader.u8()
    observation.unit = reader.cutText(UNIT_LOOKED_AT)
    observation.text = reader.cutText(TEXT_LOOKED_AT)
    observation.status = reader.cutText(UNIT_LOOKED_AT)
    observation.validation = reader.u8()
    const isLarge = observation.value > VALUE_MAX || observation.value < -VALUE_MAX
    observation.isMalformed =
      reader.isBroken || schema != BODY_SCHEMA || isLarge || observation.scale > SCALE_MAX
    return observation
  }

  /** Deleted, wrong, empty or malformed results stand for no value. */
  get isVoid(): bool {
    return this.isMalformed || this.status == 'D' || this.status == 'W' || this.status == 'X'
  }
}

/** Body of a coded clinical finding. */
export class Finding {
  concepts: string[] = []
  isMalformed: bool = false

  /** A malformed body says nothing: it has no concepts. */
  static decode(body: Bytes): Finding {
    const reader = new Reader(body, true)
    const finding = new Finding()
    const schema = reader.u16()
    const count = reader.count(64)
    const concepts: string[] = []
    for (let index = 0; index < count; index++) concepts.push(reader.cutText(64))
    if (schema == BODY_SCHEMA && !reader.isBroken) finding.concepts = concepts
    else finding.isMalformed = true
    return finding
  }

  has(concept: string): bool {
    return this.concepts.includes(concept)
  }
}
