// Which stored values a message takes back (OBX-11 D, W, X) or corrects (C). Rules and pages leave out what
// a later record supersedes, so finding the right record is what makes a deletion true.
import { bytesToHex, decodeBorsh, observationBody, recordKind } from '../../runtime/protocol/index.js'
import type { ExecutorClient } from '../executor/executor-client.js'
import type { LedgerEntry } from '../executor/messages.js'
import { refuse, type Hl7Location, type Hl7Refusal } from './hl7/codes.js'
import type { Observation, ObservationSet } from './hl7/mapping.js'
import { voidingStatuses, type EarlierRecords } from './hl7-records.js'

/** More records of one code at one instant than any sender makes; beyond it nothing is guessed. */
const sameInstantMax = 100

export interface EarlierSearch {
  executor: ExecutorClient
  patient: Uint8Array
  /** The source's entity: a source takes back its own values only, never a nurse's of the same minute. */
  author: Uint8Array
}

/**
 * Finds what D, W, X and C stand for: same patient, code, effective time and source, and the same device
 * when the message names one. Errors: EARLIER_VALUE_UNKNOWN (not for C, which is then a value like any
 * other), EARLIER_VALUE_AMBIGUOUS, VALUE_MISSING (a correction to nothing).
 */
export async function earlierRecords(
  set: ObservationSet,
  search: EarlierSearch,
): Promise<{ ok: true; value: EarlierRecords } | Hl7Refusal> {
  const found = new Map<Observation, readonly Uint8Array[]>()
  for (const [index, observation] of set.observations.entries()) {
    const isVoid = voidingStatuses.has(observation.status)
    if (!isVoid && observation.status !== 'C') continue
    const at: Hl7Location = { segment: 'OBX', sequence: index + 1, field: 11 }
    if (!isVoid && observation.value.kind === 'none') {
      const sentence =
        'A correction (OBX-11 C) holds no value. Nothing was stored. Send status D to take the earlier value back.'
      return refuse('VALUE_MISSING', sentence, { ...at, field: 5 })
    }
    const standing = await standingValues(observation, search)
    if (standing.length === 0 && isVoid) {
      const sentence =
        `OBX-11 ${observation.status} takes a value back, but this source stored none of this code and time that` +
        ' still stands. Nothing was stored. Send the code and the time (OBX-14) of the value that is meant.'
      return refuse('EARLIER_VALUE_UNKNOWN', sentence, at)
    }
    // Copies of one value (a monitor that repeats itself) are all meant; different ones cannot all be.
    if (new Set(standing.map(({ statement }) => statement)).size > 1) {
      const sentence =
        `OBX-11 ${observation.status} could mean several different values of this code and time. Nothing was` +
        ' stored. Name the device (OBX-18), or have a person correct the value in the chart.'
      return refuse('EARLIER_VALUE_AMBIGUOUS', sentence, at)
    }
    const ids = standing.map(({ id }) => id)
    if (ids.length > 0) found.set(observation, ids)
  }
  return { ok: true, value: found }
}

interface StandingValue {
  id: Uint8Array
  /** What the record says, to tell copies from different values. */
  statement: string
}

interface ObservationBody {
  value: bigint
  scale: number
  unit: string
  text: string
  status: string
  device: string
}

async function standingValues(observation: Observation, search: EarlierSearch): Promise<StandingValue[]> {
  const { records } = await search.executor.call('records', {
    patient: search.patient,
    kind: recordKind.observation,
    code: observation.code,
    from: observation.effectiveTimeMs,
    to: observation.effectiveTimeMs,
    limit: sameInstantMax,
    newest: true,
  })
  const superseded = new Set(
    records.flatMap(({ supersedes }) => (supersedes ? [bytesToHex(supersedes)] : [])),
  )
  const author = bytesToHex(search.author)
  return records.flatMap((record) => {
    if (superseded.has(bytesToHex(record.id)) || bytesToHex(record.author) !== author) return []
    const body = bodyOf(record)
    if (!body || voidingStatuses.has(body.status)) return []
    if (observation.device !== '' && body.device !== '' && body.device !== observation.device) return []
    const { value, scale, unit, text, device } = body
    return [{ id: record.id, statement: JSON.stringify([String(value), scale, unit, text, device]) }]
  })
}

function bodyOf({ body }: LedgerEntry): ObservationBody | undefined {
  const decoded = body ? decodeBorsh(observationBody, body) : undefined
  return decoded?.ok ? (decoded.value as unknown as ObservationBody) : undefined
}
