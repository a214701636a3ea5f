// The HL7 gateway of a node: each attached source has a key of its own, and an answer AA means that its
// records are final.
import {
  codeOfStatus,
  decodeBundle,
  entityIdOf,
  errorTable,
  keyIdOf,
  type ErrorCode,
} from '../../runtime/protocol/index.js'
import type { CommitReply, ReceiptEntry } from '../executor/messages.js'
import { randomBytes, sha256, type SigningKey } from '../keys/crypto.js'
import type { SourceConfig } from '../node/node-config.js'
import type { NodeLogger } from '../node/node-logger.js'
import type { NodeSequences } from '../node/node-sequences.js'
import type { RunningNode } from '../node/running-node.js'
import { draftAppend, payloadOf, signBundle, type DraftRecord } from '../node/transaction-builder.js'
import { openGateway, type Gateway } from './hl7/gateway.js'
import type { AnswerStore, SubmitOutcome, SubmittedMessage } from './hl7/ports.js'
import { admissionRecords, noteKey, observationRecords } from './hl7-records.js'
import { PatientIndex } from './patient-index.js'

export interface Hl7Bridge {
  onCommit(commit: CommitReply): void
  close(): Promise<void>
}

/** Below the gateway's own limit, so that the sender hears "late" and not a closed socket. */
const finalWaitMs = 4_500
const sourceStream = 1
const appendFuelLimit = 50_000_000

const answersTable = 'hl7-answers'
/** Bundles that were submitted, by message key: the same message again is the same transaction again. */
const submittedTable = 'hl7-submitted'

/** Opens the ports of a gateway node; undefined when no source is attached. */
export async function startHl7Bridge(
  sources: readonly SourceConfig[],
  node: RunningNode,
  sequences: NodeSequences,
  logger: NodeLogger,
  now: () => number,
): Promise<Hl7Bridge | undefined> {
  if (sources.length === 0) return undefined
  const patients = await PatientIndex.build(node.executor)
  const parts: BridgeParts = { node, sequences, patients, now }
  const gateway: Gateway = await openGateway(
    sources.map(({ name, host, port, accepts }) => ({ name, host, port, accepts })),
    {
      submit: (message) => submit(message, parts),
      answers: answerStore(node),
      nowMs: now,
      report: (event) => {
        if (event.kind === 'failed')
          logger.warn({ source: event.source, step: event.step, cause: String(event.cause) }, 'hl7')
        else if (event.kind === 'answered') {
          logger.info(
            { source: event.source, acks: event.acks, reason: event.reason, ms: event.durationMs },
            'hl7',
          )
        }
      },
    },
    { finalMsMax: finalWaitMs + 500 },
  )
  return {
    onCommit: (commit) => commit.records.forEach((record) => patients.add(record)),
    close: () => gateway.close(),
  }
}

interface BridgeParts {
  node: RunningNode
  sequences: NodeSequences
  patients: PatientIndex
  now: () => number
}

function answerStore(node: RunningNode): AnswerStore {
  return {
    get: async (key) =>
      (await node.executor.call('get', { table: answersTable, key: noteKey(key) })) ?? undefined,
    put: async (key, answer) => {
      await node.executor.call('put', { table: answersTable, key: noteKey(key), value: answer })
    },
  }
}

async function submit(message: SubmittedMessage, parts: BridgeParts): Promise<SubmitOutcome> {
  const { executor } = parts.node
  const place = { table: submittedTable, key: noteKey(message.key) }
  const before = await executor.call('get', place)
  const repeated = before && (await resubmit(before, parts))
  if (repeated) return repeated
  const records = recordsOf(message, parts)
  if (!Array.isArray(records)) return records
  const key = parts.node.identity.sources.get(message.source)
  if (!key) return refusedBy('KEY_UNKNOWN', message.source)
  const draft = draftAppend(records)
  if (!draft.ok) return refusedBy(draft.code, draft.detail ?? '')
  const bundle = await sign(draft.value, key, parts)
  await executor.call('put', { ...place, value: bundle })
  return outcomeOf(await parts.node.submit(bundle, finalWaitMs))
}

/**
 * A message that came before: its transaction may be final already, or it goes out once more, byte for
 * byte. Undefined
 * when it was refused on chain: then nothing was recorded, and what was missing (a grant, say) may be
 * there now.
 */
async function resubmit(bundle: Uint8Array, parts: BridgeParts): Promise<SubmitOutcome | undefined> {
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) return refusedBy('INTERNAL', decoded.code)
  const { receipts } = await parts.node.executor.call('receipt', { id: decoded.value.signed.id })
  if (receipts.length > 0) return receipts[0].status === 0 ? receiptOutcome(receipts) : undefined
  return outcomeOf(await parts.node.submit(bundle, finalWaitMs))
}

function recordsOf(message: SubmittedMessage, parts: BridgeParts): DraftRecord[] | SubmitOutcome {
  const { mapped } = message
  const patient = parts.patients.find(mapped.identifiers)
  const location = { segment: 'PID', sequence: 1, field: 3 }
  if (patient === 'ambiguous') {
    const sentence =
      'PID-3 names numbers of more than one patient. Nothing was stored. Send one patient in each message.'
    return { kind: 'refused', code: 'UNKNOWN_PATIENT', sentence, location }
  }
  if (mapped.kind === 'admission') {
    if (patient) return { ...refusedBy('PATIENT_EXISTS', ''), location }
    return admissionRecords(mapped, randomBytes(16))
  }
  if (!patient) {
    const sentence =
      'No admission has arrived for this patient number. Nothing was stored. Send the admission (ADT^A01) first, then this message again.'
    return { kind: 'refused', code: 'UNKNOWN_PATIENT', sentence, location }
  }
  return observationRecords(mapped, patient)
}

async function sign(
  draft: Parameters<typeof signBundle>[1],
  key: SigningKey,
  parts: BridgeParts,
): Promise<Uint8Array> {
  const keyId = keyIdOf(sha256, key.publicKey)
  const sequence = await parts.sequences.next(keyId, sourceStream)
  const sender = {
    chainId: parts.node.open.chainId,
    entity: entityIdOf(sha256, key.publicKey),
    publicKey: key.publicKey,
  }
  return signBundle(
    payloadOf(sender, draft, { stream: sourceStream, sequence, fuelLimit: appendFuelLimit }),
    draft,
    key,
  )
}

function outcomeOf(outcome: Awaited<ReturnType<RunningNode['submit']>>): SubmitOutcome {
  if (outcome.ok) return receiptOutcome(outcome.receipts)
  if (outcome.code === 'NOT_FINAL_IN_TIME' || outcome.code === 'POOL_FULL') return { kind: 'late' }
  return refusedBy(outcome.code, outcome.detail)
}

function receiptOutcome(receipts: readonly ReceiptEntry[]): SubmitOutcome {
  const [receipt] = receipts
  if (receipt.status === 0) return { kind: 'final', height: receipt.height }
  return refusedBy(codeOfStatus(receipt.status) ?? 'INTERNAL', receipt.detail)
}

function refusedBy(code: ErrorCode, detail: string): Extract<SubmitOutcome, { kind: 'refused' }> {
  const { sentence } = errorTable[code]
  return { kind: 'refused', code, sentence: detail === '' ? sentence : `${sentence} (${detail})` }
}
