// What a replay tells: the signed transaction, its certified receipt, the one of the run now, the trace.
import {
  bytesToHex,
  codeOfStatus,
  decodeBundle,
  errorTable,
  hexToBytes,
  equalBytes,
  type Receipt,
  type RecordBody,
  type Transaction,
} from '../../runtime/protocol/index.js'
import type { ChainRow, ParentState, Replay, RewoundState } from '../../runtime/execution/index.js'
import { decodeRecordBody } from '../api/borsh-json.js'
import type { ReceiptView, ReplayView, SignedView } from '../api/node-port.js'
import { recordKindNameOf } from '../api/views.js'
import { sha256 } from '../keys/crypto.js'
import type { ReplayBlock } from './block-replay.js'
import { TraceView, type Touched } from './trace-view.js'

export interface ReplayParts {
  id: Uint8Array
  block: ReplayBlock
  state: RewoundState
  /** The state of the tip. */
  today: ParentState
  replay: Replay
  certified: readonly Receipt[]
  differences: string[]
  versions: ChainRow | undefined
}

export function replayView(parts: ReplayParts): { replay: ReplayView; touched: Touched[] } {
  const { id, block, replay, certified, differences, versions } = parts
  const { header } = block
  const trace = new TraceView(parts.state, parts.today)
  for (const event of replay.events) trace.add(event)
  const receiptOf = (receipt: Receipt): ReceiptView => receiptView(receipt, header.height, header.time)
  const at = certified.findIndex((receipt) => equalBytes(receipt.transactionId, id))
  const own = at < 0 ? replay.receipt : certified[at]
  const receipt = receiptOf(own)
  const caused = causedBy(certified.slice(Math.max(0, at)), id)
  if (caused.length > 0) receipt.derived = caused.map(receiptOf)
  for (const record of [...own.records, ...replay.receipt.records]) trace.touchRecord(record)
  return {
    replay: {
      transactionId: bytesToHex(id),
      height: header.height,
      blockTime: header.time,
      proposer: bytesToHex(header.proposer),
      identical: differences.length === 0,
      differences,
      fuelSchedule: Number(versions?.fuelSchedule ?? 0),
      instrumenter: Number(versions?.instrumenter ?? 0),
      signed: signedView(parts, trace),
      receipt,
      replayed: receiptOf(replay.receipt),
      steps: trace.steps,
      stepCount: replay.eventCount,
    },
    touched: trace.touched,
  }
}

/** Receipts of the same block that go back to this transaction. */
function causedBy(receipts: readonly Receipt[], id: Uint8Array): Receipt[] {
  const causes = new Set([bytesToHex(id)])
  return receipts.filter(({ cause, transactionId }) => {
    if (cause === undefined || !causes.has(bytesToHex(cause))) return false
    causes.add(bytesToHex(transactionId))
    return true
  })
}

function receiptView(receipt: Receipt, height: number, blockTime: number): ReceiptView {
  const code = codeOfStatus(receipt.status) ?? 'INTERNAL'
  const { target, cause } = receipt
  return {
    transactionId: bytesToHex(receipt.transactionId),
    height,
    blockTime,
    code,
    sentence: errorTable[code].sentence,
    detail: receipt.detail ?? '',
    fuelUsed: receipt.fuelUsed,
    records: receipt.records.map(bytesToHex),
    ...(cause === undefined ? {} : { cause: bytesToHex(cause) }),
    ...(target === undefined ? {} : { target: `${target.alias}.${target.method}` }),
  }
}

/** The transaction as it was signed, with its bodies; null when nobody signed it. */
function signedView({ id, block }: ReplayParts, trace: TraceView): SignedView | null {
  for (const bytes of block.payload.lanes.flat()) {
    const bundle = decodeBundle(bytes, sha256)
    if (!bundle.ok || !equalBytes(bundle.value.signed.id, id)) continue
    const { transaction } = bundle.value.signed
    return {
      sender: bytesToHex(transaction.sender),
      keyId: bytesToHex(transaction.keyId),
      stream: transaction.stream,
      sequence: transaction.sequence,
      fuelLimit: transaction.fuelLimit,
      validUntil: transaction.validUntil ?? null,
      action: actionView(transaction, bundle.value.bodies, trace),
    }
  }
  return null
}

function actionView(
  { action }: Transaction,
  bodies: readonly RecordBody[],
  trace: TraceView,
): SignedView['action'] {
  if (action.type === 'append') {
    const records = action.records.map((record, index) => {
      trace.touch(bytesToHex(record.patient), record.kind)
      const name = recordKindNameOf(record.kind)
      const decoded = name === undefined ? undefined : decodeRecordBody(name, bodies[index].content)
      return {
        kind: name ?? String(record.kind),
        patient: bytesToHex(record.patient),
        code: record.code,
        effectiveTime: record.effectiveTime,
        body: decoded?.ok ? decoded.value : null,
      }
    })
    return { type: 'append', records }
  }
  const address = action.target.length === 64 ? hexToBytes(action.target) : undefined
  const manifest = address ? trace.manifestAt(address) : trace.activeManifest(action.target)
  return {
    type: 'call',
    target: action.target,
    method: action.method,
    arguments: trace.argumentsOf(manifest, action.method, action.args),
    attachments: action.attachments.map(bytesToHex),
  }
}
