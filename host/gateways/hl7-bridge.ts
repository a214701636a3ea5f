// The HL7 gateway of a node: each attached source has a key of its own, and an answer AA means that its
// records are final.
import {
  codeOfStatus,
  decodeBundle,
  entityIdOf,
  errorTable,
  keyIdOf,
  recordsPerTransactionMax,
  type ErrorCode,
} from '../../runtime/protocol/index.js'
import type { CommitReply, ReceiptEntry } from '../executor/messages.js'
import { randomBytes, sha256, type SigningKey } from '../keys/crypto.js'
import type { SourceConfig } from '../node/node-config.js'
import type { NodeLogger } from '../node/node-logger.js'
import type { NodeSequences } from '../node/node-sequences.js'
import type { RunningNode } from '../node/running-node.js'
import { draftAppend, payloadOf, signBundle, type DraftRecord } from '../node/transaction-builder.js'
import { earlierRecords } from './earlier-values.js'
import { openGateway, type Gateway } from './hl7/gateway.js'
import type { Admission, ObservationSet } from './hl7/mapping.js'
import type { GatewayEvent, SubmitOutcome, SubmittedMessage } from './hl7/ports.js'
import { GatewayNotes, type Submission } from './hl7-notes.js'
import { admissionRecords, observationRecords } from './hl7-records.js'
import { Turns } from '../node/turns.js'
import { nameOf, PatientIndex } from './patient-index.js'

export interface Hl7Bridge {
  onCommit(commit: CommitReply): void
  close(): Promise<void>
}

/** Below the gateway's own limit, so that the sender hears "late" and not a closed socket. */
const finalWaitMs = 4_500
const sourceStream = 1
const appendFuelLimit = 50_000_000
const purgeEveryMs = 3_600_000

/**
 * Opens the ports of a gateway node; undefined when no source is attached. Until `isReady` says so, every
 * message is answered as late and nothing is kept of it.
 */
export async function startHl7Bridge(
  sources: readonly SourceConfig[],
  node: RunningNode,
  sequences: NodeSequences,
  logger: NodeLogger,
  now: () => number,
  /** False while this node is behind: it must not judge by an old state, so the answer is "late". */
  isReady: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<Hl7Bridge | undefined> {
  if (sources.length === 0) return undefined
  const notes = await GatewayNotes.open(node.executor, now)
  const patients = await PatientIndex.build(node.executor)
  const parts: BridgeParts = { node, sequences, patients, notes, turns: new Turns() }
  const failed = (step: string) => (cause: unknown) => logger.warn({ step, cause: String(cause) }, 'hl7')
  // What an earlier process sent and nobody waits for: it may have been in this node's queue alone.
  const open = await notes.openBundles()
  if (open.length > 0) await node.submitMany(open).catch(failed('resume'))
  const gateway: Gateway = await openGateway(
    sources.map(({ name, host, port, accepts }) => ({ name, host, port, accepts })),
    {
      submit: async (message) => ((await isReady()) ? submit(message, parts) : { kind: 'late' }),
      answers: { get: (key) => notes.answer(key), put: (key, answer) => notes.putAnswer(key, answer) },
      nowMs: now,
      report: (event) => report(event, logger),
    },
    { finalMsMax: finalWaitMs + 500 },
  )
  let purging = Promise.resolve()
  const upkeep = setInterval(() => {
    purging = purging.then(() => notes.purge()).catch(failed('purge'))
  }, purgeEveryMs)
  upkeep.unref()
  return {
    onCommit: (commit) => {
      commit.records.forEach((record) => patients.add(record))
      notes.onCommit(commit).catch(failed('settle'))
    },
    close: async () => {
      clearInterval(upkeep)
      await gateway.close()
      await purging
    },
  }
}

function report(event: GatewayEvent, logger: NodeLogger): void {
  if (event.kind === 'failed')
    logger.warn({ source: event.source, step: event.step, cause: String(event.cause) }, 'hl7')
  else if (event.kind === 'answered') {
    const { source, acks, reason, durationMs } = event
    logger.info({ source, acks, reason, ms: durationMs }, 'hl7')
  }
}

interface BridgeParts {
  node: RunningNode
  sequences: NodeSequences
  patients: PatientIndex
  notes: GatewayNotes
  turns: Turns
}

/** Two admissions of one number would each find it free; the second waits for what the first becomes. */
function submit(message: SubmittedMessage, parts: BridgeParts): Promise<SubmitOutcome> {
  const { mapped } = message
  const names = mapped.kind === 'admission' ? mapped.identifiers.map(nameOf) : []
  return parts.turns.run(names, () => submitInTurn(message, parts))
}

async function submitInTurn(message: SubmittedMessage, parts: BridgeParts): Promise<SubmitOutcome> {
  const { notes } = parts
  const before = await notes.submission(message.key)
  const repeated = before && (await repeat(before, message.key, parts))
  if (repeated) return repeated
  const key = parts.node.identity.sources.get(message.source)
  if (!key) return refusedBy('KEY_UNKNOWN', message.source)
  const records = await recordsOf(message, key, parts)
  if (!Array.isArray(records)) return records
  const draft = draftAppend(records)
  if (!draft.ok) return refusedBy(draft.code, draft.detail ?? '')
  const bundle = await sign(draft.value, key, parts)
  const decoded = decodeBundle(bundle, sha256)
  if (!decoded.ok) return refusedBy('INTERNAL', decoded.code)
  if (!(await notes.keep(message.key, decoded.value.signed.id, bundle))) return { kind: 'late' }
  const outcome = await parts.node.submit(bundle, finalWaitMs)
  // Refused at this node's own door it never left: nothing needs to be remembered of it.
  if (!outcome.ok && outcome.code === 'CREDIT_EXHAUSTED') await parts.notes.drop(message.key)
  return concluded(message.key, outcome, parts)
}

/** What an outcome means for the note: final keeps it until the answer is stored, late until it is final. */
async function concluded(
  key: string,
  outcome: Awaited<ReturnType<RunningNode['submit']>>,
  parts: BridgeParts,
): Promise<SubmitOutcome> {
  parts.notes.setInFlight(key, false)
  const told = outcomeOf(outcome)
  if (told.kind === 'refused') await parts.notes.drop(key)
  return told
}

/** Refusals of a bundle that can never become final any more, unless it is already. */
const spentCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'SEQUENCE_REUSED',
  'SEQUENCE_TOO_OLD',
  'EXPIRED',
])

/** Time heals these: a bundle that other nodes hold may still become final, so it must not be signed anew. */
const healingCodes: ReadonlySet<string> = new Set<ErrorCode>([
  'NOT_FINAL_IN_TIME',
  'POOL_FULL',
  'CREDIT_EXHAUSTED',
])

/**
 * A message that came before: its transaction may be final already, or it goes out once more, byte for
 * byte. Undefined when it was refused on chain or can never be final: then nothing was recorded, and what
 * was missing (a grant, a sequence) may be there now.
 */
async function repeat(
  before: Submission,
  key: string,
  parts: BridgeParts,
): Promise<SubmitOutcome | undefined> {
  const known = await receiptsOf(before.id, parts)
  if (known.length > 0) return known[0].status === 0 ? receiptOutcome(known) : forget(key, parts)
  if (before.kind === 'final') return refusedBy('INTERNAL', 'a final transaction has no receipt')
  parts.notes.setInFlight(key, true)
  const outcome = await parts.node.submit(before.bundle, finalWaitMs)
  if (outcome.ok || !spentCodes.has(outcome.code)) return concluded(key, outcome, parts)
  parts.notes.setInFlight(key, false)
  const since = await receiptsOf(before.id, parts)
  if (since.length > 0 && since[0].status === 0) return receiptOutcome(since)
  // The other holder of the sequence is not final either: which of the two it will be is not known yet.
  if (since.length === 0 && outcome.detail === 'waiting') return { kind: 'late' }
  return forget(key, parts)
}

async function receiptsOf(id: Uint8Array, parts: BridgeParts): Promise<ReceiptEntry[]> {
  return (await parts.node.executor.call('receipt', { id })).receipts
}

async function forget(key: string, parts: BridgeParts): Promise<undefined> {
  await parts.notes.drop(key)
  return undefined
}

const patientLocation = { segment: 'PID', sequence: 1, field: 3 }

async function recordsOf(
  message: SubmittedMessage,
  key: SigningKey,
  parts: BridgeParts,
): Promise<DraftRecord[] | SubmitOutcome> {
  const { mapped } = message
  const patient = parts.patients.find(mapped.identifiers)
  if (patient === 'ambiguous') {
    const sentence =
      'The numbers in PID-3 belong to more than one patient subject here. Nothing was stored. Have the two' +
      ' subjects linked, or correct PID-3, then send this message again.'
    return { kind: 'refused', code: 'PATIENT_AMBIGUOUS', sentence, location: patientLocation }
  }
  if (mapped.kind === 'admission') return admissionOf(mapped, patient, message.key, parts)
  if (!patient) {
    const sentence =
      'No admission has arrived for this patient number. Nothing was stored. Send the admission (ADT^A01) first, then this message again.'
    return { kind: 'refused', code: 'UNKNOWN_PATIENT', sentence, location: patientLocation }
  }
  return observationsOf(mapped, patient, key, parts)
}

function admissionOf(
  admission: Admission,
  patient: Uint8Array | undefined,
  key: string,
  parts: BridgeParts,
): DraftRecord[] | SubmitOutcome {
  if (patient) return { ...refusedBy('PATIENT_EXISTS', ''), location: patientLocation }
  // An earlier admission of this number was told "late" and may still become final.
  if (parts.notes.isAdmitting(admission.identifiers.map(nameOf), key)) return { kind: 'late' }
  return admissionRecords(admission, randomBytes(16))
}

async function observationsOf(
  set: ObservationSet,
  patient: Uint8Array,
  key: SigningKey,
  parts: BridgeParts,
): Promise<DraftRecord[] | SubmitOutcome> {
  const author = entityIdOf(sha256, key.publicKey)
  const earlier = await earlierRecords(set, { executor: parts.node.executor, patient, author })
  if (!earlier.ok) return { ...earlier, kind: 'refused' }
  const records = observationRecords(set, patient, earlier.value)
  if (records.length <= recordsPerTransactionMax) return records
  const sentence =
    `The message makes ${records.length} records, one of them the message itself; one transaction takes at most` +
    ` ${recordsPerTransactionMax}. Nothing was stored. Split the message into several.`
  return { kind: 'refused', code: 'RECORDS_TOO_MANY', sentence, location: { segment: 'OBX' } }
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
  if (healingCodes.has(outcome.code)) return { kind: 'late' }
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
