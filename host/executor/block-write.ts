// From an executed, certified block to the one transaction that makes it durable.
import {
  concatBytes,
  encodeCbor,
  encodeReceipt,
  encodeResult,
  utf8ToText,
  type Bundle,
  type Payload,
  type Validator,
} from '../../runtime/protocol/index.js'
import type { ExecutedBlock, GenesisOutcome, LedgerRecord } from '../../runtime/execution/index.js'
import { encodeRow, store as tables, validatorRow } from '../../runtime/execution/kernel-tables.js'
import { decodeStateKey, type WriteSet } from '../../runtime/state/index.js'
import type { SkippedLeaders } from '../../consensus/pbft/types.js'
import type { AttachmentWrite, BlockWrite, BodyWrite } from '../store/store-types.js'
import { erasedPatients } from './erased-rows.js'
import { detachPayload } from './stored-payload.js'

export const genesisNote = 'genesis'
/** The set that signed the tip: one block behind the set in the state. */
export const validatorsNote = 'validators'
/** CBOR [[height, [entity...]]...]: leaders that recent headers show as skipped (R3). */
export const skippedNote = 'skipped'
/** u64 BE: the last block that erased a patient; older ones cannot be handed out whole any more. */
export const erasureNote = 'erasure'
/** CBOR [[height, validatorRow bytes]...]: blocks after which another set votes, with the set that signed. */
export const handoversNote = 'handovers'
/** CBOR list of the recovery manifests that this node has taken, oldest first. */
export const recoveriesNote = 'recoveries'
/** Notice of a newer epoch (runtime/protocol/recovery-notice.ts) that stopped this node; absent: none did. */
export const toldNote = 'recovery-told'

export interface FinalParts {
  height: number
  header: Uint8Array
  payload: Payload
  /** The bundles of `payload`, decoded, by their very bytes. */
  decodedBundle: (bytes: Uint8Array) => Bundle | undefined
  result: Uint8Array
  certificate: Uint8Array
  executed: ExecutedBlock
  skipped: readonly SkippedLeaders[]
  /** `undoBytes`, made before the block is applied. */
  undo: Uint8Array | undefined
  /** The handovers note with this block, when another set votes after it. */
  handovers: Uint8Array | undefined
  /** The set whose certificate this is. */
  signedBy: readonly Validator[]
}

export function buildBlockWrite(parts: FinalParts): BlockWrite {
  const { executed } = parts
  const detached = detachPayload(parts.payload, parts.decodedBundle)
  const deployed: AttachmentWrite[] = executed.attachments.map(({ hash, content }) => ({
    hash,
    bytes: content,
  }))
  const erased = erasedPatients(executed.writeSet.state)
  const erasure = Buffer.alloc(8)
  erasure.writeBigUInt64BE(BigInt(parts.height))
  const skipped = encodeCbor(parts.skipped.map(({ height, ids }) => [height, [...ids]]))
  return {
    height: parts.height,
    header: parts.header,
    payload: detached.stored,
    result: parts.result,
    certificate: parts.certificate,
    receipts: executed.receipts,
    bodies: [...detached.bodies, ...executed.records.filter((record) => record.derived).map(derivedBody)],
    attachments: uniqueByHash([...detached.attachments, ...deployed]),
    transactions: transactionIndex(executed),
    writes: executed.writeSet,
    pages: executed.tree.pageWrites,
    redo: executed.tree.redo,
    stateRoot: executed.result.stateRoot,
    undo: parts.undo,
    erasedPatients: erased,
    notes: [
      ...(erased.length === 0 ? [] : [{ name: erasureNote, value: erasure }]),
      { name: skippedNote, value: skipped },
      { name: validatorsNote, value: encodeRow(validatorRow, parts.signedBy) },
      ...(parts.handovers === undefined ? [] : [{ name: handoversNote, value: parts.handovers }]),
    ],
  }
}

/** Height 0: no header, no payload, no certificate; the document itself is kept as a note. */
export function genesisBlockWrite(genesis: Uint8Array, outcome: GenesisOutcome): BlockWrite {
  const none = new Uint8Array(0)
  return {
    height: 0,
    header: none,
    payload: none,
    result: encodeResult(outcome.result),
    certificate: none,
    receipts: outcome.receiptsDecoded.map(encodeReceipt),
    bodies: [],
    attachments: uniqueByHash(outcome.attachments.map(({ hash, content }) => ({ hash, bytes: content }))),
    transactions: transactionIndex(outcome),
    writes: outcome.writeSet,
    pages: outcome.tree.pageWrites,
    redo: outcome.tree.redo,
    stateRoot: outcome.result.stateRoot,
    notes: [{ name: genesisNote, value: genesis }],
  }
}

/** Aliases whose row in the state this block wrote. */
export function changedAliases(writes: WriteSet): string[] {
  return writes.state.flatMap((write) => {
    const key = write.store === tables.alias ? decodeStateKey(write.key) : undefined
    return key?.kind === 'point' ? [utf8ToText(key.key)] : []
  })
}

/** A rule failed, recovered, or its quarantine began or was lifted. */
export const changesHealth = (writes: WriteSet): boolean =>
  writes.state.some((write) => write.store === tables.health)

const derivedBody = (record: LedgerRecord): BodyWrite => ({
  hash: record.header.bodyHash,
  content: concatBytes(record.body.salt, record.body.content),
  patient: record.header.patient,
})

function transactionIndex(executed: {
  receiptsDecoded: { transactionId: Uint8Array }[]
}): BlockWrite['transactions'] {
  return executed.receiptsDecoded.map((receipt, index) => ({ id: receipt.transactionId, index }))
}

function uniqueByHash(attachments: AttachmentWrite[]): AttachmentWrite[] {
  const byHash = new Map(attachments.map((attachment) => [attachment.hash.join(), attachment]))
  return [...byHash.values()]
}
