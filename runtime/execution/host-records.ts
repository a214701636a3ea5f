// Host functions on the record ledger. What a contract may read and emit is its approved manifest, nothing
// else.
import { decodeBorsh } from '../protocol/borsh.js'
import { concatBytes } from '../protocol/bytes.js'
import { statusOf } from '../protocol/error-codes.js'
import { recordCodeLengthMax } from '../protocol/limits.js'
import type { RecordSelector } from '../protocol/manifest.js'
import { recordKindMax, type RecordHeader } from '../protocol/record.js'
import { emittedRecord } from '../protocol/record-bodies.js'
import { byteText } from './byte-text.js'
import type { Frame } from './frame.js'
import { stopFrame } from './guest-failure.js'
import {
  chargeAnswer,
  chargeCall,
  chargeFuel,
  guestBytes,
  guestCopy,
  guestText,
  requireUnsealed,
  requireWritable,
  setResult,
} from './guest-memory.js'
import { furtherCodesPrice, hostCaps } from './host-prices.js'
import { appendRecord, derivedSalt, isErased, readView } from './ledger.js'
import type { IndexedRecord } from './record-index.js'

const absent = -1

/** Length of the Borsh record in the result buffer; -1: no such record; -ERASED: its patient was erased. */
export function recordGet(frame: Frame, idPointer: number): number {
  const id = guestCopy(frame, idPointer, 32, 32)
  chargeCall(frame, 'record_get', 32)
  requireUnsealed(frame)
  const { run } = frame
  const found = run.kernel.index.find(id)
  if (found === undefined) return absent
  const { header } = found.row
  if (!selects(frame.contract.manifest.reads, header.kind, header.code)) stopFrame(frame, 'NOT_IN_MANIFEST')
  if (isErased(run.kernel, header.patient)) return -statusOf('ERASED')
  return setResult(frame, 'record_get', readView(run, found))
}

/** Result: Borsh vec<Record>, newest effective time first; records that would pass 64 KiB are left out. */
export function recordQuery(
  frame: Frame,
  kind: number,
  patientPointer: number,
  codePointer: number,
  codeLength: number,
  from: bigint,
  to: bigint,
  limit: number,
): number {
  const patient = guestCopy(frame, patientPointer, 16, 16)
  const codeBytes = guestBytes(frame, codePointer, codeLength, recordCodeLengthMax)
  chargeCall(frame, 'record_query', 16 + codeBytes.length)
  requireUnsealed(frame)
  const { run } = frame
  const codes = readableCodes(frame, kind, guestText(frame, codeBytes))
  const countMax = Math.min(limit >>> 0, hostCaps.scanItems)
  // An empty code stands for up to 2,048 of the manifest, each searched for itself: charged before the work.
  chargeFuel(frame, furtherCodesPrice(codes.length, countMax))
  if (isErased(run.kernel, patient)) return -statusOf('ERASED')
  const found = run.kernel.index.search({
    patient,
    kind,
    codes,
    from: BigInt.asUintN(64, from),
    to: BigInt.asUintN(64, to),
    limit: countMax,
  })
  chargeAnswer(frame, 'record_query', countBytes, found.length)
  const views = paidViews(frame, 'record_query', found)
  frame.result = viewList(views)
  return views.length
}

/**
 * The newest record of each code that none of the newest versions of that code corrects, in the order of the
 * codes: what a rule asks most, in one call. Codes are separated by line feeds. Result: Borsh vec<Record>.
 */
export function recordLatest(
  frame: Frame,
  kind: number,
  patientPointer: number,
  codesPointer: number,
  codesLength: number,
  from: bigint,
  to: bigint,
): number {
  const patient = guestCopy(frame, patientPointer, 16, 16)
  const codesMax = hostCaps.latestCodes * (recordCodeLengthMax + 1)
  const codeBytes = guestBytes(frame, codesPointer, codesLength, codesMax)
  chargeCall(frame, 'record_latest', 16 + codeBytes.length)
  requireUnsealed(frame)
  const { run } = frame
  const codes = codeList(frame, kind, codeBytes)
  // Charged before the work, and for what is not found too: looking costs the same.
  chargeAnswer(frame, 'record_latest', 0, codes.length)
  if (isErased(run.kernel, patient)) return -statusOf('ERASED')
  const found = run.kernel.index.latest({
    patient,
    kind,
    codes,
    from: BigInt.asUintN(64, from),
    to: BigInt.asUintN(64, to),
  })
  chargeAnswer(frame, 'record_latest', countBytes)
  const views = paidViews(frame, 'record_latest', found)
  if (views.length < found.length) stopFrame(frame, 'LIMIT_EXCEEDED')
  frame.result = viewList(views)
  return found.length
}

/**
 * Codes between line feeds, all of them readable; an empty one would stand for every code and has no newest
 * record. A rule asks for the same ones in each run: what was found right is kept for the block.
 */
function codeList(frame: Frame, kind: number, bytes: Uint8Array): readonly string[] {
  const { codeLists } = frame.contract
  const key = `${kind}/${byteText(bytes)}`
  const kept = codeLists.get(key)
  if (kept !== undefined) return kept
  const codes = parsedCodes(frame, bytes)
  for (const code of codes) readableCodes(frame, kind, code)
  if (codeLists.size < codeListsMax) codeLists.set(key, codes)
  return codes
}

/** A contract may make up any number of lists. */
const codeListsMax = 16

function parsedCodes(frame: Frame, bytes: Uint8Array): string[] {
  const codes: string[] = []
  for (let start = 0; start <= bytes.length;) {
    const found = bytes.indexOf(lineFeed, start)
    const end = found < 0 ? bytes.length : found
    const code = guestText(frame, bytes.subarray(start, end))
    if (code === '' || code.length > recordCodeLengthMax || codes.length >= hostCaps.latestCodes) {
      return stopFrame(frame, 'ARGUMENT_INVALID')
    }
    codes.push(code)
    start = end + 1
  }
  return codes
}

const lineFeed = 0x0a

/** As many as fit into a result. Each is paid before the body of the next is read. */
function paidViews(
  frame: Frame,
  name: 'record_query' | 'record_latest',
  found: readonly IndexedRecord[],
): Uint8Array[] {
  const views: Uint8Array[] = []
  let byteCount = countBytes
  for (const record of found) {
    const view = readView(frame.run, record)
    byteCount += view.length
    if (byteCount > hostCaps.resultBytes) break
    chargeAnswer(frame, name, view.length)
    views.push(view)
  }
  return views
}

/** The count in front of a list. */
const countBytes = 4

/** Borsh vec<Record> of views. */
function viewList(views: readonly Uint8Array[]): Uint8Array {
  let byteCount = countBytes
  for (const view of views) byteCount += view.length
  const list = new Uint8Array(byteCount)
  // At most `scanItems` of them.
  list[0] = views.length
  list[1] = views.length >>> 8
  list[2] = views.length >>> 16
  let offset = countBytes
  for (const view of views) {
    list.set(view, offset)
    offset += view.length
  }
  return list
}

/** Codes to search: the one asked for, or every code that the manifest reads of this kind (empty: all). */
function readableCodes(frame: Frame, kind: number, code: string): readonly string[] {
  const readable = frame.contract.reads.get(kind)
  if (readable === undefined) return stopFrame(frame, 'NOT_IN_MANIFEST')
  if (code === '') return readable.all ? [] : readable.codes
  if (!readable.all && !readable.codes.includes(code)) stopFrame(frame, 'NOT_IN_MANIFEST')
  return [code]
}

/** Does any selector name this kind and code? An empty list of codes names all of them. */
export function selects(selectors: readonly RecordSelector[], kind: number, code: string): boolean {
  return selectors.some(
    (selector) => selector.kind === kind && (selector.codes.length === 0 || selector.codes.includes(code)),
  )
}

interface EmittedRecord {
  kind: number
  patient: Uint8Array
  code: string
  effectiveTime: bigint
  supersedes: Uint8Array | null
  body: Uint8Array
}

/** Appends a record as this contract; result: its id. What does not fit stops the frame. */
export function recordEmit(frame: Frame, pointer: number, length: number): void {
  const argument = guestBytes(frame, pointer, length, hostCaps.emittedBytes)
  chargeCall(frame, 'record_emit', argument.length)
  requireUnsealed(frame)
  requireWritable(frame)
  const { run, contract } = frame
  const decoded = decodeBorsh(emittedRecord, argument.slice())
  if (!decoded.ok) return stopFrame(frame, 'ARGUMENT_INVALID')
  const emitted = decoded.value as unknown as EmittedRecord
  if (!isRecord(emitted)) stopFrame(frame, 'ARGUMENT_INVALID')
  if (!selects(contract.manifest.emits, emitted.kind, emitted.code)) stopFrame(frame, 'NOT_IN_MANIFEST')
  if (run.effects.records.length >= hostCaps.recordsEmitted) stopFrame(frame, 'LIMIT_EXCEEDED')
  const body = { salt: derivedSalt(run), content: emitted.body }
  const header: RecordHeader = {
    kind: emitted.kind,
    patient: emitted.patient,
    code: emitted.code,
    effectiveTime: Number(emitted.effectiveTime),
    bodyHash: run.kernel.hash(concatBytes(body.salt, body.content)),
  }
  if (emitted.supersedes !== null) header.supersedes = emitted.supersedes
  const appended = appendRecord(run, { header, body, author: contract.entity, derived: true })
  if (!appended.ok) return stopFrame(frame, appended.code)
  setResult(frame, 'record_emit', appended.value.id)
}

function isRecord(emitted: EmittedRecord): boolean {
  return (
    emitted.kind <= recordKindMax &&
    emitted.code.length <= recordCodeLengthMax &&
    /^[\x20-\x7e]*$/.test(emitted.code) &&
    emitted.effectiveTime <= BigInt(Number.MAX_SAFE_INTEGER)
  )
}
